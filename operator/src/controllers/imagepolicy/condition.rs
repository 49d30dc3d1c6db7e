//! The conditions of a policy. Readiness and compliance are two things: a policy that finds violations works.

use breakwater_core::{
    mitigation::Mode,
    policy::{Compliance, Effect, Policy},
    printable,
    scan::FailureReason,
};
use breakwater_crds::names::{
    conditions::{COMPLIANT, DATABASE_STALE, ENFORCING, REGISTRY_REACHABLE},
    reasons,
};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    observe::{Facts, Judged},
    plan::{Plan, PreviousRun, stale_at},
};
use crate::{
    inventory::{Highest, Outcome},
    kube::conditions::{self, Status},
};

/// A condition before it has a time.
struct Says {
    status: Status,
    reason: &'static str,
    message: String,
}

fn says(status: Status, reason: &'static str, message: impl Into<String>) -> Says {
    Says { status, reason, message: message.into() }
}

/// Nothing can be said, because the spec is wrong.
pub(super) fn unjudged(all: &mut Vec<Condition>, reason: &str, generation: i64, now: DateTime<Utc>) {
    conditions::set(
        all,
        COMPLIANT,
        Status::Unknown,
        reason,
        "the spec is not valid: nothing is judged",
        generation,
        now,
    );
    conditions::set(
        all,
        ENFORCING,
        Status::False,
        reason,
        "the spec is not valid: no new action",
        generation,
        now,
    );
    conditions::remove(all, DATABASE_STALE);
    conditions::remove(all, REGISTRY_REACHABLE);
}

#[allow(clippy::too_many_arguments, reason = "everything a status is made from, each once")]
pub(super) fn judged(
    all: &mut Vec<Condition>,
    policy: &Policy,
    facts: &Facts,
    past: &PreviousRun,
    plan: &Plan,
    worst: &[&Judged],
    generation: i64,
    now: DateTime<Utc>,
) {
    let mut set = |type_, says: Says| {
        conditions::set(all, type_, says.status, says.reason, &says.message, generation, now);
    };
    set(COMPLIANT, compliant(policy, facts, past, plan, worst));
    set(ENFORCING, enforcing(policy));
    set(DATABASE_STALE, database_stale(facts, past, now));
    if policy.registries.is_empty() {
        conditions::remove(all, REGISTRY_REACHABLE);
    } else {
        set(REGISTRY_REACHABLE, registry_reachable(facts));
    }
    let missing = policy.not_evaluated.join(", ");
    let (reason, message) = match (policy.suspended, missing.is_empty()) {
        (true, _) => (reasons::SUSPENDED, "suspended: no scans and no new actions; latches stay".to_owned()),
        (false, true) => (reasons::SUCCEEDED, "in force".to_owned()),
        (false, false) => {
            (reasons::SUCCEEDED, format!("in force, but for what this version does not evaluate: {missing}"))
        }
    };
    conditions::ready(all, reason, &message, generation, now);
}

fn compliant(policy: &Policy, facts: &Facts, past: &PreviousRun, plan: &Plan, worst: &[&Judged]) -> Says {
    if past.audit_off {
        return says(
            Status::Unknown,
            "AuditOff",
            "spec.enforcement.audit is Off: running workloads are not judged",
        );
    }
    if let Some(first) = worst.first() {
        let others = if worst.len() > 1 { " and others break" } else { " breaks" };
        let rules = first.verdict.violated().join(", ");
        let message = format!("{}{others} a rule ({rules}); see status.violations", first.workload.id);
        return says(Status::False, reasons::VIOLATIONS, message);
    }
    // Nothing of it runs any more, so that nothing of it can be judged: it broke the rules, and would again.
    if let Some(contained) = facts.mitigations.iter().find(|mitigation| mitigation.state.is_contained()) {
        let message = format!(
            "{} is contained ({} since {}) for breaking a rule; see status.mitigations",
            contained.workload,
            contained.action.as_str(),
            contained.since.format("%Y-%m-%dT%H:%M:%SZ"),
        );
        return says(Status::False, reasons::CONTAINED, message);
    }
    let unknown = plan
        .judged
        .iter()
        .find(|judged| judged.verdict.compliance == Compliance::Unknown && !judged.is_idle());
    if let Some(unknown) = unknown {
        let why = unknown.verdict.with(Effect::Unknown).next().map_or_else(
            || "a newer advisory index was used before".to_owned(),
            |check| format!("{}: {}", printable::line(&check.image, 200), check.observed),
        );
        return says(
            Status::Unknown,
            reasons::UNKNOWN,
            format!("of {} it cannot be told: {why}", unknown.workload.id),
        );
    }
    if !policy.not_evaluated.is_empty() {
        let missing = policy.not_evaluated.join(", ");
        return says(Status::Unknown, "NotEvaluated", format!("this version does not evaluate {missing}"));
    }
    if plan.judged.is_empty() {
        return says(Status::True, reasons::PASSED, "no workload is selected");
    }
    says(Status::True, reasons::PASSED, "every selected workload keeps the rules")
}

fn enforcing(policy: &Policy) -> Says {
    match policy.remediation.mode {
        _ if policy.suspended => says(Status::False, reasons::SUSPENDED, "suspended: no new actions"),
        Mode::Off => says(Status::False, "Off", "spec.remediation.mode is Off: violations are reported only"),
        Mode::DryRun => {
            says(Status::False, "DryRun", "actions are planned and shown, not taken: see status.mitigations")
        }
        Mode::Enforce => {
            let message = "acts in namespaces labelled breakwater.dev/remediation=enabled; status.mitigations names what is missing";
            says(Status::True, "Enforce", message)
        }
    }
}

fn database_stale(facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> Says {
    let index = &facts.index;
    let problem = index.problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
    let Some(revision) = index.revision else {
        return says(
            Status::True,
            "NoIndex",
            format!("there is no advisory index: verdicts are Unknown{problem}"),
        );
    };
    if let Highest::Unreadable(reason) = &index.highest {
        let message =
            format!("the highest revision used before cannot be read: nothing is acted upon: {reason}");
        return says(Status::True, "HighestUnreadable", message);
    }
    if index.is_behind() {
        let message =
            format!("a newer index than revision {revision} was used before: nothing is acted upon{problem}");
        return says(Status::True, "IndexBehind", message);
    }
    if stale_at(facts, past).is_some_and(|end| end <= now) {
        return says(
            Status::True,
            "IndexOld",
            format!("revision {revision} is older than the configuration allows{problem}"),
        );
    }
    if index.problem.is_some() {
        return says(Status::True, "IndexRefused", format!("revision {revision} stays in use{problem}"));
    }
    says(Status::False, "IndexCurrent", "the advisory index is current")
}

fn registry_reachable(facts: &Facts) -> Says {
    let newest = facts.scans.iter().filter_map(|scan| match &scan.outcome {
        Outcome::Unfinished => None,
        Outcome::Answered { at } => Some((*at, &scan.name, None)),
        Outcome::Failed { at, failure } => Some((*at, &scan.name, Some(failure))),
    });
    let unreachable = |reason| {
        matches!(
            reason,
            FailureReason::HostUnknown
                | FailureReason::ConnectionFailed
                | FailureReason::TlsFailed
                | FailureReason::AddressRefused
                | FailureReason::RegistryUnavailable
                | FailureReason::NotARegistry
                | FailureReason::TimedOut
                | FailureReason::Unauthorized
                | FailureReason::Forbidden
        )
    };
    match newest.max_by_key(|(at, name, _)| (*at, (*name).clone())) {
        None => says(Status::Unknown, reasons::PROGRESSING, "no scan of a registry has ended yet"),
        Some((_, _, Some(failure))) if unreachable(failure.reason) => {
            says(Status::False, "Unreachable", failure.message.clone())
        }
        Some(_) => says(Status::True, reasons::SUCCEEDED, "the registry answers"),
    }
}
