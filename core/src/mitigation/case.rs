use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{ActionKind, Latch, Mode};
use crate::{Digest, workload::WorkloadRef};

/// The most workloads under remediation at a time; one small object each in the operator's namespace.
pub const MAX_CASES: usize = 5_000;

/// How long a closed case is kept: budgets, cool-downs and undo counts live on it.
pub const RETENTION_DAYS: i64 = 7;

/// Times of actions kept in a case: more than fit into an hour with the shortest sensible cool-down.
const MAX_ACTED: usize = 32;

/// Everything that is remembered about remediating one workload. One object, written as a whole: no two parts can disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Of this format: 1.
    pub version: u32,
    pub workload: WorkloadRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latch: Option<Latch>,
    #[serde(default)]
    pub history: History,
}

/// What is planned, and what the owner was told about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub uid: String,
    /// What the violating containers ran. Another digest voids the notice.
    pub digests: Vec<Digest>,
    pub action: ActionKind,
    /// Whether all three keys were turned. A notice given in dry-run warns nobody of the real thing.
    pub enforce: bool,
    pub policy_uid: String,
    pub index_revision: u64,
    pub grace_seconds: i64,
    pub planned_at: DateTime<Utc>,
    /// When the owner was told; grace runs from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// When somebody last watched over it. A gap longer than half the grace renews it: nobody could have been heard meanwhile.
    pub seen_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// When it was acted upon, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acted: Vec<DateTime<Utc>>,
    /// When it was last restored without a person asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<DateTime<Utc>>,
    /// `restore.after` was used; it works once.
    #[serde(default)]
    pub restored_after: bool,
    /// How often people undid what a rule led to, by check id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub undone: BTreeMap<String, u32>,
}

/// A downtime shorter than this is none: a pass over many workloads may take as long.
const SHORTEST_DOWNTIME: TimeDelta = TimeDelta::seconds(60);

impl Case {
    pub(super) fn new(workload: &WorkloadRef) -> Self {
        Self {
            version: 1,
            workload: workload.clone(),
            notice: None,
            latch: None,
            history: History::default(),
        }
    }

    #[must_use]
    pub fn holding(&self) -> Option<&Latch> {
        self.latch.as_ref().filter(|latch| latch.is_holding())
    }

    /// Whether nothing in it is needed any more.
    pub(super) fn is_stale(&self, now: DateTime<Utc>) -> bool {
        let latch = self.latch.as_ref().map(|latch| latch.since);
        let last =
            latch.into_iter().chain(self.history.acted.last().copied()).chain(self.history.restored_at).max();
        self.notice.is_none()
            && self.holding().is_none()
            && last.is_none_or(|last| now - last > TimeDelta::days(RETENTION_DAYS))
    }
}

impl History {
    pub(super) fn act(&mut self, now: DateTime<Utc>) {
        self.acted.push(now);
        let surplus = self.acted.len().saturating_sub(MAX_ACTED);
        self.acted.drain(..surplus);
    }

    pub(super) fn acted_since(&self, start: DateTime<Utc>) -> u32 {
        u32::try_from(self.acted.iter().filter(|time| **time > start).count()).unwrap_or(u32::MAX)
    }
}

impl Notice {
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.sent_at.and_then(|sent| sent.checked_add_signed(self.grace()))
    }

    pub(super) fn grace(&self) -> TimeDelta {
        TimeDelta::try_seconds(self.grace_seconds).unwrap_or(TimeDelta::MAX)
    }

    /// Whether nobody watched for so long that the owner could not be heard.
    pub(super) fn was_abandoned(&self, now: DateTime<Utc>) -> bool {
        self.grace() > TimeDelta::zero() && now - self.seen_at > (self.grace() / 2).max(SHORTEST_DOWNTIME)
    }

    /// When the watch is to be recorded again: well before it would count as abandoned.
    pub(super) fn watch_by(&self) -> Option<DateTime<Utc>> {
        (self.grace() > TimeDelta::zero())
            .then(|| self.seen_at.checked_add_signed((self.grace() / 4).max(SHORTEST_DOWNTIME / 2)))?
    }

    pub(super) fn mode(&self) -> Mode {
        if self.enforce { Mode::Enforce } else { Mode::DryRun }
    }
}

/// Name of the ConfigMap that holds the case: 12 hexadecimal digits of a hash tell workloads apart (DNS-1123 allows no `/`).
#[must_use]
pub fn case_name(workload: &WorkloadRef) -> String {
    format!(
        "breakwater-latch-{}",
        Digest::of(workload.to_string().as_bytes()).hex().chars().take(20).collect::<String>()
    )
}
