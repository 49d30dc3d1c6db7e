use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use breakwater_core::{
    mitigation::Policies,
    policy::{Compliance, Policy, Verdict},
    workload::{Workload, WorkloadRef},
};

use crate::changes::{Changes, Subscription};

/// The verdict of every policy over every workload that it selects. Written by the judging alone, read by controllers and mitigation.
#[derive(Debug, Default)]
pub struct Verdicts {
    inner: RwLock<Inner>,
    changes: Changes<WorkloadRef>,
}

#[derive(Debug, Default)]
struct Inner {
    policies: Arc<Policies>,
    workloads: BTreeMap<WorkloadRef, JudgedWorkload>,
    /// By policy UID: how many workloads it selects.
    selected: BTreeMap<String, u32>,
}

/// One workload as it was last judged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JudgedWorkload {
    pub workload: Arc<Workload>,
    /// By policy UID; only of policies that select it.
    pub verdicts: BTreeMap<String, Arc<Verdict>>,
}

impl Verdicts {
    /// Takes in a policy, valid or not. The workloads it judges are to be judged again by the caller.
    pub fn set_policy(&self, uid: &str, policy: Option<Arc<Policy>>) {
        let mut inner = self.write();
        if inner.policies.known.get(uid).is_some_and(|known| *known == policy) {
            return;
        }
        Arc::make_mut(&mut inner.policies).known.insert(uid.to_owned(), policy);
        drop(inner);
        self.changes.publish_all();
    }

    /// Forgets a policy that is known to be deleted, from the watch or a complete list, with its verdicts.
    pub fn remove_policy(&self, uid: &str) {
        let mut inner = self.write();
        Arc::make_mut(&mut inner.policies).known.remove(uid);
        inner.selected.remove(uid);
        for judged in inner.workloads.values_mut() {
            judged.verdicts.remove(uid);
        }
        inner.workloads.retain(|_, judged| !judged.verdicts.is_empty());
        drop(inner);
        self.changes.publish_all();
    }

    /// Marks the list of policies complete: every one has judged every workload since the start.
    pub fn set_complete(&self) {
        let mut inner = self.write();
        if inner.policies.complete {
            return;
        }
        Arc::make_mut(&mut inner.policies).complete = true;
        drop(inner);
        self.changes.publish_all();
    }

    /// Replaces what is known about one workload. `None`: no such workload exists any more. Subscribers are told if that changed anything.
    pub fn set_workload(&self, id: &WorkloadRef, judged: Option<JudgedWorkload>) {
        let judged = judged.filter(|judged| !judged.verdicts.is_empty());
        let mut inner = self.write();
        let before = inner.workloads.get(id);
        let is_same = match (before, &judged) {
            (None, None) => true,
            (Some(before), Some(judged)) => {
                before.workload == judged.workload && before.verdicts == judged.verdicts
            }
            _ => false,
        };
        if is_same {
            return;
        }
        let uids = |judged: Option<&JudgedWorkload>| -> Vec<String> {
            judged.into_iter().flat_map(|judged| judged.verdicts.keys().cloned()).collect()
        };
        let (lost, gained) = (uids(before), uids(judged.as_ref()));
        for uid in lost {
            if let Some(count) = inner.selected.get_mut(&uid) {
                *count = count.saturating_sub(1);
            }
        }
        for uid in gained {
            let count = inner.selected.entry(uid).or_default();
            *count = count.saturating_add(1);
        }
        match judged {
            Some(judged) => _ = inner.workloads.insert(id.clone(), judged),
            None => _ = inner.workloads.remove(id),
        }
        drop(inner);
        self.changes.publish(std::slice::from_ref(id));
    }

    #[must_use]
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.read().policies)
    }

    #[must_use]
    pub fn get(&self, id: &WorkloadRef) -> Option<JudgedWorkload> {
        self.read().workloads.get(id).cloned()
    }

    /// Every workload that some policy selects, with its verdicts, sorted by reference.
    #[must_use]
    pub fn all(&self) -> Vec<JudgedWorkload> {
        self.read().workloads.values().cloned().collect()
    }

    /// Workloads that at least one policy finds violating, sorted.
    #[must_use]
    pub fn violating(&self) -> Vec<WorkloadRef> {
        let is_violating = |judged: &JudgedWorkload| {
            judged.verdicts.values().any(|verdict| verdict.compliance == Compliance::Violating)
        };
        let inner = self.read();
        inner.workloads.iter().filter(|(_, judged)| is_violating(judged)).map(|(id, _)| id.clone()).collect()
    }

    /// The number of workloads that the policy with this UID selects.
    #[must_use]
    pub fn selected(&self, uid: &str) -> u32 {
        self.read().selected.get(uid).copied().unwrap_or(0)
    }

    /// Yields the workloads whose facts or verdicts changed; a change of a policy is everything.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<WorkloadRef> {
        self.changes.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
