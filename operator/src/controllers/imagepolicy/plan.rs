//! Plan: the verdict over every selected workload, what is to be scanned, and when to look again. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use breakwater_core::{
    SeverityCounts,
    policy::{Compliance, ImageFacts, ImageUnderTest, Policy, Subject, Verdict, evaluate},
    workload::{ContainerKind, Workload},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{Facts, Named, pinned};
use crate::{
    inventory::{Failure, Outcome},
    rescan::Order,
};

/// What is known of the object beside its spec.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
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
    pub(super) fn not_ordered(&mut self, past: &Past) {
        self.last_scan = past.last_scan;
        self.handled_request.clone_from(&past.handled_request);
    }
}

#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) workload: Arc<Workload>,
    pub(super) verdict: Verdict,
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

pub(super) fn plan(policy: &Policy, facts: &Facts, past: &Past, now: DateTime<Utc>) -> Plan {
    let mut seen = BTreeMap::new();
    let mut judged = Vec::new();
    let mut failures = BTreeMap::new();
    let mut wake_at = stale_at(facts, past).filter(|time| now < *time);
    for workload in &facts.workloads {
        let images = images_under_test(workload, facts);
        let selected = images.iter().filter(|(image, _)| policy.selector.selects_image(&image.name()));
        let mut any = false;
        for (image, named) in selected {
            any = true;
            let failure = named.as_ref().and_then(|named| facts.failures.get(named));
            if let (ImageFacts::ScanFailed { .. }, Some((failure, since))) = (&image.facts, failure) {
                failures.insert(image.image.clone(), (failure.clone(), *since));
            }
            seen.entry(identity(image, named.as_ref())).or_insert_with(|| image.facts.clone());
        }
        if past.audit_off || !any {
            continue;
        }
        let images: Vec<_> = images.into_iter().map(|(image, _)| image).collect();
        let mut verdict = evaluate(policy, &Subject { workload: Some(&workload.id), images: &images }, now);
        if facts.index.is_behind() {
            // Somebody judged by newer knowledge already: this is good enough to show, not to act upon.
            verdict.compliance = Compliance::Unknown;
        }
        wake_at = earliest(wake_at, verdict.changes_at);
        judged.push(Judged { workload: Arc::clone(workload), verdict });
    }
    let runs = runs(policy, facts, past, now);
    Plan {
        judged,
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
pub(super) fn stale_at(facts: &Facts, past: &Past) -> Option<DateTime<Utc>> {
    facts.index.built_at?.checked_add_signed(past.stale_after)
}

/// The images of a workload: what its pods run and, for containers of which none runs yet, what the template asks for.
fn images_under_test<'a>(workload: &'a Workload, facts: &Facts) -> Vec<(ImageUnderTest<'a>, Option<Named>)> {
    let known = |named: &Named| facts.images.get(named).cloned().unwrap_or(ImageFacts::NeverScanned);
    let mut images = Vec::new();
    for container in &workload.containers {
        let running = workload
            .running
            .iter()
            .filter(|image| container.kind != ContainerKind::Volume && image.container == container.name);
        let mut runs = false;
        for image in running {
            runs = true;
            let named = (image.identity.clone(), image.platform.clone());
            images.push((under_test(container, &image.image, Some(&named), known(&named)), Some(named)));
        }
        if !runs {
            let named = pinned(&container.image);
            let facts = named.as_ref().map_or(ImageFacts::NeverScanned, known);
            images.push((under_test(container, &container.image, named.as_ref(), facts), named));
        }
    }
    images
}

fn under_test<'a>(
    container: &'a breakwater_core::workload::Container,
    image: &str,
    named: Option<&Named>,
    facts: ImageFacts,
) -> ImageUnderTest<'a> {
    ImageUnderTest {
        container: Some(container),
        image: image.to_owned(),
        reference: image.parse().ok(),
        reported: named.and_then(|(identity, _)| identity.digest().cloned()),
        facts,
    }
}

/// By what one image is counted once: its manifest where that is known, else what the node calls it, else what the template calls it.
fn identity(image: &ImageUnderTest<'_>, named: Option<&Named>) -> String {
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

/// Scans of registries: when scheduled, or because somebody asked. All entries of one run have names that derive from the run before,
/// so that a run which broke off half-way is completed and none is made twice.
fn runs(policy: &Policy, facts: &Facts, past: &Past, now: DateTime<Utc>) -> Runs {
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
