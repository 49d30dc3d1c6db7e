//! The ImagePolicy controller: observe what runs, validate the spec, plan verdicts and scans, apply them, report.

mod condition;
mod facts;
mod mitigations;
mod notices;
mod pace;
mod plan;
mod remediating;
mod report;
#[cfg(test)]
mod tests;
mod violation;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use breakwater_core::{policy::PolicyId, workload::WorkloadRef};
use breakwater_crds::{ImagePolicy, ImagePolicyStatus, Time, imagepolicy::AuditMode};
use chrono::{DateTime, TimeDelta, Utc};
use kube::{Resource as _, ResourceExt as _, runtime::controller::Action};

use self::plan::{Past, Plan};
use crate::{
    context::Context,
    inventory::Images,
    kube::{
        apply::{FieldManager, apply_status, too_soon},
        events::Events,
        lease::Leadership,
        runner::{Classified, ErrorClass, Runner, WatchEnded},
    },
    mitigation::{Judgement, Mitigation},
    rescan,
    workloads::Workloads,
};

/// Objects worked on at a time.
const CONCURRENCY: u16 = 2;
/// Nothing is slept through longer than this: a clock may be set.
const PATIENCE: Duration = Duration::from_secs(600);

/// What this controller works with.
struct Room {
    context: Context,
    workloads: Workloads,
    images: Images,
    mitigation: Mitigation,
    leadership: Leadership,
    events: Events,
    /// By policy UID: what is on mitigation's board, and since when workloads violate it.
    standing: Mutex<HashMap<String, Standing>>,
}

struct Standing {
    id: PolicyId,
    violating: BTreeMap<WorkloadRef, DateTime<Utc>>,
}

#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error("the status could not be written: {0}")]
    StatusNotWritten(kube::Error),
    #[error("a scan of a registry could not be ordered: {0}")]
    ScanNotOrdered(kube::Error),
    #[error("this replica does not lead any more")]
    NotLeading,
}

impl Classified for PolicyError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::StatusNotWritten(_) | Self::ScanNotOrdered(_) => ErrorClass::Transient,
            Self::NotLeading => ErrorClass::Waiting(Duration::from_secs(10)),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::StatusNotWritten(_) => "StatusNotWritten",
            Self::ScanNotOrdered(_) => "ScanNotOrdered",
            Self::NotLeading => "NotLeading",
        }
    }
}

/// Runs until the process is asked to stop. Woken by policies, by what runs, by what is known of images, by mitigation, and by time.
///
/// # Errors
/// [`WatchEnded`] when the work ran out unasked.
pub async fn run(
    context: Context,
    workloads: Workloads,
    images: Images,
    mitigation: Mitigation,
    leadership: Leadership,
    events: Events,
) -> Result<(), WatchEnded> {
    let changes = pace::changes([workloads.changed(), images.changed(), mitigation.changed()]);
    let runner = Runner::<ImagePolicy>::new(&context, &events, "imagepolicy", CONCURRENCY)
        .waking(|controller| controller.reconcile_all_on(changes));
    let policies = runner.store();
    let background = context.background.clone();
    let room =
        Room { context, workloads, images, mitigation, leadership, events, standing: Mutex::default() };
    let room = Arc::new(room);
    let watching = Arc::clone(&room);
    background.spawn("deletions of policies", async move { watching.withdraw_deleted(&policies).await });
    let outcome = runner.run(Arc::clone(&room), reconcile).await;
    // Before the lease is given back: the next leader begins with what was seen last.
    room.images.flush(&room.leadership).await;
    outcome
}

async fn reconcile(object: Arc<ImagePolicy>, room: Arc<Room>) -> Result<Action, PolicyError> {
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if !room.leadership.is_current() {
        return Err(PolicyError::NotLeading);
    }
    let now = room.context.clock.now();
    let policy = match object.validate(&room.context.namespace) {
        Ok(policy) => Arc::new(policy),
        Err(problems) => {
            room.withdraw(object.metadata.uid.as_deref().unwrap_or_default());
            let status = report::stalled(&object, &problems, now);
            let delay = room.report(&object, &status, now).await?;
            return Ok(delay.map_or_else(Action::await_change, Action::requeue));
        }
    };
    let facts = facts::observe(&policy, &room.workloads, &room.images, &room.mitigation);
    let past = past(&object, &room.context);
    let mut plan = plan::plan(&policy, &facts, &past, now);
    let since = room.stand(&policy.id, &plan, object.status.as_ref(), now);
    let judgements = plan.judged.iter();
    let judgements = judgements
        .map(|judged| Judgement { workload: Arc::clone(&judged.workload), verdict: judged.verdict.clone() });
    room.mitigation.submit(Arc::clone(&policy), judgements.collect());
    let ordered = rescan::create(&room.context, &plan.orders).await.map_err(PolicyError::ScanNotOrdered);
    if ordered.is_err() {
        plan.not_ordered(&past);
    }
    let status = report::status(&object, &policy, &facts, &past, &plan, &since, now);
    let delay = room.report(&object, &status, now).await?;
    ordered?;
    let wake = plan.wake_at.into_iter().chain(report::next_change(&object, &facts, now)).min();
    let wake = wake.and_then(|time| (time - now).to_std().ok()).unwrap_or(PATIENCE);
    Ok(Action::requeue(delay.unwrap_or(PATIENCE).min(wake).min(PATIENCE)))
}

fn past(object: &ImagePolicy, context: &Context) -> Past {
    let status = object.status.clone().unwrap_or_default();
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    Past {
        created: created.unwrap_or_default(),
        last_scan: status.last_scan_time.map(Time::get),
        handled_request: status.last_handled_request_at,
        request: rescan::request(object),
        audit_off: object.spec.enforcement.audit == AuditMode::Off,
        stale_after: TimeDelta::from_std(context.config.load().advisories.stale_after)
            .unwrap_or(TimeDelta::MAX),
    }
}

impl Room {
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
        let written = apply_status(&self.context.client, FieldManager::Controller, object, status).await;
        if written.map_err(PolicyError::StatusNotWritten)? {
            for notice in notices::notices(object.status.as_ref(), status) {
                let about = object.object_ref(&());
                self.events.tell(&about, notice.kind, &notice.reason, notice.action, &notice.note).await;
            }
        }
        Ok(None)
    }

    /// Remembers the policy and since when workloads violate it.
    fn stand(
        &self,
        id: &PolicyId,
        plan: &Plan,
        before: Option<&ImagePolicyStatus>,
        now: DateTime<Utc>,
    ) -> BTreeMap<WorkloadRef, DateTime<Utc>> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = standing.remove(&id.uid).map(|standing| standing.violating).unwrap_or_default();
        let violating = report::violating_since(plan, &remembered, before, now);
        standing.insert(id.uid.clone(), Standing { id: id.clone(), violating: violating.clone() });
        violating
    }

    fn withdraw(&self, uid: &str) {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(standing) = standing {
            self.mitigation.withdraw(&standing.id);
        }
    }

    /// Deletions wake no reconcile: policies that are not there any more are taken off mitigation's board.
    async fn withdraw_deleted(&self, policies: &kube::runtime::reflector::Store<ImagePolicy>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let there: Vec<Option<String>> = policies.state().iter().map(|object| object.uid()).collect();
            let gone: Vec<String> = {
                let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
                standing
                    .keys()
                    .filter(|uid| !there.iter().flatten().any(|known| known == *uid))
                    .cloned()
                    .collect()
            };
            gone.iter().for_each(|uid| self.withdraw(uid));
        }
    }
}
