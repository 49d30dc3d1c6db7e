//! What runs in the cluster: watch streams become pruned workload facts, kept in a compact store.
//!
//! Goal: less than 64 MB for 10,000 pods of 1,000 workloads. Measured by `ten_thousand_pods_of_a_thousand_workloads_fit_into_64_mib`.

mod cluster;
mod images;
mod last_run;
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
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use breakwater_core::{
    Platform,
    workload::{Workload, WorkloadRef},
};
use tokio::sync::{Notify, watch};

use self::{
    cluster::{Assembled, Cluster},
    rows::Pool,
};
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
    /// As last published.
    assembled: Assembled,
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
        let clock = context.clock;
        context.background.spawn("workloads", async move {
            loop {
                publisher.0.changed.notified().await;
                tokio::time::sleep(SETTLE).await;
                while publisher.publish(clock.monotonic()) {
                    let again = tokio::time::timeout(cluster::ORPHAN_WAIT, publisher.0.changed.notified());
                    // Either way the facts are to be read again.
                    let _ = again.await;
                    tokio::time::sleep(SETTLE).await;
                }
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

    /// Reports whether every first list is complete: before that, absence means nothing.
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
        let Facts { cluster, pool, .. } = &mut *facts;
        if change(cluster, pool) {
            self.0.changed.notify_one();
        }
    }

    /// Makes the facts visible, unless they are incomplete or as before. Workloads that did not change stay the same allocation.
    /// Returns whether an object is held back until its owner is seen: then ask again.
    fn publish(&self, now: Instant) -> bool {
        let mut facts = self.0.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if !facts.cluster.is_listed() {
            return false;
        }
        let held_back = facts.cluster.note_orphans(now);
        let platforms = facts.cluster.platforms();
        let mut assembled = facts.cluster.workloads(&facts.assembled, now);
        let before = self.0.published.load();
        let (mut next, mut changed) = (BTreeMap::new(), Vec::new());
        for one in assembled.values_mut() {
            let known = before.workloads.get(&one.workload.id);
            if let Some(known) = known.filter(|known| !Arc::ptr_eq(known, &one.workload)) {
                last_run::keep(Arc::make_mut(&mut one.workload), known);
                if **known == *one.workload {
                    one.workload = Arc::clone(known);
                }
            }
            if known.is_none_or(|known| !Arc::ptr_eq(known, &one.workload)) {
                changed.push(one.workload.id.clone());
            }
            next.insert(one.workload.id.clone(), Arc::clone(&one.workload));
        }
        facts.assembled = assembled;
        drop(facts);
        changed.sort_unstable();
        changed.extend(before.workloads.keys().filter(|id| !next.contains_key(*id)).cloned());
        if before.complete && changed.is_empty() && before.platforms == platforms {
            return held_back;
        }
        self.0.published.store(Arc::new(Published { complete: true, workloads: next, platforms }));
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
        self.0.changes.publish(&changed);
        held_back
    }
}
