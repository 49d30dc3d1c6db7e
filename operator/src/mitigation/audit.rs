//! One structured log line per decision, with what it was decided on.

use breakwater_core::mitigation::{Facts, Plan, Step};

/// The log target of the audit lines: `RUST_LOG=breakwater::audit=info` keeps them alone.
const TARGET: &str = "breakwater::audit";

pub(super) fn decision(facts: &Facts<'_>, plan: &Plan, step: &Step, epoch: i64) {
    let outlook = plan.outlook.as_ref();
    let target = facts.live.and_then(|live| live.target.as_ref());
    let latch = facts.case.and_then(|case| case.latch.as_ref());
    let opinions: Vec<String> = facts
        .opinions
        .iter()
        .map(|opinion| {
            let rules = opinion.verdict.violated().join("+");
            let id = &opinion.policy.id;
            format!("{}/{}={:?}:{rules}", id.namespace, id.name, opinion.verdict.compliance)
        })
        .collect();
    tracing::info!(
        target: TARGET,
        workload = %facts.target,
        step = step.name(),
        replicas = if let Step::Scale { replicas } = step { Some(*replicas) } else { None },
        state = outlook.map(|outlook| outlook.state.as_str()),
        mode = outlook.map(|outlook| format!("{:?}", outlook.mode)),
        reason = outlook.map(|outlook| outlook.reason.as_str()),
        opinions = opinions.join(" "),
        uid = target.map(|target| target.uid.as_str()),
        resource_version = target.map(|target| target.resource_version.as_str()),
        live_replicas = target.map(|target| target.replicas),
        previous_replicas = latch.and_then(|latch| latch.previous_replicas),
        nonce = latch.map(|latch| latch.nonce.as_str()),
        index_revision = facts.index_revision,
        rbac = facts.rbac,
        breaker_open = facts.breaker.is_open(),
        held = facts.cases.iter().filter(|case| case.holding().is_some()).count(),
        epoch,
        "decided"
    );
}
