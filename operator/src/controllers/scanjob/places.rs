//! The places for Jobs: what the caches show, plus what was started a moment ago and is not in them yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use breakwater_core::ImageReference;
use breakwater_crds::{
    ScanJob,
    names::{annotations, labels},
    scanjob::Trigger,
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use super::{
    job,
    queue::{self, Active, Limits, PolicyShare, Waiting},
    stage::{Stage, stage},
};

/// A Job that the cache does not show so long after it was made is believed to be gone.
const NOT_SEEN: Duration = Duration::from_secs(30);

/// Who holds a place. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) scan_jobs: Store<ScanJob>,
    pub(super) jobs: Store<Job>,
    namespace: Arc<str>,
    book: Arc<Mutex<Book>>,
}

/// What no cache shows.
#[derive(Debug, Default)]
struct Book {
    /// By UID of the ScanJob: the place that was taken.
    started: BTreeMap<String, Started>,
    /// UIDs of those that cannot start, though it may be their turn: something named is missing. They hold up nobody.
    hindered: BTreeSet<String>,
}

#[derive(Debug)]
struct Started {
    place: Active,
    job: String,
    since: Instant,
}

/// The moment, and what the configuration allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) now: DateTime<Utc>,
    pub(super) instant: Instant,
    pub(super) limits: Limits,
    pub(super) max_attempts: u32,
}

impl Places {
    pub(super) fn new(scan_jobs: Store<ScanJob>, jobs: Store<Job>, namespace: Arc<str>) -> Self {
        Self { scan_jobs, jobs, namespace, book: Arc::default() }
    }

    /// Every Job of a ScanJob that the cache shows.
    pub(super) fn jobs_of(&self, uid: &str) -> Vec<Arc<Job>> {
        let of = |job: &Arc<Job>| job.labels().get(labels::SCANJOB_UID).is_some_and(|owner| owner == uid);
        self.jobs.state().into_iter().filter(of).collect()
    }

    /// Whether its Job was made and may not be in the cache yet.
    pub(super) fn is_starting(&self, uid: &str, instant: Instant) -> bool {
        self.book(instant).started.contains_key(uid)
    }

    /// Takes a place for `asking` if it is its turn. Deciding and taking are one step: two that ask at once never get one place.
    pub(super) fn take(&self, asking: &Waiting, job: &str, rules: &Rules) -> bool {
        let mut book = self.book(rules.instant);
        book.hindered.remove(&asking.uid);
        let active = self.active(&book);
        let mut waiting = self.waiting(&book, rules);
        waiting.retain(|other| other.uid != asking.uid);
        waiting.push(asking.clone());
        let admitted = queue::admit(waiting, &active, rules.limits).contains(&asking.uid);
        if admitted {
            let place = Active {
                uid: asking.uid.clone(),
                namespace: asking.namespace.clone(),
                registry: asking.registry.clone(),
                policy: asking.policy.as_ref().map(|share| share.policy.clone()),
            };
            book.started
                .insert(asking.uid.clone(), Started { place, job: job.to_owned(), since: rules.instant });
        }
        admitted
    }

    /// Gives a place back that came to nothing.
    pub(super) fn release(&self, uid: &str) {
        self.locked().started.remove(uid);
    }

    /// Steps aside: it cannot start now, whatever the queue says.
    pub(super) fn step_aside(&self, uid: &str) {
        let exists: BTreeSet<String> =
            self.scan_jobs.state().iter().filter_map(|scan_job| scan_job.uid()).collect();
        let mut book = self.locked();
        book.hindered.retain(|hindered| exists.contains(hindered));
        book.hindered.insert(uid.to_owned());
    }

    /// Those whose turn it is, at most as many as there are free places.
    pub(super) fn next(&self, rules: &Rules) -> Vec<ObjectRef<ScanJob>> {
        let book = self.book(rules.instant);
        let admitted = queue::admit(self.waiting(&book, rules), &self.active(&book), rules.limits);
        drop(book);
        let is_next = |scan_job: &ScanJob| scan_job.uid().is_some_and(|uid| admitted.contains(&uid));
        let next = self.scan_jobs.state().into_iter().filter(|scan_job| is_next(scan_job));
        next.map(|scan_job| ObjectRef::from_obj(scan_job.as_ref())).collect()
    }

    /// Jobs at work, and ScanJobs that wait.
    pub(super) fn counts(&self, rules: &Rules) -> (usize, usize) {
        let book = self.book(rules.instant);
        (self.active(&book).len(), self.waiting(&book, rules).len())
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book without what the cache shows by now.
    fn book(&self, instant: Instant) -> MutexGuard<'_, Book> {
        let mut book = self.locked();
        let seen = |name: &str| self.jobs.get(&ObjectRef::new(name).within(&self.namespace)).is_some();
        book.started
            .retain(|_, started| !seen(&started.job) && instant.duration_since(started.since) < NOT_SEEN);
        book
    }

    fn active(&self, book: &Book) -> Vec<Active> {
        let unfinished = self.jobs.state().into_iter().filter(|job| !job::finished(job)).filter_map(|job| {
            let (namespace, name) = job::requester(&job)?;
            let asks = self.scan_jobs.get(&ObjectRef::new(&name).within(&namespace));
            Some(Active {
                uid: job.labels().get(labels::SCANJOB_UID)?.clone(),
                registry: job::registry(&job)?.to_owned(),
                policy: asks.and_then(|scan_job| share(&scan_job)).map(|share| share.policy),
                namespace,
            })
        });
        unfinished.chain(book.started.values().map(|started| started.place.clone())).collect()
    }

    fn waiting(&self, book: &Book, rules: &Rules) -> Vec<Waiting> {
        let mut jobs: BTreeMap<String, Vec<Arc<Job>>> = BTreeMap::new();
        for job in self.jobs.state() {
            if let Some(uid) = job.labels().get(labels::SCANJOB_UID).cloned() {
                jobs.entry(uid).or_default().push(job);
            }
        }
        let due = |scan_job: Arc<ScanJob>| {
            let uid = scan_job.uid()?;
            let none = Vec::new();
            let jobs = jobs.get(&uid).unwrap_or(&none);
            if book.hindered.contains(&uid) {
                return None;
            }
            let starting = book.started.contains_key(&uid);
            let stage = stage(&scan_job, jobs, starting, attempts(&scan_job, rules.max_attempts), rules.now);
            matches!(stage, Stage::Due { .. })
                .then(|| waiting(&scan_job, &self.namespace, registry(&scan_job)))
        };
        self.scan_jobs.state().into_iter().filter_map(due).collect()
    }
}

/// How often it is tried at most.
pub(super) fn attempts(scan_job: &ScanJob, max: u32) -> u32 {
    u32::try_from(scan_job.spec.attempts.unwrap_or(3)).unwrap_or(1).clamp(1, max.max(1))
}

/// A ScanJob as the queue sees it.
pub(super) fn waiting(scan_job: &ScanJob, operator_namespace: &str, registry: String) -> Waiting {
    let created = scan_job.metadata.creation_timestamp.as_ref();
    Waiting {
        uid: scan_job.uid().unwrap_or_default(),
        namespace: scan_job.namespace().unwrap_or_default(),
        registry,
        trigger: trigger(scan_job, operator_namespace),
        priority: scan_job.spec.priority.unwrap_or(0),
        created: created.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0)).unwrap_or_default(),
        policy: share(scan_job),
    }
}

/// What a schedule said when it made the ScanJob. It holds nobody up but its own policy's.
fn share(scan_job: &ScanJob) -> Option<PolicyShare> {
    let at_once =
        scan_job.annotations().get(annotations::AT_ONCE)?.parse().ok().filter(|count| *count > 0)?;
    let policy = scan_job.spec.registry.as_ref()?.policy_ref.name.clone();
    Some(PolicyShare { policy, at_once })
}

/// Why it was made. Outside the operator's namespace a label is anybody's: believed as far as it does not jump the queue.
pub(super) fn trigger(scan_job: &ScanJob, operator_namespace: &str) -> Trigger {
    let label = scan_job.labels().get(labels::TRIGGER);
    let ours = scan_job.namespace().as_deref() == Some(operator_namespace);
    label
        .and_then(|label| serde_json::from_value(label.clone().into()).ok())
        .filter(|trigger| ours || *trigger >= Trigger::Manual)
        .unwrap_or(Trigger::Manual)
}

/// The registry it asks, as far as the spec alone says. Registry scans queue by their policy's entry until that is looked up.
fn registry(scan_job: &ScanJob) -> String {
    let spec = &scan_job.spec;
    let image: Option<ImageReference> = spec.image.as_deref().and_then(|image| image.parse().ok());
    match (image, &spec.registry) {
        (Some(image), _) => image.registry,
        (None, Some(registry)) => format!("{}/{}", registry.policy_ref.name, registry.name),
        (None, None) => String::new(),
    }
}
