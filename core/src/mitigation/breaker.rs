use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Settings, WorkloadRecord};

/// Actions planned or taken within this many minutes are one event, for example one bad advisory update.
const WINDOW_MINUTES: i64 = 5;

/// Fewer namespaces never open the cluster's breaker: a tenant could open it to shield a workload.
const MIN_NAMESPACES: usize = 3;

/// Stops all actions when too much would be hit at once. It stays open, over restarts too, until a person resets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    #[serde(default)]
    pub state: BreakerState,
    /// When it was opened or reset; what was planned before a reset does not open it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    #[serde(default)]
    pub reason: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakerState {
    #[default]
    Closed,
    Open,
}

impl Breaker {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == BreakerState::Open
    }

    /// Returns the open breaker, if it has to open now. `workloads` is how many exist in all.
    #[must_use]
    pub fn trip<'a>(
        &self,
        records: impl IntoIterator<Item = &'a WorkloadRecord>,
        workloads: u32,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        if self.is_open() {
            return None;
        }
        let start =
            self.since.unwrap_or(DateTime::<Utc>::MIN_UTC).max(now - TimeDelta::minutes(WINDOW_MINUTES));
        let mut hit = 0_u32;
        let mut namespaces = BTreeSet::new();
        for record in records.into_iter().filter(|record| !record.gone) {
            let is_planned =
                record.notices.values().any(|notice| notice.enforce && notice.planned_at > start);
            if is_planned || record.history.acted_since(start) > 0 {
                hit = hit.saturating_add(1);
                namespaces.insert(record.target.workload.namespace.as_str());
            }
        }
        let share = u64::from(hit) * 100 > u64::from(settings.breaker_percent) * u64::from(workloads);
        let opens = namespaces.len() >= MIN_NAMESPACES && (share || hit > settings.breaker_count);
        opens.then(|| Self {
            state: BreakerState::Open,
            since: Some(now),
            reason: format!(
                "{hit} workloads in {} namespaces would be hit within {WINDOW_MINUTES} minutes; {workloads} workloads exist",
                namespaces.len()
            ),
        })
    }
}
