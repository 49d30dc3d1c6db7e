//! The loop that feeds the queue and its workers.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use breakwater_core::{
    mitigation::{IndexFacts, TargetId},
    workload::WorkloadRef,
};
use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    Mitigation, MitigationError,
    executor::{ClusterView, Executor},
    outbox::Outbox,
    queue::{Queue, Urgency},
};
use crate::{
    changes::Changed,
    context::Context,
    evaluate::Verdicts,
    inventory::Images,
    kube::{events::Events, lease::Leadership},
    store::Pins,
    workloads::Workloads,
};

/// Targets worked on at the same time.
const WORKERS: usize = 4;
/// Records that could not be read are tried again so much later.
const RECORDS_AGAIN: Duration = Duration::from_secs(10);
/// Records and breaker are compared with the API server so often: people edit and delete them.
const REFRESH: Duration = Duration::from_secs(30);
/// A worker that failed unasked leaves its target for so long.
const RETRY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

type Worked = (TargetId, Result<Option<DateTime<Utc>>, MitigationError>);

impl Mitigation {
    /// Acts until the process is asked to stop. Started on the lease holder only, once.
    ///
    /// # Errors
    /// When leadership was lost: the process must end then. Records that cannot be listed are tried again; until then nothing is done.
    #[allow(clippy::too_many_arguments, reason = "each is another room")]
    pub async fn run(
        self,
        context: Context,
        verdicts: Arc<Verdicts>,
        workloads: Workloads,
        images: Images,
        leadership: Leadership,
        events: Events,
        pins: Pins,
    ) -> Result<(), MitigationError> {
        // Until the records are read nothing that they may name is deleted.
        pins.set(None);
        workloads.ready().await;
        let (outbox, parcels) = Outbox::new();
        let (confirmed, confirmations) = mpsc::unbounded_channel();
        let delivery = outbox.clone().deliver(parcels, confirmed, events.clone(), context.clock);
        let delivery = tokio::spawn(delivery);
        let executor = loop {
            let executor = Executor::new(
                context.clone(),
                Arc::clone(&verdicts),
                view(&workloads, &images),
                Arc::clone(&self.statuses),
                leadership.clone(),
                events.clone(),
                outbox.clone(),
            );
            match executor.await {
                Ok(executor) => break Arc::new(executor),
                // Without the records nothing is done; scanning and judging go on.
                Err(error) => {
                    tracing::error!(%error, "the records cannot be listed: nothing is mitigated until they can")
                }
            }
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RECORDS_AGAIN) => {}
            }
        };
        let outcome = self.feed(&context, &verdicts, &workloads, &executor, confirmations, &pins).await;
        delivery.abort();
        outcome
    }

    async fn feed(
        &self,
        context: &Context,
        verdicts: &Verdicts,
        workloads: &Workloads,
        executor: &Arc<Executor>,
        mut confirmations: mpsc::UnboundedReceiver<TargetId>,
        pins: &Pins,
    ) -> Result<(), MitigationError> {
        let mut judged = verdicts.subscribe();
        let mut changed = workloads.subscribe();
        let mut config = context.config_changed.subscribe();
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut queue = Queue::default();
        let mut workers: JoinSet<Worked> = JoinSet::new();
        loop {
            let now = context.clock.now();
            let wake = queue.expire(now);
            while workers.len() < WORKERS {
                let Some(target) = queue.next() else { break };
                let executor = Arc::clone(executor);
                workers.spawn(async move {
                    let outcome = executor.work(&target).await;
                    (target, outcome)
                });
            }
            let sleep = async {
                match wake {
                    Some(wake) => {
                        tokio::time::sleep((wake - now).to_std().unwrap_or_default()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                Some(worked) = workers.join_next() => match worked {
                    Ok((_, Err(error @ MitigationError::NotLeading))) => return Err(error),
                    Ok((target, Ok(wake))) => queue.finish(&target, wake),
                    Ok((target, Err(error))) => {
                        tracing::warn!(workload = %target.workload, %error, "a target is tried again");
                        queue.finish(&target, Some(context.clock.now() + RETRY));
                    }
                    Err(error) => return Err(MitigationError::WorkerFailed(error.to_string())),
                },
                changes = judged.next() => add(&mut queue, executor, changes).await,
                changes = changed.next() => add(&mut queue, executor, changes).await,
                Some(target) = confirmations.recv() => queue.add(&target, Urgency::Announced),
                Ok(()) = config.changed() => add(&mut queue, executor, Changed::All).await,
                _ = refresh.tick() => {
                    match executor.refresh().await {
                        Ok(targets) => targets.iter().for_each(|(target, urgency)| queue.add(target, *urgency)),
                        Err(error @ MitigationError::NotLeading) => return Err(error),
                        Err(error) => tracing::warn!(%error, "the records could not be compared"),
                    }
                    let health = executor.health().await;
                    if *self.health.lock().unwrap_or_else(PoisonError::into_inner) != health {
                        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
                        self.statuses.publish_all();
                    }
                    pins.set(Some(executor.digests().await));
                }
                () = sleep => {}
            }
        }
    }
}

async fn add(queue: &mut Queue, executor: &Executor, changed: Changed<WorkloadRef>) {
    let targets = match changed {
        Changed::All => executor.targets().await,
        Changed::These(ids) => {
            let mut targets = Vec::new();
            for id in &ids {
                targets.extend(executor.targets_of(id).await);
            }
            targets
        }
    };
    for (target, urgency) in targets {
        queue.add(&target, urgency);
    }
}

fn view(workloads: &Workloads, images: &Images) -> ClusterView {
    let (by_id, all, images) = (workloads.clone(), workloads.clone(), images.clone());
    ClusterView {
        workload: Box::new(move |id| by_id.get(id)),
        total: Box::new(move || u32::try_from(all.all().len()).unwrap_or(u32::MAX)),
        index: Box::new(move || {
            let index = images.index();
            if index.is_behind() {
                return None;
            }
            Some(IndexFacts { revision: index.revision?, data_at: index.built_at? })
        }),
    }
}
