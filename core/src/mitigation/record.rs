use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{ActionKind, Containment, Mode, request::RequestedAction};
use crate::{Digest, policy::PolicyId, workload::WorkloadRef};

/// The most workloads under remediation at a time; one small object each in the operator's namespace.
pub const MAX_RECORDS: u32 = 5_000;

/// The most workloads of one namespace under remediation at a time: one tenant never takes the place of all others.
pub const MAX_RECORDS_OF_NAMESPACE: u32 = 500;

/// How long a record without anything open is kept, in days: budgets, cool-downs and undo counts live on it.
pub const RETENTION_DAYS: i64 = 7;

/// The most policies whose notices one record keeps; those of the operator's namespace come first.
pub(super) const MAX_NOTICES: usize = 32;

/// The most times of actions kept in a record: more than fit into an hour with the shortest sensible cool-down.
const MAX_ACTED: usize = 32;

/// The most finding ids that a notice lists. With more of them only new rules count as a new reason.
pub(super) const MAX_FINDINGS: usize = 64;

/// A shorter interruption does not count as downtime.
const SHORTEST_DOWNTIME: TimeDelta = TimeDelta::seconds(60);

/// The version of the stored format.
pub const RECORD_VERSION: u32 = 2;

/// One object that actions are about. Its UID tells it from an earlier object of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    pub workload: WorkloadRef,
    pub uid: String,
}

/// What an action answers. Each cause has a record of its own, so that the fix of an image never lifts the containment of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A policy violated by an image or its deployment.
    Image,
    /// What the runtime sensor observed.
    Incident,
}

/// Everything that is remembered about remediating one target for one cause. It is written as a whole: no two parts can disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRecord {
    /// The version of this format: [`RECORD_VERSION`].
    pub version: u32,
    pub target: TargetId,
    pub cause: Cause,
    /// What each policy asks for and what the owner was told about it, by policy UID; at most [`MAX_NOTICES`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notices: BTreeMap<String, Notice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<Containment>,
    /// The value of the hold annotation that was last refused, so that it is reported once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_hold: Option<String>,
    #[serde(default)]
    pub history: History,
    /// Whether the object does not exist any more: it uses up nobody's budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What one policy asks for, and what the owner was told about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub policy_namespace: String,
    pub policy_name: String,
    pub action: ActionKind,
    /// Whether all three opt-ins were present. A notice given in dry-run warns of nothing real.
    pub enforce: bool,
    /// Ids of the violated checks, sorted.
    pub rules: Vec<String>,
    /// Ids of the findings, sorted, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    pub grace_seconds: i64,
    /// The grace was served by an earlier object of the same name that was contained for the same reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grace_served: bool,
    pub index_revision: u64,
    /// When this reason was first seen: the confirmation is counted from here, and nothing but a new reason moves it.
    pub planned_at: DateTime<Utc>,
    /// Names the message to the owner, once it is in the outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When its delivery was confirmed; grace runs from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// When the notice was last watched over. A gap longer than half the grace renews it: no answer could be heard meanwhile.
    pub seen_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// When it was acted upon, oldest first; at most 32.
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

impl WorkloadRecord {
    #[must_use]
    pub fn new(target: &TargetId, cause: Cause) -> Self {
        Self {
            version: RECORD_VERSION,
            target: target.clone(),
            cause,
            notices: BTreeMap::new(),
            containment: None,
            refused_hold: None,
            history: History::default(),
            gone: false,
        }
    }

    /// The containment that is in force or under way.
    #[must_use]
    pub fn open(&self) -> Option<&Containment> {
        self.containment.as_ref().filter(|containment| containment.is_open())
    }

    /// Reports whether nothing in it is needed any more.
    pub(super) fn is_stale(&self, now: DateTime<Utc>) -> bool {
        let since = self.containment.as_ref().map(|containment| containment.since);
        let last =
            since.into_iter().chain(self.history.acted.last().copied()).chain(self.history.restored_at).max();
        self.notices.is_empty()
            && self.open().is_none()
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
    pub(super) fn policy(&self, uid: &str) -> PolicyId {
        PolicyId {
            namespace: self.policy_namespace.clone(),
            name: self.policy_name.clone(),
            uid: uid.to_owned(),
        }
    }

    /// The earliest time of the action, once the owner was told.
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.sent_at.and_then(|sent| sent.checked_add_signed(self.grace()))
    }

    pub(super) fn grace(&self) -> TimeDelta {
        if self.grace_served {
            return TimeDelta::zero();
        }
        TimeDelta::try_seconds(self.grace_seconds).unwrap_or(TimeDelta::MAX)
    }

    /// Reports whether what the owner was told covers `request`: not a longer grace, a harsher action, or another reason. A shorter grace never
    /// shortens what was promised.
    pub(super) fn covers(&self, request: &RequestedAction, enforce: bool) -> bool {
        let is_cut = self.findings.len() >= MAX_FINDINGS;
        (self.enforce || !enforce)
            && request.action <= self.action
            && request.grace.num_seconds() <= self.grace_seconds
            && request.rules.iter().all(|rule| self.rules.contains(rule))
            && (is_cut || request.findings.iter().all(|finding| self.findings.contains(finding)))
    }

    /// Reports whether the notice was unattended for so long that the owner could not be heard.
    pub(super) fn was_abandoned(&self, now: DateTime<Utc>) -> bool {
        self.grace() > TimeDelta::zero() && now - self.seen_at > (self.grace() / 2).max(SHORTEST_DOWNTIME)
    }

    /// When the attendance is to be recorded again: well before it would count as abandoned.
    pub(super) fn heartbeat_due(&self) -> Option<DateTime<Utc>> {
        (self.grace() > TimeDelta::zero())
            .then(|| self.seen_at.checked_add_signed((self.grace() / 4).max(SHORTEST_DOWNTIME / 2)))?
    }

    pub(super) fn mode(&self) -> Mode {
        if self.enforce { Mode::Enforce } else { Mode::DryRun }
    }
}

/// Returns the name of the ConfigMap that holds the record: 20 hexadecimal digits of a hash over UID and cause.
#[must_use]
pub fn record_name(target: &TargetId, cause: Cause) -> String {
    let key = format!("{} {cause:?}", target.uid);
    format!("breakwater-mitigation-{}", Digest::of(key.as_bytes()).hex().chars().take(20).collect::<String>())
}
