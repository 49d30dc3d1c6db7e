use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use breakwater_core::{
    mitigation::{ActionKind, MitigationStatus, Mode, State, TargetId},
    policy::PolicyId,
    workload::WorkloadRef,
};
use chrono::{DateTime, Utc};

use crate::changes::{Changes, Subscription};

/// One line of `ImagePolicy.status.mitigations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MitigationState {
    pub workload: WorkloadRef,
    pub action: ActionKind,
    /// What is in effect: DryRun when an opt-in is missing.
    pub mode: Mode,
    pub state: State,
    pub previous_replicas: Option<i32>,
    /// Names the missing opt-in or the blocker.
    pub reason: String,
    pub since: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

/// How every target stands to every policy. Written by the executor, read by the controller of policies.
#[derive(Debug, Default)]
pub(super) struct StatusTable {
    /// By policy UID, then by target: an object that was re-created is another line than the one that is gone.
    states: Mutex<BTreeMap<String, BTreeMap<TargetId, MitigationState>>>,
    /// UIDs of policies.
    changes: Changes<String>,
}

impl StatusTable {
    pub(super) fn states(&self, policy: &PolicyId) -> Vec<MitigationState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&policy.uid).map(|states| states.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn subscribe(&self) -> Subscription<String> {
        self.changes.subscribe()
    }

    /// Tells every subscriber that what concerns all policies has changed.
    pub(super) fn publish_all(&self) {
        self.changes.publish_all();
    }

    /// Replaces how a target stands: to the policies with these UIDs as given, to all others not at all. Returns the statuses that are new
    /// in action, mode or state.
    pub(super) fn set(
        &self,
        target: &TargetId,
        statuses: &BTreeMap<String, MitigationStatus>,
        now: DateTime<Utc>,
    ) -> Vec<MitigationStatus> {
        let mut changed = Vec::new();
        let mut new = Vec::new();
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (uid, of_policy) in states.iter_mut() {
            if !statuses.contains_key(uid) && of_policy.remove(target).is_some() {
                changed.push(uid.clone());
            }
        }
        for (uid, status) in statuses {
            let of_policy = states.entry(uid.clone()).or_default();
            let before = of_policy.get(target);
            let is_same_state = |before: &&MitigationState| {
                (before.state, before.action, before.mode) == (status.state, status.action, status.mode)
            };
            let same = before.filter(is_same_state);
            let state = MitigationState {
                workload: target.workload.clone(),
                action: status.action,
                mode: status.mode,
                state: status.state,
                previous_replicas: status.previous_replicas,
                reason: status.reason.clone(),
                since: same.map_or(now, |before| before.since),
                until: status.until,
            };
            if before == Some(&state) {
                continue;
            }
            if same.is_none() {
                new.push(status.clone());
            }
            of_policy.insert(target.clone(), state);
            changed.push(uid.clone());
        }
        states.retain(|_, of_policy| !of_policy.is_empty());
        drop(states);
        self.changes.publish(&changed);
        new
    }
}
