use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use breakwater_core::{
    mitigation::{Mode, Policies},
    policy::{Compliance, Policy, Verdict},
    workload::{Workload, WorkloadRef},
};

use breakwater_crds::names::labels;

use crate::changes::{Changes, Subscription};

/// The verdict of every policy over every workload that it selects. Written by the judging alone, read by controllers and mitigation.
#[derive(Debug, Default)]
pub struct Verdicts {
    inner: RwLock<Inner>,
    changes: Changes<WorkloadRef>,
    policy_changes: Changes<String>,
}

#[derive(Debug, Default)]
struct Inner {
    policies: Arc<Policies>,
    workloads: BTreeMap<WorkloadRef, JudgedWorkload>,
    /// By policy UID: the workloads that it selects.
    selected: BTreeMap<String, BTreeSet<WorkloadRef>>,
}

/// One workload as it was last judged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JudgedWorkload {
    pub workload: Arc<Workload>,
    /// By policy UID; only of policies that select it.
    pub verdicts: BTreeMap<String, Arc<Verdict>>,
}

/// What changes at once: readers see all of it or nothing, so that no policy is paired with a verdict of its earlier spec.
#[derive(Debug, Default)]
pub struct Update {
    /// By policy UID.
    pub policies: BTreeMap<String, PolicyChange>,
    /// `None`: there is no such workload any more, or nothing judges it.
    pub workloads: BTreeMap<WorkloadRef, Option<JudgedWorkload>>,
    /// UIDs of policies whose images have other facts, though the verdicts may be the same.
    pub touched: BTreeSet<String>,
}

#[derive(Debug)]
pub enum PolicyChange {
    /// It exists. `None`: its spec is invalid, and its verdicts are dropped.
    Set(Option<Arc<Policy>>),
    /// It was deleted, as the watch or a complete list shows.
    Deleted,
}

impl Verdicts {
    /// Applies everything in `update` at once and publishes what changed.
    pub fn apply(&self, update: Update) {
        let Update { policies, workloads, mut touched } = update;
        let mut inner = self.write();
        let mut policies_changed = false;
        for (uid, change) in policies {
            policies_changed |= inner.change_policy(&uid, change);
            touched.insert(uid);
        }
        let mut changed = Vec::new();
        for (id, judged) in workloads {
            if inner.set_workload(&id, judged, &mut touched) {
                changed.push(id);
            }
        }
        drop(inner);
        if policies_changed {
            self.changes.publish_all();
        } else {
            self.changes.publish(&changed);
        }
        self.policy_changes.publish(&touched.into_iter().collect::<Vec<_>>());
    }

    /// Takes in a policy, valid or not. The workloads it judges are to be judged again by the caller.
    pub fn set_policy(&self, uid: &str, policy: Option<Arc<Policy>>) {
        self.apply(Update {
            policies: BTreeMap::from([(uid.to_owned(), PolicyChange::Set(policy))]),
            ..Update::default()
        });
    }

    /// Forgets a policy that is known to be deleted, from the watch or a complete list, with its verdicts.
    pub fn remove_policy(&self, uid: &str) {
        self.apply(Update {
            policies: BTreeMap::from([(uid.to_owned(), PolicyChange::Deleted)]),
            ..Update::default()
        });
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
        self.policy_changes.publish_all();
    }

    /// Replaces what is known about one workload. `None`: no such workload exists any more. Subscribers are told if that changed anything.
    pub fn set_workload(&self, id: &WorkloadRef, judged: Option<JudgedWorkload>) {
        self.apply(Update { workloads: BTreeMap::from([(id.clone(), judged)]), ..Update::default() });
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

    /// Namespaces that have opted in to remediation and that a policy in mode `Enforce` selects workloads of; at most `most`.
    #[must_use]
    pub fn enforced_namespaces(&self, most: usize) -> BTreeSet<String> {
        let inner = self.read();
        let enforces = |uid: &String| {
            let policy = inner.policies.known.get(uid).and_then(Option::as_ref);
            policy.is_some_and(|policy| policy.remediation.mode == Mode::Enforce)
        };
        let mut namespaces = BTreeSet::new();
        for (id, judged) in &inner.workloads {
            if namespaces.len() >= most {
                break;
            }
            let label = judged.workload.namespace_labels.get(labels::REMEDIATION);
            let has_opted_in = label.is_some_and(|value| value == labels::ENABLED);
            if has_opted_in && !namespaces.contains(&id.namespace) && judged.verdicts.keys().any(enforces) {
                namespaces.insert(id.namespace.clone());
            }
        }
        namespaces
    }

    /// The number of workloads that the policy with this UID selects.
    #[must_use]
    pub fn selected(&self, uid: &str) -> u32 {
        let inner = self.read();
        inner.selected.get(uid).map_or(0, |selected| u32::try_from(selected.len()).unwrap_or(u32::MAX))
    }

    /// The workloads that the policy with this UID selects, with its verdicts, sorted by reference.
    #[must_use]
    pub fn of_policy(&self, uid: &str) -> Vec<(Arc<Workload>, Arc<Verdict>)> {
        let inner = self.read();
        let selected = inner.selected.get(uid).into_iter().flatten();
        selected
            .filter_map(|id| {
                let judged = inner.workloads.get(id)?;
                Some((Arc::clone(&judged.workload), Arc::clone(judged.verdicts.get(uid)?)))
            })
            .collect()
    }

    /// Yields the workloads whose facts or verdicts changed; a change of a policy is everything.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<WorkloadRef> {
        self.changes.subscribe()
    }

    /// Yields the UIDs of policies that changed, or whose verdicts or images did.
    #[must_use]
    pub fn subscribe_policies(&self) -> Subscription<String> {
        self.policy_changes.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn change_policy(&mut self, uid: &str, change: PolicyChange) -> bool {
        let known = &self.policies.known;
        let changed = match &change {
            PolicyChange::Set(policy) => known.get(uid) != Some(policy),
            PolicyChange::Deleted => known.contains_key(uid),
        };
        if !changed {
            return false;
        }
        let policies = Arc::make_mut(&mut self.policies);
        let is_judging = matches!(change, PolicyChange::Set(Some(_)));
        match change {
            PolicyChange::Set(policy) => _ = policies.known.insert(uid.to_owned(), policy),
            PolicyChange::Deleted => _ = policies.known.remove(uid),
        }
        if !is_judging {
            for id in self.selected.remove(uid).unwrap_or_default() {
                let Some(judged) = self.workloads.get_mut(&id) else { continue };
                judged.verdicts.remove(uid);
                if judged.verdicts.is_empty() {
                    self.workloads.remove(&id);
                }
            }
        }
        true
    }

    /// Returns whether that changed anything; adds the policies that are concerned to `touched`.
    fn set_workload(
        &mut self,
        id: &WorkloadRef,
        judged: Option<JudgedWorkload>,
        touched: &mut BTreeSet<String>,
    ) -> bool {
        let judged = judged.filter(|judged| !judged.verdicts.is_empty());
        let empty = BTreeMap::new();
        let before = self.workloads.get(id);
        let old = before.map_or(&empty, |before| &before.verdicts);
        let new = judged.as_ref().map_or(&empty, |judged| &judged.verdicts);
        let differing: Vec<&String> =
            old.keys().chain(new.keys()).filter(|uid| old.get(*uid) != new.get(*uid)).collect();
        let is_same = differing.is_empty()
            && match (before, &judged) {
                (Some(before), Some(judged)) => before.workload == judged.workload,
                (before, judged) => before.is_none() && judged.is_none(),
            };
        if is_same {
            return false;
        }
        for uid in differing {
            touched.insert(uid.clone());
            if new.contains_key(uid) {
                self.selected.entry(uid.clone()).or_default().insert(id.clone());
            } else if let Some(selected) = self.selected.get_mut(uid) {
                selected.remove(id);
            }
        }
        match judged {
            Some(judged) => _ = self.workloads.insert(id.clone(), judged),
            None => _ = self.workloads.remove(id),
        }
        true
    }
}
