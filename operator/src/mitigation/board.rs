//! What the policies think, and how things stand: where the ImagePolicy controller and the executor meet.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use breakwater_core::{
    mitigation::{ActionKind, Mode, Outlook, State},
    policy::{Policy, PolicyId, Verdict},
    workload::{Workload, WorkloadRef},
};
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

/// One policy's verdict over one workload.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub workload: Arc<Workload>,
    pub verdict: Verdict,
}

/// One line of `ImagePolicy.status.mitigations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MitigationState {
    pub workload: WorkloadRef,
    pub action: ActionKind,
    /// What is in effect: DryRun when a key is missing.
    pub mode: Mode,
    pub state: State,
    pub previous_replicas: Option<i32>,
    /// Names the missing key or the blocker.
    pub reason: String,
    pub since: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(super) struct Board {
    inner: Mutex<Inner>,
    /// Something was submitted or withdrawn.
    pub(super) submitted: Notify,
    pub(super) version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) policies: BTreeMap<String, Submitted>,
    /// By policy UID.
    states: BTreeMap<String, BTreeMap<WorkloadRef, MitigationState>>,
}

#[derive(Debug, Clone)]
pub(super) struct Submitted {
    pub(super) policy: Arc<Policy>,
    pub(super) judgements: BTreeMap<WorkloadRef, Arc<Judgement>>,
    /// When this version of the policy was first seen.
    pub(super) since: DateTime<Utc>,
}

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn submit(&self, policy: Arc<Policy>, judgements: Vec<Judgement>, now: DateTime<Utc>) {
        let judgements =
            judgements.into_iter().map(|judged| (judged.workload.id.clone(), Arc::new(judged))).collect();
        let mut inner = self.lock();
        let before = inner.policies.get(&policy.id.uid);
        let since = before.filter(|before| before.policy == policy).map_or(now, |before| before.since);
        inner.policies.insert(policy.id.uid.clone(), Submitted { policy, judgements, since });
        drop(inner);
        self.submitted.notify_one();
    }

    pub(super) fn withdraw(&self, policy: &PolicyId) {
        let mut inner = self.lock();
        inner.policies.remove(&policy.uid);
        inner.states.remove(&policy.uid);
        drop(inner);
        self.submitted.notify_one();
    }

    pub(super) fn states(&self, policy: &PolicyId) -> Vec<MitigationState> {
        self.lock()
            .states
            .get(&policy.uid)
            .map(|states| states.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn snapshot(&self) -> BTreeMap<String, Submitted> {
        self.lock().policies.clone()
    }

    /// Shows how a workload stands to the policies with these UIDs; to all others it does not stand at all. Returns whether that is new.
    pub(super) fn show(
        &self,
        workload: &WorkloadRef,
        outlooks: &BTreeMap<String, Outlook>,
        now: DateTime<Utc>,
    ) -> bool {
        let mut changed = false;
        let mut inner = self.lock();
        for (uid, states) in &mut inner.states {
            changed |= !outlooks.contains_key(uid) && states.remove(workload).is_some();
        }
        for (uid, outlook) in outlooks {
            let states = inner.states.entry(uid.clone()).or_default();
            let before = states.get(workload);
            let since =
                before.filter(|before| before.state == outlook.state).map_or(now, |before| before.since);
            let state = MitigationState {
                workload: workload.clone(),
                action: outlook.action,
                mode: outlook.mode,
                state: outlook.state,
                previous_replicas: outlook.previous_replicas,
                reason: outlook.reason.clone(),
                since,
                until: outlook.until,
            };
            if before != Some(&state) {
                states.insert(workload.clone(), state);
                changed = true;
            }
        }
        drop(inner);
        if changed {
            self.version.send_modify(|version| *version = version.wrapping_add(1));
        }
        changed
    }
}
