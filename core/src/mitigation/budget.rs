//! How much may be done: counted from the case files themselves, so that a budget cannot disagree with what was done.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Blocker, Case, Limits};

/// What the operator's configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From the first look, which only plans, to the first action.
    pub second_look: TimeDelta,
    /// From one action on a workload to the next.
    pub cooldown: TimeDelta,
    pub max_per_hour: u32,
    pub max_per_namespace_per_hour: u32,
    pub max_concurrent: u32,
    /// 0–100.
    pub breaker_percent: u8,
    pub breaker_count: u32,
}

/// What was done and is in force, as one workload and the policy that leads there see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) hour: u32,
    pub(super) namespace_hour: u32,
    pub(super) holding: u32,
    pub(super) policy_hour: u32,
    pub(super) policy_holding: u32,
    /// Restored in this hour without a person asking.
    pub(super) restored_hour: u32,
}

/// Adds up all cases for a workload in `namespace` and the policy with `policy_uid`.
pub(super) fn usage(cases: &[&Case], namespace: &str, policy_uid: Option<&str>, now: DateTime<Utc>) -> Usage {
    let hour_ago = now - TimeDelta::hours(1);
    let mut total = Usage::default();
    for case in cases {
        let acted = case.history.acted_since(hour_ago);
        let holding = u32::from(case.holding().is_some());
        total.hour = total.hour.saturating_add(acted);
        total.holding = total.holding.saturating_add(holding);
        if case.workload.namespace == namespace {
            total.namespace_hour = total.namespace_hour.saturating_add(acted);
        }
        let is_of_policy = policy_uid.is_some_and(|uid| {
            case.latch
                .as_ref()
                .is_some_and(|latch| latch.holders.iter().any(|holder| holder.policy_uid == uid))
        });
        if is_of_policy {
            total.policy_hour = total.policy_hour.saturating_add(acted);
            total.policy_holding = total.policy_holding.saturating_add(holding);
        }
        if case.history.restored_at.is_some_and(|time| time > hour_ago) {
            total.restored_hour = total.restored_hour.saturating_add(1);
        }
    }
    total
}

impl Settings {
    /// Whether one more action fits. A policy's limits can only lower what is allowed here. `selected` workloads are the policy's.
    pub(super) fn allows(&self, limits: &Limits, usage: &Usage, selected: u32) -> Result<(), Blocker> {
        let own_hour = limits.max_per_hour.unwrap_or(u32::MAX);
        let own_concurrent = limits.max_concurrent.unwrap_or(u32::MAX);
        let share = limits.max_percent.map(|percent| u64::from(percent) * u64::from(selected));
        let spent = [
            (usage.hour >= self.max_per_hour, "the actions of this hour, in the whole cluster"),
            (
                usage.namespace_hour >= self.max_per_namespace_per_hour,
                "the actions of this hour, in this namespace",
            ),
            (
                usage.holding >= self.max_concurrent,
                "the workloads held at the same time, in the whole cluster",
            ),
            (usage.policy_hour >= own_hour, "the actions of this hour, by limits.maxPerHour"),
            (
                usage.policy_holding >= own_concurrent,
                "the workloads held at the same time, by limits.maxConcurrent",
            ),
            (
                share.is_some_and(|share| (u64::from(usage.policy_holding) + 1) * 100 > share),
                "the share of the selected workloads, by limits.maxPercent",
            ),
        ];
        match spent.into_iter().find(|(is_spent, _)| *is_spent) {
            Some((_, which)) => Err(Blocker::BudgetSpent(which)),
            None => Ok(()),
        }
    }

    pub(super) fn allows_restore(&self, usage: &Usage) -> Result<(), Blocker> {
        if usage.restored_hour >= self.max_per_hour {
            return Err(Blocker::BudgetSpent("the restores of this hour"));
        }
        Ok(())
    }
}
