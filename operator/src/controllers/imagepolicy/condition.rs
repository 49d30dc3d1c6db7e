//! The conditions of a policy. Readiness and compliance are two things: a policy that finds violations works.

use breakwater_core::{
    policy::{Compliance, Effect, Policy},
    printable,
    scan::FailureReason,
    workload::Workload,
};
use breakwater_crds::{
    imagepolicy::AdmissionMode,
    names::{
        conditions::{
            COMPLIANT, DATABASE_STALE, ENFORCING, REGISTRY_REACHABLE, REMEDIATING, STORE_FULL, UNSUPPORTED,
        },
        reasons,
    },
};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    observe::{Facts, Judged},
    plan::{Plan, PreviousRun, stale_at},
    remediating::{RemediationState, remediating},
};
use crate::{
    inventory::{Highest, Outcome},
    kube::conditions::{self, Status},
    mitigation::MitigationState,
};

/// A condition before it has a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConditionValue {
    pub(super) status: Status,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

pub(super) fn value(status: Status, reason: &'static str, message: impl Into<String>) -> ConditionValue {
    ConditionValue { status, reason, message: message.into() }
}

/// The most paths that a message lists; it has room for about so many.
const MAX_PATHS: usize = 12;

/// What the conditions depend on beside policy, facts and verdicts.
pub(super) struct Circumstances<'a> {
    /// Paths of the spec that this version does not carry out.
    pub(super) unsupported: &'a [String],
    /// Names of exceptions that are no longer in effect, in the order of the spec.
    pub(super) ended: &'a [String],
    pub(super) admission: AdmissionMode,
    /// Whether the workloads were looked at after the object's last change.
    pub(super) is_settled: bool,
    pub(super) remediation: RemediationState,
    /// A mitigation of this policy that is in effect.
    pub(super) contained: Option<&'a MitigationState>,
    /// Why the report store takes no more inventories of a selected namespace.
    pub(super) store_full: Option<String>,
}

/// Nothing is known, because the spec is wrong.
pub(super) fn unjudged(
    all: &mut Vec<Condition>,
    reason: &str,
    unsupported: &[String],
    generation: i64,
    now: DateTime<Utc>,
) {
    let mut set = |type_, status, message| {
        conditions::set(all, type_, status, reason, message, generation, now);
    };
    set(COMPLIANT, Status::Unknown, "the spec is not valid: nothing is judged");
    set(ENFORCING, Status::Unknown, "the spec is not valid");
    set(
        REMEDIATING,
        Status::False,
        "the spec is not valid: no new actions; what is contained stays contained",
    );
    for type_ in [DATABASE_STALE, REGISTRY_REACHABLE, STORE_FULL] {
        conditions::remove(all, type_);
    }
    set_unsupported(all, unsupported, generation, now);
}

#[allow(clippy::too_many_arguments, reason = "everything a status is made from, each once")]
pub(super) fn judged(
    all: &mut Vec<Condition>,
    policy: &Policy,
    facts: &Facts,
    past: &PreviousRun,
    plan: &Plan,
    worst: &[&Judged],
    circumstances: &Circumstances<'_>,
    generation: i64,
    now: DateTime<Utc>,
) {
    let mut set = |type_, value: ConditionValue| {
        conditions::set(all, type_, value.status, value.reason, &value.message, generation, now);
    };
    set(COMPLIANT, compliant(policy, past, plan, worst, circumstances));
    set(ENFORCING, enforcing(circumstances.admission));
    set(REMEDIATING, remediating(&circumstances.remediation));
    set(DATABASE_STALE, database_stale(facts, past, now));
    if !policy.registries.is_empty() {
        set(REGISTRY_REACHABLE, registry_reachable(facts));
    }
    if let Some(problem) = &circumstances.store_full {
        set(STORE_FULL, value(Status::True, "StoreFull", problem.as_str()));
    }
    if policy.registries.is_empty() {
        conditions::remove(all, REGISTRY_REACHABLE);
    }
    if circumstances.store_full.is_none() {
        conditions::remove(all, STORE_FULL);
    }
    set_unsupported(all, circumstances.unsupported, generation, now);
    let (reason, message) = ready(policy.suspended, circumstances);
    conditions::ready(all, reason, &message, generation, now);
}

/// Ready means that the spec is valid and taken up. The message promises nothing that another condition denies.
fn ready(is_suspended: bool, circumstances: &Circumstances<'_>) -> (&'static str, String) {
    let (reason, mut message) = if is_suspended {
        (
            reasons::SUSPENDED,
            "suspended: no scans and no new actions; what is contained stays contained".to_owned(),
        )
    } else {
        (reasons::SUCCEEDED, "the spec is valid; selected workloads are judged".to_owned())
    };
    if !circumstances.unsupported.is_empty() {
        message.push_str("; fields that this version does not carry out: see condition Unsupported");
    }
    if !circumstances.ended.is_empty() {
        message.push_str(&format!("; exceptions no longer in effect: {}", listed(circumstances.ended)));
    }
    (reason, message)
}

fn set_unsupported(all: &mut Vec<Condition>, paths: &[String], generation: i64, now: DateTime<Utc>) {
    if paths.is_empty() {
        return conditions::remove(all, UNSUPPORTED);
    }
    let message = format!("this version does not carry out {}; they have no effect", listed(paths));
    conditions::set(
        all,
        UNSUPPORTED,
        Status::True,
        reasons::FIELDS_NOT_CARRIED_OUT,
        &message,
        generation,
        now,
    );
}

/// The first of them, in the order of the spec.
fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(MAX_PATHS).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_PATHS {
        text.push_str(" and others");
    }
    text
}

fn compliant(
    policy: &Policy,
    past: &PreviousRun,
    plan: &Plan,
    worst: &[&Judged],
    circumstances: &Circumstances<'_>,
) -> ConditionValue {
    if past.audit_off {
        return value(
            Status::Unknown,
            "AuditOff",
            "spec.enforcement.audit is Off: running workloads are not judged",
        );
    }
    if let Some(first) = worst.first() {
        let others = if worst.len() > 1 { " and others break" } else { " breaks" };
        let rules = first.verdict.violated().join(", ");
        let message = format!("{}{others} a rule ({rules}); see status.violations", first.workload.id);
        return value(Status::False, reasons::VIOLATIONS, message);
    }
    // Nothing of it runs any more, so that nothing of it can be judged: it broke the rules, and would again.
    if let Some(contained) = circumstances.contained {
        let message = format!(
            "{} is contained ({} since {}) for breaking a rule; see status.mitigations",
            contained.workload,
            contained.action.as_str(),
            contained.since.format("%Y-%m-%dT%H:%M:%SZ"),
        );
        return value(Status::False, reasons::CONTAINED, message);
    }
    if !circumstances.is_settled {
        let message = "the workloads are being looked at after the last change of the policy";
        return value(Status::Unknown, reasons::JUDGING, message);
    }
    if !policy.has_rules() {
        return value(
            Status::Unknown,
            reasons::NO_RULES,
            "the policy demands nothing: set at least one field of spec.rules",
        );
    }
    let unknown = plan
        .judged
        .iter()
        .find(|judged| judged.verdict.compliance == Compliance::Unknown && runs_or_will(&judged.workload));
    if let Some(unknown) = unknown {
        return value(Status::Unknown, reasons::UNKNOWN, why_unknown(unknown));
    }
    if !policy.not_evaluated.is_empty() {
        let missing = policy.not_evaluated.join(", ");
        let message = format!("this version does not evaluate spec.rules: {missing}");
        return value(Status::Unknown, reasons::NOT_EVALUATED, message);
    }
    if plan.judged.is_empty() {
        return value(Status::True, reasons::PASSED, "no workload is selected");
    }
    value(Status::True, reasons::PASSED, "every selected workload keeps the rules")
}

/// Which workload, which image, which rule, and what to do about it.
fn why_unknown(judged: &Judged) -> String {
    let id = &judged.workload.id;
    match judged.verdict.with(Effect::Unknown).next() {
        Some(check) => format!(
            "{id}: unknown: {}: {} ({}, {}); {}",
            printable::line(&check.image, 200),
            printable::line(&check.observed, 300),
            check.id,
            check.rule,
            printable::line(&check.remedy, 300),
        ),
        None => {
            format!("{id}: unknown: a newer advisory index was used before; wait until this replica has it")
        }
    }
}

/// Reports whether what is not known of a workload matters: it has pods or is about to.
fn runs_or_will(workload: &Workload) -> bool {
    let wanted = workload.replicas.is_some_and(|replicas| replicas > 0);
    !workload.finished && (wanted || workload.running_pods > 0 || !workload.running.is_empty())
}

/// Belongs to admission: not even an enforcing remediation keeps anything from being created.
fn enforcing(admission: AdmissionMode) -> ConditionValue {
    match admission {
        AdmissionMode::Off => {
            value(Status::False, "Off", "spec.enforcement.admission is Off: nothing is refused")
        }
        AdmissionMode::Audit | AdmissionMode::Warn | AdmissionMode::Enforce => value(
            Status::Unknown,
            reasons::NOT_PROVEN,
            "nothing has proven that admission refuses what breaks a rule",
        ),
    }
}

fn database_stale(facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> ConditionValue {
    let index = &facts.index;
    let problem = index.problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
    let Some(revision) = index.revision else {
        return value(
            Status::True,
            "NoIndex",
            format!("there is no advisory index: verdicts are Unknown{problem}"),
        );
    };
    if let Highest::Unreadable(reason) = &index.highest {
        let message =
            format!("the highest revision used before cannot be read: nothing is acted upon: {reason}");
        return value(Status::True, "HighestUnreadable", message);
    }
    if index.is_behind() {
        let message =
            format!("a newer index than revision {revision} was used before: nothing is acted upon{problem}");
        return value(Status::True, "IndexBehind", message);
    }
    if stale_at(facts, past).is_some_and(|end| end <= now) {
        return value(
            Status::True,
            "IndexOld",
            format!("revision {revision} is older than the configuration allows{problem}"),
        );
    }
    if index.problem.is_some() {
        return value(Status::True, "IndexRefused", format!("revision {revision} stays in use{problem}"));
    }
    value(Status::False, "IndexCurrent", "the advisory index is current")
}

fn registry_reachable(facts: &Facts) -> ConditionValue {
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
        None => value(Status::Unknown, reasons::PROGRESSING, "no scan of a registry has ended yet"),
        Some((_, _, Some(failure))) if unreachable(failure.reason) => {
            value(Status::False, "Unreachable", failure.message.clone())
        }
        Some(_) => value(Status::True, reasons::SUCCEEDED, "the registry answers"),
    }
}
