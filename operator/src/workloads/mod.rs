//! What runs in the cluster: watch streams become pruned workload facts, kept in a compact store.
//!
//! Goal: less than 64 MB for 10,000 pods of 1,000 workloads. Measured by `ten_thousand_pods_of_a_thousand_workloads_fit_into_64_mib`.

mod cluster;
mod images;
pub(crate) mod objects;
mod rows;
mod shared;
mod table;
mod watches;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use breakwater_core::{
    Platform,
    workload::{Workload, WorkloadRef},
};
use tokio::sync::{Notify, watch};

use self::{cluster::Cluster, rows::Pool};
use crate::{
    changes::{Changes, Subscription},
    context::Context,
};

/// Changes within this time become one: a roll-out is a burst of events.
const SETTLE: Duration = Duration::from_millis(200);

/// Every workload of the cluster, kept current. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workloads(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    facts: Mutex<Facts>,
    changed: Notify,
    published: ArcSwap<Published>,
    version: watch::Sender<u64>,
    changes: Changes<WorkloadRef>,
}

/// What the watches fill.
#[derive(Debug, Default)]
struct Facts {
    cluster: Cluster,
    pool: Pool,
}

#[derive(Debug, Default)]
struct Published {
    complete: bool,
    workloads: BTreeMap<WorkloadRef, Arc<Workload>>,
    platforms: Vec<Platform>,
}

impl Workloads {
    /// Starts the watches. They live as long as the runtime does.
    #[must_use]
    pub fn start(context: &Context) -> Self {
        let workloads = Self(Arc::default());
        watches::spawn(context, &workloads);
        let publisher = workloads.clone();
        context.background.spawn("workloads", async move {
            loop {
                publisher.0.changed.notified().await;
                tokio::time::sleep(SETTLE).await;
                publisher.publish();
            }
        });
        workloads
    }

    /// All workloads, sorted by reference. Empty until [`Self::ready`].
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Workload>> {
        self.0.published.load().workloads.values().cloned().collect()
    }

    #[must_use]
    pub fn get(&self, id: &WorkloadRef) -> Option<Arc<Workload>> {
        self.0.published.load().workloads.get(id).cloned()
    }

    /// Platforms of the cluster's nodes, each once, sorted.
    #[must_use]
    pub fn platforms(&self) -> Vec<Platform> {
        self.0.published.load().platforms.clone()
    }

    /// Yields the workloads that changed, came or went.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<WorkloadRef> {
        self.0.changes.subscribe()
    }

    /// Counts up whenever a workload changed.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Whether every first list is complete: before that, absence means nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.published.load().complete
    }

    /// Returns once every first list is complete.
    pub async fn ready(&self) {
        let mut changed = self.changed();
        while !self.is_ready() {
            // The sender lives in `self`: waiting cannot fail.
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lets a watch change the facts; `change` says whether it did.
    fn update(&self, change: impl FnOnce(&mut Cluster, &mut Pool) -> bool) {
        let mut facts = self.0.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let Facts { cluster, pool } = &mut *facts;
        if change(cluster, pool) {
            self.0.changed.notify_one();
        }
    }

    /// Makes the facts visible, unless they are incomplete or as before. Workloads that did not change stay the same allocation.
    fn publish(&self) {
        let (mut workloads, platforms) = {
            let facts = self.0.facts.lock().unwrap_or_else(PoisonError::into_inner);
            if !facts.cluster.is_listed() {
                return;
            }
            (facts.cluster.workloads(), facts.cluster.platforms())
        };
        let before = self.0.published.load();
        let mut same =
            before.complete && before.workloads.len() == workloads.len() && before.platforms == platforms;
        let mut next = BTreeMap::new();
        while let Some((id, workload)) = workloads.pop_first() {
            let kept = match before.workloads.get(&id).filter(|known| ***known == workload) {
                Some(known) => Arc::clone(known),
                None => {
                    same = false;
                    Arc::new(workload)
                }
            };
            next.insert(id, kept);
        }
        if same {
            return;
        }
        let gone = before.workloads.keys().filter(|id| !next.contains_key(*id));
        let new = next.iter().filter(|(id, workload)| before.workloads.get(*id) != Some(*workload));
        let changed: Vec<WorkloadRef> = gone.chain(new.map(|(id, _)| id)).cloned().collect();
        self.0.published.store(Arc::new(Published { complete: true, workloads: next, platforms }));
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
        self.0.changes.publish(&changed);
    }
}
