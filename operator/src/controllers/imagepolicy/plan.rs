//! Plan: what the status counts, which registries are to be scanned, and when to look again. Pure.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    ImageReference, Platform, SeverityCounts,
    policy::{ImageFacts, ImageUnderTest, Policy},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::observe::{Facts, Judged};
use crate::{
    evaluate::{ImageOnPlatform, images_under_test},
    inventory::{Failure, Outcome},
    rescan::Order,
};

/// What is known of the object beside its spec.
#[derive(Debug, Clone, Default)]
pub(super) struct PreviousRun {
    pub(super) created: DateTime<Utc>,
    pub(super) last_scan: Option<DateTime<Utc>>,
    pub(super) handled_request: Option<String>,
    pub(super) request: Option<String>,
    /// `spec.enforcement.audit: Off`: running workloads are not judged.
    pub(super) audit_off: bool,
    pub(super) stale_after: TimeDelta,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) judged: Vec<Judged>,
    pub(super) totals: Totals,
    pub(super) failures: Vec<(String, Failure, Option<DateTime<Utc>>)>,
    /// Scans of registries that are due.
    pub(super) orders: Vec<Order>,
    pub(super) last_scan: Option<DateTime<Utc>>,
    pub(super) next_scan: Option<DateTime<Utc>>,
    /// The request for work that is acted on with this plan, or was before.
    pub(super) handled_request: Option<String>,
    /// When time alone may change any of this.
    pub(super) wake_at: Option<DateTime<Utc>>,
}

impl Plan {
    /// The scans could not be ordered: the run has not begun, and the request is not handled.
    pub(super) fn not_ordered(&mut self, past: &PreviousRun) {
        self.last_scan = past.last_scan;
        self.handled_request.clone_from(&past.handled_request);
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) matched: u32,
    pub(super) scanned: u32,
    pub(super) failed: u32,
    pub(super) unknown: u32,
    pub(super) severities: SeverityCounts,
    pub(super) fixable: SeverityCounts,
    pub(super) known_exploited: u32,
}

pub(super) fn plan(policy: &Policy, facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> Plan {
    let mut seen = BTreeMap::new();
    let mut failures = BTreeMap::new();
    let mut wake_at = stale_at(facts, past).filter(|time| now < *time);
    let known =
        |named: &ImageOnPlatform| facts.images.get(named).cloned().unwrap_or(ImageFacts::NeverScanned);
    let tag = |namespace: &str, image: &ImageReference, platform: &Platform| {
        facts.tags.get(&(namespace.to_owned(), image.clone(), platform.clone())).cloned()
    };
    for judged in &facts.judged {
        let images = images_under_test(&judged.workload, &facts.platforms, known, tag);
        for (image, named) in images.iter().filter(|(image, _)| policy.selector.selects_image(&image.name()))
        {
            let failure = named.as_ref().and_then(|named| facts.failures.get(named));
            if let (ImageFacts::ScanFailed { .. }, Some((failure, since))) = (&image.facts, failure) {
                failures.insert(image.image.clone(), (failure.clone(), *since));
            }
            seen.entry(identity(image, named.as_ref())).or_insert_with(|| image.facts.clone());
        }
        wake_at = earliest(wake_at, judged.verdict.changes_at);
    }
    let runs = runs(policy, facts, past, now);
    Plan {
        judged: facts.judged.clone(),
        totals: totals(seen.values()),
        failures: failures.into_iter().map(|(image, (failure, since))| (image, failure, since)).collect(),
        orders: runs.orders,
        last_scan: runs.last,
        next_scan: runs.next,
        handled_request: past.request.clone().or_else(|| past.handled_request.clone()),
        wake_at: earliest(wake_at, runs.next),
    }
}

/// When the index in use becomes too old to be called fresh.
pub(super) fn stale_at(facts: &Facts, past: &PreviousRun) -> Option<DateTime<Utc>> {
    facts.index.built_at?.checked_add_signed(past.stale_after)
}

/// By what one image is counted once: its manifest where that is known, else what the node calls it, else what the template calls it.
fn identity(image: &ImageUnderTest<'_>, named: Option<&ImageOnPlatform>) -> String {
    match (&image.facts, named) {
        (ImageFacts::Scanned(scanned), _) => scanned.digest.to_string(),
        (_, Some((identity, platform))) => format!("{identity:?} {platform}"),
        (_, None) => image.image.clone(),
    }
}

fn totals<'a>(images: impl Iterator<Item = &'a ImageFacts>) -> Totals {
    let mut totals = Totals::default();
    let add = |count: &mut u32, more: usize| {
        *count = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    };
    for image in images {
        add(&mut totals.matched, 1);
        let ImageFacts::Scanned(image) = image else {
            let count = match image {
                ImageFacts::ScanFailed { .. } => &mut totals.failed,
                _ => &mut totals.unknown,
            };
            add(count, 1);
            continue;
        };
        add(&mut totals.scanned, 1);
        for finding in &image.findings {
            totals.severities.add(finding.severity);
            if finding.is_fixable() {
                totals.fixable.add(finding.severity);
            }
        }
        add(
            &mut totals.known_exploited,
            image.findings.iter().filter(|finding| finding.known_exploited).count(),
        );
    }
    totals
}

#[derive(Debug, Default)]
struct Runs {
    orders: Vec<Order>,
    last: Option<DateTime<Utc>>,
    next: Option<DateTime<Utc>>,
}

/// Scans of registries: when scheduled, or on request. All entries of one run have names that derive from the run before,
/// so that a run which broke off half-way is completed and none is made twice.
fn runs(policy: &Policy, facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> Runs {
    let last = past.last_scan;
    if policy.suspended || policy.registries.is_empty() {
        return Runs { last, ..Runs::default() };
    }
    let place = format!("{}/{}", policy.id.namespace, policy.id.name);
    let due = policy.schedule.as_ref().map(|schedule| schedule.due(last, past.created, &place, now));
    let requested = past.request.as_ref().filter(|request| past.handled_request.as_ref() != Some(request));
    let run = match (&due, requested) {
        (_, Some(request)) => format!("request {request}"),
        (Some(due), None) if due.now => format!("after {last:?}"),
        _ => return Runs { last, next: due.and_then(|due| due.next), orders: Vec::new() },
    };
    // A run that was begun, and whose beginning is not in the status yet, keeps its time.
    let mut begun: BTreeSet<DateTime<Utc>> = facts.scans.iter().filter_map(|scan| scan.due).collect();
    begun.retain(|due| last.is_none_or(|last| last < *due) && past.created <= *due && requested.is_none());
    // Whoever may make ScanJobs may write any time on them. What has begun did so by now.
    begun.retain(|due| *due <= now);
    let began = begun.first().copied().unwrap_or(now);
    let orders =
        policy.registries.iter().map(|source| Order::registry(policy, &source.name, &run, began)).collect();
    let next = policy
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.due(Some(began), past.created, &place, now).next);
    Runs { orders, last: Some(began), next }
}

/// When the newest run of the policy's registries ended with an answer, as far as its ScanJobs still tell.
pub(super) fn last_success(facts: &Facts) -> Option<DateTime<Utc>> {
    let answered = facts.scans.iter().filter_map(|scan| match scan.outcome {
        Outcome::Answered { at } => at,
        Outcome::Unfinished | Outcome::Failed { .. } => None,
    });
    answered.max()
}

fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
