//! The RuntimeBaseline controller: observe, validate, plan, report. Until a sensor reports there is nothing to apply: it says what it
//! understood, which workloads are meant, and that nobody watches them.

mod observe;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use breakwater_crds::RuntimeBaseline;
use futures::stream;
use kube::runtime::controller::Action;

use crate::{
    context::Context,
    kube::{
        apply::{FieldManager, apply_status, too_soon},
        events::Events,
        runner::{Classified, ErrorClass, Runner, WatchEnded},
    },
    workloads::Workloads,
};

/// Objects worked on at a time.
const CONCURRENCY: u16 = 4;

/// What this controller works with.
struct Room {
    context: Context,
    workloads: Workloads,
}

#[derive(Debug, thiserror::Error)]
enum BaselineError {
    #[error("the status could not be written: {0}")]
    StatusNotWritten(#[from] kube::Error),
}

impl Classified for BaselineError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::StatusNotWritten(_) => ErrorClass::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::StatusNotWritten(_) => "StatusNotWritten",
        }
    }
}

/// Runs until the process is asked to stop. Woken by the objects themselves and by changes of what runs.
///
/// # Errors
/// [`WatchEnded`] when the work ran out unasked.
pub async fn run(context: Context, workloads: Workloads, events: Events) -> Result<(), WatchEnded> {
    let changes = stream::unfold(workloads.changed(), |mut changed| async move {
        changed.changed().await.ok().map(|()| ((), changed))
    });
    Runner::<RuntimeBaseline>::new(&context, &events, "runtimebaseline", CONCURRENCY)
        .waking(|controller| controller.reconcile_all_on(changes))
        .run(Arc::new(Room { context, workloads }), reconcile)
        .await
}

async fn reconcile(baseline: Arc<RuntimeBaseline>, room: Arc<Room>) -> Result<Action, BaselineError> {
    if baseline.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let now = room.context.clock.now();
    let facts = observe::observe(&room.workloads);
    let validated = baseline.validate(&room.context.namespace);
    let planned = validated.map(|validated| plan::plan(&validated, &baseline, &facts));
    let status = report::status(&baseline, planned, now);
    if let Some(delay) = too_soon(baseline.as_ref(), FieldManager::Controller, &status, now) {
        return Ok(Action::requeue(delay));
    }
    apply_status(&room.context.client, FieldManager::Controller, baseline.as_ref(), &status).await?;
    Ok(Action::await_change())
}
