//! Report: from the plan, or from what is wrong with the spec, to a status. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use breakwater_core::{
    Digest,
    policy::{Compliance, Effect, ImageFacts, Policy, ScannedImage},
    printable,
    workload::WorkloadRef,
};
use breakwater_crds::{
    ImagePolicy, ImagePolicyStatus, Time,
    imagepolicy::{
        ExceptionTotals, GraceTotals, ImageTotals, PolicySummary, ScanFailure, ViolationEntry, WorkloadTotals,
    },
    names::{labels, reasons},
    severities::saturate,
    validation::{Fault, Problems},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    condition::{self, Circumstances},
    mitigations,
    observe::{Facts, Judged},
    plan::{Plan, PreviousRun, last_success, stale_at},
    remediating::RemediationState,
    violation,
};
use crate::{kube::conditions, mitigation::MitigationState};

/// The most entries of each list.
pub(super) const MAX_LIST: usize = 20;
/// The most check ids of one workload.
pub(super) const MAX_RULES: usize = 16;
/// The longest free text of an entry, in characters.
pub(super) const MAX_TEXT: usize = 512;
/// An exception that ends within this time is about to.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);
/// The time that watches get to deliver workloads which were written together with a policy. Until then it is not compliant.
const SETTLING: TimeDelta = TimeDelta::seconds(5);
/// A last change further ahead than this is another clock's mistake, not a change to wait for.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

/// The status of a policy whose spec is wrong: nothing is in force, and what was known of it is taken back.
pub(super) fn stalled(object: &ImagePolicy, problems: &Problems, now: DateTime<Utc>) -> ImagePolicyStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let foreign = problems.iter().any(|problem| matches!(problem.fault, Fault::ForeignNamespace(_)));
    let reason = if foreign { reasons::FOREIGN_NAMESPACE } else { reasons::INVALID_SPEC };
    let mut conditions = before.conditions;
    condition::unjudged(&mut conditions, reason, &object.spec.unsupported(), generation, now);
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
    let pods = pods(facts);
    let pods = |state: &MitigationState| pods.get(&state.workload).copied();
    let mitigations = mitigations::shown(&facts.mitigations, pods, now);
    let mitigated = mitigations.iter().filter(|state| mitigations::is_mitigated(state, pods(state))).count();
    let exceptions = exceptions(policy, now);
    let unsupported = object.spec.unsupported();
    let circumstances = Circumstances {
        unsupported: &unsupported,
        ended: &exceptions.ended,
        admission: object.spec.enforcement.admission,
        is_settled: settles_at(object, now).is_none(),
        remediation: remediation_state(policy, facts, past, now),
        contained: mitigations.iter().copied().find(|state| state.state.is_contained()),
        store_full: facts.store_full.clone(),
    };
    let mut conditions = before.conditions;
    condition::judged(&mut conditions, policy, facts, past, plan, &worst, &circumstances, generation, now);
    let last_success = last_success(facts).max(before.last_successful_scan_time.map(Time::get));
    let cut = [worst.len(), plan.failures.len(), mitigations.len()].iter().any(|length| *length > MAX_LIST);
    ImagePolicyStatus {
        observed_generation: Some(generation),
        conditions,
        last_scan_time: plan.last_scan.map(Time::from),
        last_successful_scan_time: last_success.map(Time::from),
        next_scan_time: plan.next_scan.map(Time::from),
        last_handled_request_at: plan.handled_request.clone(),
        summary: Some(summary(facts, plan, mitigated)),
        exceptions: Some(exceptions),
        violations: violations(&worst, facts, since, now),
        total_violations: Some(i32::try_from(worst.len()).unwrap_or(i32::MAX)),
        truncated: cut,
        failures: failures(plan),
        mitigations: mitigations::entries(&mitigations),
    }
}

/// When time alone changes the status beside what the plan knows: the policy settles, a mitigation that is over leaves it.
pub(super) fn next_change(object: &ImagePolicy, facts: &Facts, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let pods = pods(facts);
    let shown = mitigations::shown(&facts.mitigations, |state| pods.get(&state.workload).copied(), now);
    [settles_at(object, now), mitigations::next_end(&shown, now)].into_iter().flatten().min()
}

/// When the workloads count as looked at after the object's last change; none if they do already.
fn settles_at(object: &ImagePolicy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let metadata = &object.metadata;
    let written = metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let times = written.filter_map(|entry| entry.time.as_ref()).chain(&metadata.creation_timestamp);
    let last = times.filter_map(|time| DateTime::from_timestamp(time.0.as_second(), 0)).max()?;
    // The API server's times have no fractions: up to a second of it had passed.
    let settled = last + SETTLING;
    (now < settled && last <= now + CLOCK_SKEW).then_some(settled)
}

/// How many pods of each selected workload run.
fn pods(facts: &Facts) -> BTreeMap<WorkloadRef, i32> {
    facts.judged.iter().map(|judged| (judged.workload.id.clone(), judged.workload.running_pods)).collect()
}

/// What decides whether remediation acts.
fn remediation_state(
    policy: &Policy,
    facts: &Facts,
    past: &PreviousRun,
    now: DateTime<Utc>,
) -> RemediationState {
    let enabled = |judged: &Judged| {
        judged
            .workload
            .namespace_labels
            .get(labels::REMEDIATION)
            .is_some_and(|value| value == labels::ENABLED)
    };
    let index = &facts.index;
    let index_problem = if index.revision.is_none() {
        Some("there is no advisory index")
    } else if index.is_behind() {
        Some("a newer advisory index was used before")
    } else if stale_at(facts, past).is_some_and(|end| end <= now) {
        Some("the advisory index is older than the configuration allows")
    } else {
        None
    };
    RemediationState {
        suspended: policy.suspended,
        mode: policy.remediation.mode,
        any_namespace_enabled: facts.judged.iter().any(enabled),
        index_problem: index_problem.map(str::to_owned),
        rbac: granted(facts),
        paused: facts.paused,
        breaker_open: facts.health.breaker.is_some(),
        records_problem: records_problem(facts),
    }
}

/// Reports whether the operator may act in a namespace of a selected workload; `None`: that was not asked yet.
fn granted(facts: &Facts) -> Option<bool> {
    let namespaces: BTreeSet<&str> =
        facts.judged.iter().map(|judged| judged.workload.id.namespace.as_str()).collect();
    namespaces.into_iter().filter_map(|namespace| facts.health.granted.get(namespace).copied()).max()
}

/// A single record that cannot be read stops only its own workload, and is an Event of its own.
fn records_problem(facts: &Facts) -> Option<String> {
    (!facts.health.is_running).then(|| "the mitigation records have not been read yet".to_owned())
}

fn violations(
    worst: &[&Judged],
    facts: &Facts,
    since: &BTreeMap<WorkloadRef, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<ViolationEntry> {
    let scanned = facts.images.values().filter_map(|facts| match facts {
        ImageFacts::Scanned(image) => Some((&image.digest, image)),
        _ => None,
    });
    let images: HashMap<&Digest, &Arc<ScannedImage>> = scanned.collect();
    let image = |digest: &Digest| images.get(digest).map(|image| Arc::clone(image));
    let entry = |judged: &&Judged| {
        let since = since.get(&judged.workload.id).copied();
        violation::entry(&judged.workload, &judged.verdict, since, image, now)
    };
    worst.iter().take(MAX_LIST).map(entry).collect()
}

/// A Job that has finished never runs again: what it broke is history.
fn is_violating(judged: &Judged) -> bool {
    judged.verdict.compliance == Compliance::Violating && !judged.workload.finished
}

/// Violating workloads: known exploited, fixable critical, number of broken rules, then by reference.
fn worst_first(judged: &[Judged]) -> Vec<&Judged> {
    let mut worst: Vec<&Judged> = judged.iter().filter(|judged| is_violating(judged)).collect();
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

fn summary(facts: &Facts, plan: &Plan, mitigated: usize) -> PolicySummary {
    let count = |matches: &dyn Fn(&Judged) -> bool| {
        i32::try_from(plan.judged.iter().filter(|judged| matches(judged)).count()).unwrap_or(i32::MAX)
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
            violating: count(&is_violating),
            unknown: count(&|judged| {
                judged.verdict.compliance == Compliance::Unknown && !judged.workload.finished
            }),
            mitigated: i32::try_from(mitigated).unwrap_or(i32::MAX),
        },
        severities: totals.severities.into(),
        fixable: totals.fixable.into(),
        known_exploited: saturate(totals.known_exploited),
        malicious: malicious(facts),
        suppressed: saturate(suppressed),
        in_grace: Some(in_grace(&plan.judged)),
    }
}

fn in_grace(judged: &[Judged]) -> GraceTotals {
    let of = judged.iter().map(|judged| judged.verdict.in_grace);
    let count = of.clone().fold(0_u32, |sum, grace| sum.saturating_add(grace.count));
    let first_ends = of.filter_map(|grace| grace.first_ends).min();
    GraceTotals { count: saturate(count), first_ends: first_ends.map(Time::from) }
}

/// Findings of malicious software in images in use, each image once.
fn malicious(facts: &Facts) -> i32 {
    let images: BTreeMap<&Digest, &Arc<ScannedImage>> = facts
        .images
        .values()
        .filter_map(|facts| match facts {
            ImageFacts::Scanned(image) => Some((&image.digest, image)),
            _ => None,
        })
        .collect();
    let findings = images.values().flat_map(|image| &image.findings);
    // The ids of the OpenSSF malicious-packages repository.
    let is_malicious = |finding: &&breakwater_core::Finding| {
        finding.id.starts_with("MAL-") || finding.aliases.iter().any(|alias| alias.starts_with("MAL-"))
    };
    i32::try_from(findings.filter(is_malicious).count()).unwrap_or(i32::MAX)
}

fn exceptions(policy: &Policy, now: DateTime<Utc>) -> ExceptionTotals {
    let mut totals = ExceptionTotals::default();
    for exception in &policy.exceptions {
        let count = if exception.is_active(now) { &mut totals.active } else { &mut totals.expired };
        *count = count.saturating_add(1);
        if !exception.is_active(now) && totals.ended.len() < MAX_LIST {
            totals.ended.push(exception.name.clone());
        }
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
