//! Report: from the plan, or from what is wrong with the spec, to a status. Pure.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    mitigation::{ActionKind, Mode, State},
    policy::{Compliance, Effect, Policy},
    printable,
    workload::WorkloadRef,
};
use breakwater_crds::{
    ImagePolicy, ImagePolicyStatus, Time,
    imagepolicy::{
        ExceptionTotals, ImageTotals, MitigationEntry, Mode as ModeWord, PolicySummary, RemediationAction,
        ScanFailure, ViolationEntry, WorkloadTotals,
    },
    names::{annotations, reasons},
    severities::saturate,
    validation::{Fault, Problems},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    condition,
    observe::{Facts, Judged},
    plan::{Plan, PreviousRun, last_success},
};
use crate::{kube::conditions, mitigation::MitigationState};

/// The most entries of each list.
const MAX_LIST: usize = 20;
/// The most check ids of one workload.
const MAX_RULES: usize = 16;
/// The longest free text of an entry, in characters.
const MAX_TEXT: usize = 512;
/// An exception that ends within this time is about to.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);

/// The status of a policy whose spec is wrong: nothing is in force, and what was known of it is taken back.
pub(super) fn stalled(object: &ImagePolicy, problems: &Problems, now: DateTime<Utc>) -> ImagePolicyStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let foreign = problems.iter().any(|problem| matches!(problem.fault, Fault::ForeignNamespace(_)));
    let reason = if foreign { reasons::FOREIGN_NAMESPACE } else { reasons::INVALID_SPEC };
    let mut conditions = before.conditions;
    condition::unjudged(&mut conditions, reason, generation, now);
    conditions::stalled(&mut conditions, reason, &problems.to_string(), generation, now);
    ImagePolicyStatus {
        observed_generation: Some(generation),
        conditions,
        last_scan_time: before.last_scan_time,
        last_successful_scan_time: before.last_successful_scan_time,
        last_handled_request_at: before.last_handled_request_at,
        ..ImagePolicyStatus::default()
    }
}

/// The status of a policy in force. `since` says since when each workload violates it.
pub(super) fn status(
    object: &ImagePolicy,
    policy: &Policy,
    facts: &Facts,
    past: &PreviousRun,
    plan: &Plan,
    since: &BTreeMap<WorkloadRef, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ImagePolicyStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let worst = worst_first(&plan.judged);
    let mut conditions = before.conditions;
    condition::judged(&mut conditions, policy, facts, past, plan, &worst, generation, now);
    let last_success = last_success(facts).max(before.last_successful_scan_time.map(Time::get));
    let cut =
        [worst.len(), plan.failures.len(), facts.mitigations.len()].iter().any(|length| *length > MAX_LIST);
    ImagePolicyStatus {
        observed_generation: Some(generation),
        conditions,
        last_scan_time: plan.last_scan.map(Time::from),
        last_successful_scan_time: last_success.map(Time::from),
        next_scan_time: plan.next_scan.map(Time::from),
        last_handled_request_at: plan.handled_request.clone(),
        summary: Some(summary(facts, plan)),
        exceptions: Some(exceptions(policy, now)),
        violations: worst.iter().take(MAX_LIST).map(|judged| violation(judged, since)).collect(),
        total_violations: Some(i32::try_from(worst.len()).unwrap_or(i32::MAX)),
        truncated: cut,
        failures: failures(plan),
        mitigations: mitigations(&facts.mitigations),
    }
}

/// Violating workloads: known exploited, fixable critical, number of broken rules, then by reference.
fn worst_first(judged: &[Judged]) -> Vec<&Judged> {
    let mut worst: Vec<&Judged> =
        judged.iter().filter(|judged| judged.verdict.compliance == Compliance::Violating).collect();
    let severity = |judged: &Judged| judged.verdict.with(Effect::Violation).map(|check| check.severity).max();
    worst.sort_by_cached_key(|judged| {
        let verdict = &judged.verdict;
        std::cmp::Reverse((
            verdict.known_exploited,
            severity(judged),
            verdict.fixable_critical,
            verdict.violated().len(),
            std::cmp::Reverse(judged.workload.id.clone()),
        ))
    });
    worst
}

fn violation(judged: &Judged, since: &BTreeMap<WorkloadRef, DateTime<Utc>>) -> ViolationEntry {
    let id = &judged.workload.id;
    ViolationEntry {
        kind: id.kind,
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        risk: None,
        rules: judged.verdict.violated().into_iter().take(MAX_RULES).map(str::to_owned).collect(),
        since: since.get(id).copied().map(Time::from),
        owner: judged.workload.annotations.get(annotations::OWNER).map(|owner| printable::line(owner, 128)),
    }
}

fn summary(facts: &Facts, plan: &Plan) -> PolicySummary {
    let count = |compliance| {
        let of = plan.judged.iter().filter(|judged| judged.verdict.compliance == compliance).count();
        i32::try_from(of).unwrap_or(i32::MAX)
    };
    let in_force = |state: &&MitigationState| {
        state.mode == Mode::Enforce
            && matches!(state.state, State::Recorded | State::Applied | State::Verified | State::Held)
    };
    let suppressed =
        plan.judged.iter().fold(0_u32, |sum, judged| sum.saturating_add(judged.verdict.suppressed));
    let totals = &plan.totals;
    PolicySummary {
        images: ImageTotals {
            matched: saturate(totals.matched),
            scanned: saturate(totals.scanned),
            failed: saturate(totals.failed),
            unknown: saturate(totals.unknown),
        },
        workloads: WorkloadTotals {
            matched: i32::try_from(facts.judged.len()).unwrap_or(i32::MAX),
            violating: count(Compliance::Violating),
            unknown: count(Compliance::Unknown),
            mitigated: i32::try_from(facts.mitigations.iter().filter(in_force).count()).unwrap_or(i32::MAX),
        },
        severities: totals.severities.into(),
        fixable: totals.fixable.into(),
        known_exploited: saturate(totals.known_exploited),
        suppressed: saturate(suppressed),
    }
}

fn exceptions(policy: &Policy, now: DateTime<Utc>) -> ExceptionTotals {
    let mut totals = ExceptionTotals::default();
    for exception in &policy.exceptions {
        let count = if exception.is_active(now) { &mut totals.active } else { &mut totals.expired };
        *count = count.saturating_add(1);
        if exception.is_active(now) && !exception.is_active(now + EXPIRES_SOON) {
            totals.expiring = totals.expiring.saturating_add(1);
        }
    }
    totals
}

fn failures(plan: &Plan) -> Vec<ScanFailure> {
    let entries = plan.failures.iter().take(MAX_LIST).map(|(image, failure, since)| ScanFailure {
        image: printable::line(image, MAX_TEXT),
        stage: failure.stage,
        reason: failure.reason,
        message: printable::line(&failure.message, MAX_TEXT),
        retryable: failure.reason.is_retryable(),
        since: since.map(Time::from),
    });
    entries.collect()
}

fn mitigations(states: &[MitigationState]) -> Vec<MitigationEntry> {
    let mut states: Vec<&MitigationState> = states.iter().collect();
    // What is in force before what is imagined, what is under way before what is over.
    states.sort_by_key(|state| {
        let over = matches!(state.state, State::Restored | State::Cancelled);
        (over, state.mode != Mode::Enforce, state.workload.clone())
    });
    let entries = states.into_iter().take(MAX_LIST).map(|state| MitigationEntry {
        workload: state.workload.to_string(),
        action: action(state.action),
        mode: mode(state.mode),
        state: state.state.as_str().to_owned(),
        previous_replicas: state.previous_replicas,
        reason: printable::line(&state.reason, MAX_TEXT),
        since: Some(state.since.into()),
        until: state.until.map(Time::from),
    });
    entries.collect()
}

fn action(action: ActionKind) -> RemediationAction {
    match action {
        ActionKind::Alert => RemediationAction::Alert,
        ActionKind::Label => RemediationAction::Label,
        ActionKind::Evidence => RemediationAction::Evidence,
        ActionKind::Quarantine => RemediationAction::Quarantine,
        ActionKind::DeletePod => RemediationAction::DeletePod,
        ActionKind::ScaleToZero => RemediationAction::ScaleToZero,
    }
}

fn mode(mode: Mode) -> ModeWord {
    match mode {
        Mode::Off => ModeWord::Off,
        Mode::DryRun => ModeWord::DryRun,
        Mode::Enforce => ModeWord::Enforce,
    }
}

/// Since when each workload violates the policy: as remembered, else as the status says, else now.
pub(super) fn violating_since(
    plan: &Plan,
    remembered: &BTreeMap<WorkloadRef, DateTime<Utc>>,
    before: Option<&ImagePolicyStatus>,
    now: DateTime<Utc>,
) -> BTreeMap<WorkloadRef, DateTime<Utc>> {
    let violating: BTreeSet<&WorkloadRef> =
        worst_first(&plan.judged).into_iter().map(|j| &j.workload.id).collect();
    let said = |id: &WorkloadRef| {
        let entries = before.into_iter().flat_map(|status| &status.violations);
        entries
            .filter(|entry| entry.kind == id.kind && entry.namespace == id.namespace && entry.name == id.name)
            .find_map(|entry| entry.since.map(Time::get))
    };
    violating
        .into_iter()
        .map(|id| (id.clone(), remembered.get(id).copied().or_else(|| said(id)).unwrap_or(now)))
        .collect()
}
