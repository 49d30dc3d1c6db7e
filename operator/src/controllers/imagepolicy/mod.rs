//! The ImagePolicy controller: observe what runs, validate the spec, plan verdicts and scans, apply them, report.

mod condition;
mod mitigations;
mod notices;
mod observe;
mod plan;
mod remediating;
mod report;
#[cfg(test)]
mod tests;
mod violation;
mod wake;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use breakwater_core::{policy::Policy, workload::WorkloadRef};
use breakwater_crds::{ImagePolicy, ImagePolicyStatus, Time, imagepolicy::AuditMode};
use chrono::{DateTime, TimeDelta, Utc};
use kube::{Resource as _, runtime::controller::Action};

use self::plan::{Plan, PreviousRun};
use crate::{
    context::Context,
    evaluate::{PolicyStore, Verdicts},
    inventory::Images,
    kube::{
        apply::{FieldManager, apply_status, too_soon},
        events::Events,
        lease::Leadership,
        runner::{Classified, ErrorClass, Runner, WatchEnded},
    },
    mitigation::Mitigation,
    rescan,
    store::Store,
    workloads::Workloads,
};

/// Objects worked on at a time.
const CONCURRENCY: u16 = 2;
/// The longest sleep: a clock may be set.
const MAX_INTERVAL: Duration = Duration::from_secs(600);
/// A new spec is reported after so long at the earliest: what was applied together with it is judged by then.
const SETTLE: Duration = Duration::from_secs(2);
/// A policy that is not judged yet is looked at again so much later at the latest; its first verdict wakes it.
const NOT_JUDGED: Duration = Duration::from_secs(10);

/// What a policy's status is made from.
#[derive(Debug)]
pub struct Rooms {
    pub context: Context,
    pub policies: PolicyStore,
    pub verdicts: Arc<Verdicts>,
    pub workloads: Workloads,
    pub images: Images,
    pub mitigation: Mitigation,
    pub store: Store,
}

/// What this controller works with.
struct Reconciler {
    rooms: Arc<Rooms>,
    leadership: Leadership,
    events: Events,
    /// By policy UID: since when workloads violate it.
    violating: Mutex<HashMap<String, BTreeMap<WorkloadRef, DateTime<Utc>>>>,
    /// By policy UID: the generation that is not reported yet, and when it was first seen.
    unreported: Mutex<HashMap<String, (i64, Instant)>>,
}

#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error("the status could not be written: {0}")]
    StatusNotWritten(kube::Error),
    #[error("a scan of a registry could not be ordered: {0}")]
    ScanNotOrdered(kube::Error),
    #[error("this replica does not lead any more")]
    NotLeading,
    #[error("the policy has not judged every workload yet")]
    NotJudged,
}

impl Classified for PolicyError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::StatusNotWritten(_) | Self::ScanNotOrdered(_) => ErrorClass::Transient,
            Self::NotLeading => ErrorClass::Waiting(Duration::from_secs(10)),
            Self::NotJudged => ErrorClass::Waiting(NOT_JUDGED),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::StatusNotWritten(_) => "StatusNotWritten",
            Self::ScanNotOrdered(_) => "ScanNotOrdered",
            Self::NotLeading => "NotLeading",
            Self::NotJudged => "NotJudged",
        }
    }
}

/// Runs until the process is asked to stop. Woken by policies, by their verdicts, by mitigation, and by time.
///
/// # Errors
/// [`WatchEnded`] when the work ran out unasked.
pub async fn run(rooms: Rooms, leadership: Leadership, events: Events) -> Result<(), WatchEnded> {
    let rooms = Arc::new(rooms);
    let wakes = wake::wakes(Arc::clone(&rooms));
    let runner = Runner::<ImagePolicy>::new(&rooms.context, &events, "imagepolicy", CONCURRENCY)
        .waking(|controller| controller.reconcile_on(wakes));
    let images = rooms.images.clone();
    let reconciler = Reconciler {
        rooms,
        leadership: leadership.clone(),
        events,
        violating: Mutex::default(),
        unreported: Mutex::default(),
    };
    let outcome = runner.run(Arc::new(reconciler), reconcile).await;
    // Before the lease is given back: the next leader begins with what was seen last.
    images.flush(&leadership).await;
    outcome
}

async fn reconcile(object: Arc<ImagePolicy>, reconciler: Arc<Reconciler>) -> Result<Action, PolicyError> {
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if !reconciler.leadership.is_current() {
        return Err(PolicyError::NotLeading);
    }
    let rooms = &reconciler.rooms;
    let now = rooms.context.clock.now();
    let policy = match object.validate(&rooms.context.namespace) {
        Ok(policy) => policy,
        Err(problems) => {
            let status = report::stalled(&object, &problems, now);
            let delay = reconciler.report(&object, &status, now).await?;
            return Ok(delay.map_or_else(Action::await_change, Action::requeue));
        }
    };
    if let Some(delay) = reconciler.settles_in(&object) {
        return Ok(Action::requeue(delay));
    }
    if !rooms.has_judged(&policy) {
        return Err(PolicyError::NotJudged);
    }
    let facts = observe::observe(&policy, rooms);
    let past = previous_run(&object, &rooms.context);
    let mut plan = plan::plan(&policy, &facts, &past, now);
    let since = reconciler.track_violations(&policy.id.uid, &plan, object.status.as_ref(), now);
    let ordered = rescan::create(&rooms.context, &plan.orders).await.map_err(PolicyError::ScanNotOrdered);
    if ordered.is_err() {
        plan.not_ordered(&past);
    }
    let status = report::status(&object, &policy, &facts, &past, &plan, &since, now);
    let delay = reconciler.report(&object, &status, now).await?;
    ordered?;
    let wake = plan.wake_at.into_iter().chain(report::next_change(&object, &facts, now)).min();
    let wake = wake.and_then(|time| (time - now).to_std().ok()).unwrap_or(MAX_INTERVAL);
    Ok(Action::requeue(delay.unwrap_or(MAX_INTERVAL).min(wake).min(MAX_INTERVAL)))
}

fn previous_run(object: &ImagePolicy, context: &Context) -> PreviousRun {
    let status = object.status.clone().unwrap_or_default();
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    PreviousRun {
        created: created.unwrap_or_default(),
        last_scan: status.last_scan_time.map(Time::get),
        handled_request: status.last_handled_request_at,
        request: rescan::request(object),
        audit_off: object.spec.enforcement.audit == AuditMode::Off,
        stale_after: TimeDelta::from_std(context.config.load().advisories.stale_after)
            .unwrap_or(TimeDelta::MAX),
    }
}

impl Rooms {
    /// Reports whether every workload was judged by this very spec. Before that its status would be another spec's.
    fn has_judged(&self, policy: &Policy) -> bool {
        let known = self.verdicts.policies();
        known.complete
            && known.known.get(&policy.id.uid).is_some_and(|judging| judging.as_deref() == Some(policy))
    }
}

impl Reconciler {
    /// Writes the status, unless it may wait: then it returns for how long. What became true is an Event as well.
    async fn report(
        &self,
        object: &ImagePolicy,
        status: &ImagePolicyStatus,
        now: DateTime<Utc>,
    ) -> Result<Option<Duration>, PolicyError> {
        if let Some(delay) = too_soon(object, FieldManager::Controller, status, now) {
            return Ok(Some(delay));
        }
        let written =
            apply_status(&self.rooms.context.client, FieldManager::Controller, object, status).await;
        if written.map_err(PolicyError::StatusNotWritten)? {
            for notice in notices::notices(object.status.as_ref(), status) {
                let about = object.object_ref(&());
                self.events.tell(&about, notice.kind, &notice.reason, notice.action, &notice.note).await;
            }
        }
        Ok(None)
    }

    /// Returns for how long a new spec is not reported yet.
    fn settles_in(&self, object: &ImagePolicy) -> Option<Duration> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let mut unreported = self.unreported.lock().unwrap_or_else(PoisonError::into_inner);
        if object.status.as_ref().and_then(|status| status.observed_generation) == Some(generation) {
            unreported.remove(&uid);
            return None;
        }
        let (set, now) = (self.rooms.policies.set(), self.rooms.context.clock.monotonic());
        unreported.retain(|known, _| *known == uid || set.get(known).is_some());
        let seen = unreported.entry(uid).or_insert((generation, now));
        if seen.0 != generation {
            *seen = (generation, now);
        }
        SETTLE.checked_sub(now.saturating_duration_since(seen.1)).filter(|left| !left.is_zero())
    }

    /// Returns since when workloads violate the policy, and remembers it.
    fn track_violations(
        &self,
        uid: &str,
        plan: &Plan,
        before: Option<&ImagePolicyStatus>,
        now: DateTime<Utc>,
    ) -> BTreeMap<WorkloadRef, DateTime<Utc>> {
        let known = self.rooms.policies.set();
        let mut violating = self.violating.lock().unwrap_or_else(PoisonError::into_inner);
        violating.retain(|uid, _| known.get(uid).is_some());
        let remembered = violating.remove(uid).unwrap_or_default();
        let since = report::violating_since(plan, &remembered, before, now);
        violating.insert(uid.to_owned(), since.clone());
        since
    }
}
