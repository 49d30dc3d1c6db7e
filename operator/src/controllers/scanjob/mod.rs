//! The ScanJob controller: a question becomes a Job, what intake recorded becomes a status.
//!
//! Five verbs: [`observe`], validate (in `breakwater_crds::validation`), [`plan`], [`apply`], [`report`]. It is woken by the ScanJob and by
//! its Job, where intake leaves each image's outcome: nothing waits for the pod to end.

mod answer;
mod apply;
mod asking;
pub mod credentials;
#[cfg(test)]
mod fixtures;
mod job;
mod judgement;
mod observe;
mod places;
mod plan;
mod queue;
mod report;
mod stage;
mod status;
mod sweep;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use breakwater_crds::{ScanJob, names::labels};
use chrono::TimeDelta;
use futures::{FutureExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Resource,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt as _,
        controller::Action,
        reflector::{self, ObjectRef},
        watcher,
    },
};

#[cfg(test)]
pub(crate) use asking::MAX_PAIRS;
pub use job::{Order, SERVICE_ACCOUNT, Template, build, ended, question, requester};

use crate::{
    context::Context,
    evaluate::PolicyStore,
    inventory::{Images, InventoryError},
    kube::{
        events::Events,
        lease::Leadership,
        runner::{Classified, ErrorClass, Runner, WATCH_TIMEOUT, WatchEnded},
    },
    store::{Store, StoreError},
    workloads::Workloads,
};

/// ScanJobs worked on at a time.
const CONCURRENCY: u16 = 8;
/// Until the caches are looked at again after the start.
const NOT_READY: Duration = Duration::from_millis(200);

/// What reconciles share.
struct Controller {
    context: Context,
    store: Store,
    workloads: Workloads,
    images: Images,
    policies: PolicyStore,
    leadership: Leadership,
    events: Events,
    places: places::Places,
}

/// Why a reconcile did not come to its end. All of it may pass by itself; what the user must mend is in the status instead.
#[derive(Debug, thiserror::Error)]
enum ScanJobError {
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("the inventory of {digest} was reported and is not in the store")]
    InventoryMissing { digest: String },
    #[error("this replica leads no more")]
    NotLeading,
}

impl Classified for ScanJobError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Api(_) => "ApiServerFailed",
            Self::Store(_) => "StoreFailed",
            Self::Inventory(_) => "InventoryFailed",
            Self::InventoryMissing { .. } => "InventoryMissing",
            Self::NotLeading => "NotLeading",
        }
    }
}

/// Runs the controller until the process is asked to stop. Only for the leader.
///
/// # Errors
/// [`WatchEnded`] if its work ran out: the process must end then.
pub async fn run(
    context: Context,
    store: Store,
    workloads: Workloads,
    images: Images,
    policies: PolicyStore,
    leadership: Leadership,
    events: Events,
) -> Result<(), WatchEnded> {
    let runner = Runner::<ScanJob>::new(&context, &events, "scanjob", CONCURRENCY);
    let (jobs, writer) = reflector::store();
    let api = Api::<Job>::namespaced(context.client.clone(), &context.namespace);
    let metrics = context.metrics.clone();
    let clock = context.clock;
    let watch = watcher(api, watcher::Config::default().labels(labels::SCANJOB_UID).timeout(WATCH_TIMEOUT))
        .inspect_ok(move |_| metrics.watched("scan Job", clock.monotonic()))
        .reflect(writer)
        .touched_objects();
    let places = places::Places::new(runner.store(), jobs, context.namespace.clone());
    let controller =
        Arc::new(Controller { context, store, workloads, images, policies, leadership, events, places });
    let woken = controller.clone();
    let runner = runner.waking(|kube| kube.watches_stream(watch, move |job| woken.woken_by(&job)));
    let sweeper = controller.clone();
    let first = controller.clone();
    // Before both caches are complete a Job that exists would look like one to be made.
    let ready = async move {
        let (scan_jobs, jobs) = (first.places.scan_jobs.clone(), first.places.jobs.clone());
        let both = async { tokio::try_join!(scan_jobs.wait_until_ready(), jobs.wait_until_ready()) };
        if both.await.is_ok() {
            first.workloads.ready().await;
            sweep::sweep(&sweeper).await;
        }
    };
    let (ended, ()) = tokio::join!(runner.run(controller, reconcile), ready);
    ended
}

async fn reconcile(scan_job: Arc<ScanJob>, controller: Arc<Controller>) -> Result<Action, ScanJobError> {
    if scan_job.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    // The Jobs' cache fills beside the ScanJobs': nothing is decided before it is complete. It is asked and not awaited: of many that
    // await a store at once, the store wakes only the last, and the others would keep their places among the reconciles for ever.
    if controller.places.jobs.wait_until_ready().now_or_never().is_none_or(|ready| ready.is_err()) {
        return Ok(Action::requeue(NOT_READY));
    }
    let facts = observe::observe(&controller, scan_job.clone()).await?;
    let plan = plan::plan(facts, &controller.terms());
    let applied = apply::apply(&controller, &scan_job, plan).await?;
    report::report(&controller, &scan_job, applied).await
}

impl Controller {
    /// A Job's own ScanJob; and when the Job's end gave a place free, those whose turn it is.
    fn woken_by(&self, job: &Job) -> Vec<ObjectRef<ScanJob>> {
        let own = job::requester(job).map(|(namespace, name)| ObjectRef::new(&name).within(&namespace));
        let free = job::finished(job) || job.metadata.deletion_timestamp.is_some();
        let next = if free { self.places.next(&self.rules()) } else { Vec::new() };
        own.into_iter().chain(next).collect()
    }

    fn rules(&self) -> places::Rules {
        let config = self.context.config.load();
        let jobs = |count: u32| usize::try_from(count.clamp(1, 100)).unwrap_or(1);
        places::Rules {
            now: self.context.clock.now(),
            instant: self.context.clock.monotonic(),
            limits: queue::Limits {
                jobs: jobs(config.scan.max_jobs),
                per_registry: jobs(config.scan.max_jobs_per_registry),
            },
            max_attempts: config.scan.max_attempts,
        }
    }

    fn terms(&self) -> plan::Terms {
        let config = self.context.config.load();
        plan::Terms {
            template: Template {
                namespace: self.context.namespace.to_string(),
                image: config.scan.image.clone(),
                cpu_limit: config.scan.cpu_limit.clone(),
                memory_limit: config.scan.memory_limit.clone(),
            },
            keep_finished: TimeDelta::from_std(config.scan.keep_finished).unwrap_or(TimeDelta::days(1)),
        }
    }

    fn must_lead(&self) -> Result<(), ScanJobError> {
        self.leadership.is_current().then_some(()).ok_or(ScanJobError::NotLeading)
    }

    fn own<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), &self.context.namespace)
    }
}
