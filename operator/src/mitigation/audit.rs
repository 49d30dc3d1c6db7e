//! One structured log line per decision, with what it was decided on.

use breakwater_core::mitigation::{Facts, Plan, Step};

/// The log target of the audit lines: `RUST_LOG=breakwater::audit=info` keeps them alone.
const TARGET: &str = "breakwater::audit";

pub(super) fn decision(facts: &Facts<'_>, plan: &Plan, step: &Step, epoch: i64) {
    let target = facts.live.and_then(|live| live.target.as_ref());
    let containment = facts.record.and_then(|record| record.containment.as_ref());
    let verdicts: Vec<String> = facts
        .verdicts
        .iter()
        .map(|judged| {
            let rules = judged.verdict.violated().join("+");
            let id = &judged.policy.id;
            format!("{}/{}={:?}:{rules}", id.namespace, id.name, judged.verdict.compliance)
        })
        .collect();
    let statuses: Vec<String> = plan
        .statuses
        .values()
        .map(|status| {
            format!(
                "{} {:?} {}: {}",
                status.action.as_str(),
                status.mode,
                status.state.as_str(),
                status.reason
            )
        })
        .collect();
    tracing::info!(
        target: TARGET,
        workload = %facts.target.workload,
        uid = facts.target.uid,
        step = step.name(),
        replicas = if let Step::Scale { replicas } = step { Some(*replicas) } else { None },
        phase = containment.map(|containment| format!("{:?}", containment.phase)),
        statuses = statuses.join("; "),
        verdicts = verdicts.join(" "),
        resource_version = target.map(|target| target.resource_version.as_str()),
        live_replicas = target.map(|target| target.replicas),
        previous_replicas = containment.and_then(|containment| containment.previous_replicas),
        nonce = containment.map(|containment| containment.nonce.as_str()),
        index_revision = facts.index.map(|index| index.revision),
        access = facts.access,
        breaker_open = facts.breaker.is_open(),
        epoch,
        "decided"
    );
}
