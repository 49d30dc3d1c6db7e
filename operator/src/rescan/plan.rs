//! Which running images to scan now. Pure.

use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use breakwater_core::{
    Digest, ImageReference, Platform,
    policy::{ImageFacts, Policy, Scanning},
    workload::{ImageIdentity, Workload, WorkloadRef},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::order::{self, Credentials, Order};
use crate::{
    evaluate::asked_for,
    inventory::{Outcome, Scan},
};

/// The most unfinished ScanJobs of running images at a time; those of people and schedules come on top.
pub(super) const MAX_OUTSTANDING: usize = 100;
/// From a failure that may pass by itself to the next attempt; doubles up to an hour.
const RETRYABLE: (TimeDelta, TimeDelta) = (TimeDelta::minutes(1), TimeDelta::hours(1));
/// From a failure that somebody must mend; doubles up to a day.
const LASTING: (TimeDelta, TimeDelta) = (TimeDelta::minutes(10), TimeDelta::hours(24));
/// How long an answer may take from the store to the facts.
const SETTLE: TimeDelta = TimeDelta::seconds(30);

/// A policy that wants its running images scanned.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) policy: Arc<Policy>,
    pub(super) credentials: Source,
    /// Somebody asked for work now: failed scans are not waited for.
    pub(super) at_once: bool,
}

/// `spec.scan.credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Not said: the workload's, where it names any.
    Unsaid,
    Policy(Vec<String>),
    Workload,
}

pub(super) struct Facts<'a> {
    pub(super) askers: &'a [Asker],
    pub(super) workloads: &'a [Arc<Workload>],
    pub(super) scans: &'a [Arc<Scan>],
    /// Platforms of the cluster's nodes.
    pub(super) platforms: &'a [Platform],
    pub(super) own_namespace: &'a str,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) orders: Vec<Order>,
    /// When a failed scan may be tried again.
    pub(super) wake_at: Option<DateTime<Utc>>,
}

/// What a ScanJob asks about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Digest(Digest),
    /// The tag of a template without pods, for the namespace whose template names it: a tag that was resolved for one serves no other.
    Tag {
        namespace: String,
        image: ImageReference,
    },
}

/// An image that runs or that a template asks for, is not known, and is wanted.
#[derive(Debug, Default)]
struct Want {
    repositories: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    /// Workloads that name pull secrets.
    keepers: BTreeSet<WorkloadRef>,
    secrets: BTreeSet<(String, Vec<String>)>,
    at_once: bool,
    /// The longest that any of its policies gives it.
    timeout: TimeDelta,
}

/// Returns orders for images that run, or that templates without pods ask for, are selected by a policy and were not scanned. `facts_of`
/// returns what is known of an image, `tag_of` what a tag stands for in a namespace.
pub(super) fn plan(
    facts: &Facts<'_>,
    facts_of: impl Fn(&ImageIdentity, &Platform) -> ImageFacts,
    tag_of: impl Fn(&str, &ImageReference, &Platform) -> Option<Digest>,
    now: DateTime<Utc>,
) -> Plan {
    let wants = wants(facts, facts_of, tag_of);
    let mut attempts: BTreeMap<&str, Vec<(&Scan, u32)>> = BTreeMap::new();
    for scan in facts.scans {
        if let Some((base, attempt)) = order::attempt(&scan.name) {
            attempts.entry(base).or_default().push((scan, attempt));
        }
    }
    let outstanding = facts
        .scans
        .iter()
        .filter(|scan| scan.outcome == Outcome::Unfinished && order::attempt(&scan.name).is_some())
        .count();
    let mut plan = Plan::default();
    // One queue for each namespace, so that one with a thousand images does not keep the others waiting.
    let mut queues: BTreeMap<&str, VecDeque<Order>> = BTreeMap::new();
    for ((subject, platform), want) in &wants {
        let tried =
            attempts.get(order::name(subject, platform).as_str()).map(Vec::as_slice).unwrap_or_default();
        let attempt = match next_attempt(tried, want.at_once, now) {
            Next::Attempt(attempt) => attempt,
            Next::Wait(until) => {
                plan.wake_at = earliest(plan.wake_at, until);
                continue;
            }
            Next::Running => continue,
        };
        let Some(order) = want.order(facts.own_namespace, subject, platform, attempt) else { continue };
        let queue = want.namespaces.first().map(String::as_str).unwrap_or_default();
        queues.entry(queue).or_default().push_back(order);
    }
    let free = MAX_OUTSTANDING.saturating_sub(outstanding);
    while plan.orders.len() < free && queues.values().any(|queue| !queue.is_empty()) {
        let round = queues.values_mut().filter_map(VecDeque::pop_front);
        plan.orders.extend(round.take(free - plan.orders.len()));
    }
    plan
}

fn wants(
    facts: &Facts<'_>,
    facts_of: impl Fn(&ImageIdentity, &Platform) -> ImageFacts,
    tag_of: impl Fn(&str, &ImageReference, &Platform) -> Option<Digest>,
) -> BTreeMap<(Subject, Platform), Want> {
    let is_unknown = |identity: &ImageIdentity, platform: &Platform| {
        matches!(facts_of(identity, platform), ImageFacts::NeverScanned | ImageFacts::ScanFailed { .. })
    };
    let mut wants: BTreeMap<(Subject, Platform), Want> = BTreeMap::new();
    for workload in facts.workloads {
        if workload.finished {
            continue;
        }
        // Almost all images are known, and that is the cheapest question: the selectors of policies are asked last.
        let selects = |asker: &&Asker| asker.policy.selector.selects(workload, &asker.policy.id.namespace);
        let askers = LazyCell::new(|| facts.askers.iter().filter(selects).collect::<Vec<&Asker>>());
        let asking = |image: &str| -> Vec<&Asker> {
            let name = image.parse().map_or_else(|_| image.to_owned(), |r: ImageReference| r.name());
            askers.iter().copied().filter(|asker| asker.policy.selector.selects_image(&name)).collect()
        };
        for image in &workload.running {
            let ImageIdentity::Pullable { repository, digest } = &image.identity else { continue };
            if !is_unknown(&image.identity, &image.platform) {
                continue;
            }
            let askers = asking(&image.image);
            if !askers.is_empty() {
                let subject = (Subject::Digest(digest.clone()), image.platform.clone());
                wants.entry(subject).or_default().add(workload, repository, &askers);
            }
        }
        let runs = |name: &str| workload.running.iter().any(|image| image.container == name);
        for container in workload.containers.iter().filter(|container| !runs(&container.name)) {
            // Pods are on their way, and nodes resolve the tag.
            if workload.running_pods > 0 || workload.replicas.is_none_or(|replicas| replicas > 0) {
                continue;
            }
            let Ok(image) = container.image.parse::<ImageReference>() else { continue };
            for platform in facts.platforms {
                let namespace = &workload.id.namespace;
                let known = asked_for(&container.image, platform, |image| tag_of(namespace, image, platform));
                if known.is_some_and(|(identity, platform)| !is_unknown(&identity, &platform)) {
                    continue;
                }
                let askers = asking(&container.image);
                if askers.is_empty() {
                    break;
                }
                let subject = match &image.digest {
                    Some(digest) => Subject::Digest(digest.clone()),
                    None => Subject::Tag { namespace: namespace.clone(), image: image.clone() },
                };
                let want = wants.entry((subject, platform.clone())).or_default();
                want.add(workload, &image.name(), &askers);
            }
        }
    }
    wants
}

impl Want {
    fn add(&mut self, workload: &Workload, repository: &str, askers: &[&Asker]) {
        self.repositories.insert(repository.to_owned());
        self.namespaces.insert(workload.id.namespace.clone());
        for asker in askers {
            self.at_once |= asker.at_once;
            self.timeout = self.timeout.max(asker.policy.scanning.timeout);
            match &asker.credentials {
                Source::Policy(names) if !names.is_empty() => {
                    self.secrets.insert((asker.policy.id.namespace.clone(), names.clone()));
                }
                Source::Policy(_) => {}
                Source::Unsaid if workload.pull_secrets.is_empty() => {}
                Source::Unsaid | Source::Workload => {
                    self.keepers.insert(workload.id.clone());
                }
            }
        }
    }

    /// Each attempt takes the next of the credentials that may open the registry.
    fn order(
        &self,
        own_namespace: &str,
        subject: &Subject,
        platform: &Platform,
        attempt: u32,
    ) -> Option<Order> {
        let reference = match subject {
            Subject::Digest(digest) => format!("{}@{digest}", self.repositories.first()?).parse().ok()?,
            Subject::Tag { image, .. } => image.clone(),
        };
        let secrets = self
            .secrets
            .iter()
            .map(|(namespace, names)| (namespace.as_str(), Credentials::Secrets(names.clone())));
        let keepers = self.keepers.iter().map(|id| (own_namespace, Credentials::Workload(id.clone())));
        let mut ways: Vec<(&str, Credentials)> = secrets.chain(keepers).collect();
        if ways.is_empty() {
            ways.push((own_namespace, Credentials::Anonymous));
        }
        let turn = usize::try_from(attempt).unwrap_or_default().checked_rem(ways.len())?;
        let (namespace, credentials) = ways.into_iter().nth(turn)?;
        let scanning = Scanning { timeout: self.timeout, ..Scanning::default() };
        Some(Order::image(namespace, subject, reference, platform, attempt, credentials, scanning))
    }
}

enum Next {
    Attempt(u32),
    Wait(DateTime<Utc>),
    Running,
}

fn next_attempt(tried: &[(&Scan, u32)], at_once: bool, now: DateTime<Utc>) -> Next {
    if tried.iter().any(|(scan, _)| scan.outcome == Outcome::Unfinished) {
        return Next::Running;
    }
    let Some((scan, attempt)) = tried.iter().max_by_key(|(_, attempt)| *attempt) else {
        return Next::Attempt(0);
    };
    let ((first, longest), at) = match &scan.outcome {
        Outcome::Failed { at, failure } if failure.reason.is_retryable() => (RETRYABLE, *at),
        Outcome::Failed { at, .. } => (LASTING, *at),
        // An answer that left the image unknown: the store may be full.
        Outcome::Answered { at } => (LASTING, *at),
        Outcome::Unfinished => return Next::Running,
    };
    let doubled = i32::checked_pow(2, *attempt).and_then(|factor| first.checked_mul(factor));
    let delay = doubled.unwrap_or(longest).min(longest);
    let delay = if at_once { SETTLE.min(delay) } else { delay };
    match at.and_then(|at| at.checked_add_signed(delay)) {
        Some(until) if now < until => Next::Wait(until),
        _ => Next::Attempt(attempt.saturating_add(1)),
    }
}

fn earliest(known: Option<DateTime<Utc>>, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Some(known.map_or(time, |known| known.min(time)))
}
