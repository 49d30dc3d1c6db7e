//! How much may be done: counted from the records themselves, so that a budget cannot disagree with what was done.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Blocker, Cause, Limits, WorkloadRecord};

/// What the operator's configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From the moment a reason to act, or to release, is first seen to the announcement, or the release.
    pub second_look: TimeDelta,
    /// From one action on a workload to the next.
    pub cooldown: TimeDelta,
    /// Advisory data older than this neither mitigates nor restores.
    pub stale_after: TimeDelta,
    pub max_per_hour: u32,
    pub max_per_namespace_per_hour: u32,
    pub max_concurrent: u32,
    pub max_concurrent_per_namespace: u32,
    /// 0–100.
    pub breaker_percent: u8,
    pub breaker_count: u32,
}

/// The sums over all records, kept current as records change: asking costs the same with one record or thousands.
///
/// Image findings and incidents are counted apart. The sums of the cluster and of policies count live targets only, so that objects that
/// were deleted use up nobody else's budget; actions on them count further in their own namespace.
#[derive(Debug, Clone, Default)]
pub struct BudgetUse {
    cluster: HashMap<Cause, Tally>,
    namespaces: HashMap<(Cause, String), Tally>,
    policies: HashMap<(Cause, String), Tally>,
    records: u32,
    records_of: HashMap<String, u32>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    open: u32,
    acted: BTreeMap<DateTime<Utc>, u32>,
    restored: BTreeMap<DateTime<Utc>, u32>,
}

impl Tally {
    fn apply(
        &mut self,
        change: Change,
        open: bool,
        acted: &[DateTime<Utc>],
        restored: Option<DateTime<Utc>>,
    ) {
        self.open = change.of(self.open, u32::from(open));
        for time in acted {
            change.count(&mut self.acted, *time);
        }
        if let Some(time) = restored {
            change.count(&mut self.restored, time);
        }
    }

    fn acted_since(&self, start: DateTime<Utc>) -> u32 {
        self.acted.range(start..).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn restored_since(&self, start: DateTime<Utc>) -> u32 {
        self.restored.range(start..).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn is_empty(&self) -> bool {
        self.open == 0 && self.acted.is_empty() && self.restored.is_empty()
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl Change {
    fn of(self, count: u32, by: u32) -> u32 {
        match self {
            Self::Add => count.saturating_add(by),
            Self::Remove => count.saturating_sub(by),
        }
    }

    fn count(self, times: &mut BTreeMap<DateTime<Utc>, u32>, time: DateTime<Utc>) {
        let count = times.entry(time).or_default();
        *count = self.of(*count, 1);
        if *count == 0 {
            times.remove(&time);
        }
    }
}

impl BudgetUse {
    /// Counts `after` in the place of `before`.
    pub fn replace(&mut self, before: Option<&WorkloadRecord>, after: Option<&WorkloadRecord>) {
        if let Some(before) = before {
            self.apply(Change::Remove, before);
        }
        if let Some(after) = after {
            self.apply(Change::Add, after);
        }
    }

    /// The number of records, and of those of one namespace.
    pub(super) fn records(&self, namespace: &str) -> (u32, u32) {
        (self.records, self.records_of.get(namespace).copied().unwrap_or(0))
    }

    fn apply(&mut self, change: Change, record: &WorkloadRecord) {
        let namespace = &record.target.workload.namespace;
        self.records = change.of(self.records, 1);
        update(&mut self.records_of, namespace.clone(), |count| {
            *count = change.of(*count, 1);
            *count == 0
        });
        let (cause, history) = (record.cause, &record.history);
        let open = record.open().is_some();
        let tally = |tallies: &mut HashMap<(Cause, String), Tally>, key: &str| {
            update(tallies, (cause, key.to_owned()), |tally| {
                tally.apply(change, open, &history.acted, history.restored_at);
                tally.is_empty()
            });
        };
        tally(&mut self.namespaces, namespace);
        if record.gone {
            return;
        }
        for holder in record.containment.iter().flat_map(|containment| &containment.holders) {
            tally(&mut self.policies, &holder.policy_uid);
        }
        self.cluster.entry(cause).or_default().apply(change, open, &history.acted, history.restored_at);
    }

    /// Reports whether one more action fits. A policy's limits can only lower what the configuration allows; `selected` workloads are the policy's.
    pub(super) fn allows(
        &self,
        settings: &Settings,
        asked: &Asked<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Blocker> {
        let start = hour_before(now);
        let of = |tallies: &HashMap<(Cause, String), Tally>, key: &str| {
            let tally = tallies.get(&(asked.cause, key.to_owned()));
            tally.map_or((0, 0), |tally| (tally.acted_since(start), tally.open))
        };
        let (namespace_hour, namespace_open) = of(&self.namespaces, asked.namespace);
        let (policy_hour, policy_open) = of(&self.policies, asked.policy_uid);
        let cluster = self.cluster.get(&asked.cause);
        let (hour, open) = cluster.map_or((0, 0), |tally| (tally.acted_since(start), tally.open));
        let limits = asked.limits;
        let share = limits.max_percent.map(|percent| u64::from(percent) * u64::from(asked.selected));
        let spent = [
            (hour >= settings.max_per_hour, "the actions of this hour, in the whole cluster"),
            (
                namespace_hour >= settings.max_per_namespace_per_hour,
                "the actions of this hour, in this namespace",
            ),
            (open >= settings.max_concurrent, "the workloads held at the same time, in the whole cluster"),
            (
                namespace_open >= settings.max_concurrent_per_namespace,
                "the workloads held at the same time, in this namespace",
            ),
            (
                limits.max_per_hour.is_some_and(|most| policy_hour >= most),
                "the actions of this hour, by limits.maxPerHour",
            ),
            (
                limits.max_concurrent.is_some_and(|most| policy_open >= most),
                "the workloads held at the same time, by limits.maxConcurrent",
            ),
            (
                share.is_some_and(|share| (u64::from(policy_open) + 1) * 100 > share),
                "the share of the selected workloads, by limits.maxPercent",
            ),
        ];
        match spent.into_iter().find(|(is_spent, _)| *is_spent) {
            Some((_, which)) => Err(Blocker::BudgetSpent(which)),
            None => Ok(()),
        }
    }

    /// Reports whether one more restore fits that nobody asked for.
    pub(super) fn allows_restore(
        &self,
        settings: &Settings,
        cause: Cause,
        now: DateTime<Utc>,
    ) -> Result<(), Blocker> {
        let restored = self.cluster.get(&cause).map_or(0, |tally| tally.restored_since(hour_before(now)));
        if restored >= settings.max_per_hour {
            return Err(Blocker::BudgetSpent("the restores of this hour"));
        }
        Ok(())
    }
}

/// Whose budget one more action would use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) cause: Cause,
    pub(super) namespace: &'a str,
    pub(super) policy_uid: &'a str,
    pub(super) limits: &'a Limits,
    pub(super) selected: u32,
}

/// An action exactly an hour ago does not count any more.
fn hour_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::hours(1) + TimeDelta::nanoseconds(1)
}

/// Changes an entry and drops it when `change` reports that nothing is left in it.
fn update<K: std::hash::Hash + Eq + Clone, V: Default>(
    map: &mut HashMap<K, V>,
    key: K,
    change: impl FnOnce(&mut V) -> bool,
) {
    if change(map.entry(key.clone()).or_default()) {
        map.remove(&key);
    }
}
