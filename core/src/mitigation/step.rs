use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    ActionKind, CloseReason, Containment, MitigationStatus, Notice, TargetId, WorkloadRecord,
    request::RequestedAction,
};
use crate::{
    policy::PolicyId,
    workload::{WorkloadKind, WorkloadRef},
};

/// What to do next, one step at a time, and how things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub step: Option<Step>,
    /// How the target stands to each policy, by policy UID. A policy that is not named has nothing to show.
    pub statuses: BTreeMap<String, MitigationStatus>,
    /// When to ask again though nothing changed.
    pub wake: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Read the object, its namespace and its pods.
    ReadTarget,
    /// Write the record, then hand the message to the outbox. Both may have happened before; repeating them changes nothing.
    Announce {
        record: Box<WorkloadRecord>,
        message: Message,
    },
    /// Write the record, then publish the notes.
    Save {
        record: Box<WorkloadRecord>,
        notes: Vec<Note>,
    },
    /// Set `spec.replicas` (suspend or resume a CronJob) of the object that was read.
    Scale {
        replicas: i32,
    },
    /// Ask the API server to evict this pod; disruption budgets are honoured.
    Evict {
        pod: String,
        uid: String,
    },
    /// Set the copy of the record on the object that was read, or remove it.
    Annotate {
        copy: Option<String>,
    },
    DeleteRecord,
}

impl Step {
    /// Reports whether it changes an object that is not the operator's.
    #[must_use]
    pub fn mutates(&self) -> bool {
        matches!(self, Self::Scale { .. } | Self::Evict { .. } | Self::Annotate { .. })
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReadTarget => "ReadTarget",
            Self::Announce { .. } => "Announce",
            Self::Save { .. } => "Save",
            Self::Scale { .. } => "Scale",
            Self::Evict { .. } => "Evict",
            Self::Annotate { .. } => "Annotate",
            Self::DeleteRecord => "DeleteRecord",
        }
    }
}

/// What an owner is told. Its delivery is confirmed by its id, which is the same after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub notes: Vec<Note>,
}

/// An Event to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub about: About,
    pub warning: bool,
    pub reason: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Workload(TargetId),
    Policy(PolicyId),
}

/// What happens to the workload, in the passive: "scaled to zero".
fn done_to(target: &WorkloadRef, action: ActionKind) -> &'static str {
    match (action, target.kind) {
        (ActionKind::ScaleToZero, WorkloadKind::CronJob) => "suspended",
        (ActionKind::ScaleToZero, _) => "scaled to zero",
        (ActionKind::DeletePod, _) => "evicted (its violating pods)",
        _ => "reported",
    }
}

/// Tells the owner and the policy what will happen, when, and what to do about it; in dry-run what would happen, and what is missing.
pub(super) fn announcement(
    target: &TargetId,
    request: &RequestedAction,
    earliest: DateTime<Utc>,
    replicas: Option<i32>,
    missing: Option<String>,
) -> Vec<Note> {
    let workload = &target.workload;
    let done = done_to(workload, request.action);
    let why = reasons(request);
    let count = replicas.map(|count| format!(" ({count} replicas)")).unwrap_or_default();
    let (reason, text) = match (request.action, missing) {
        (ActionKind::Alert, _) => ("PolicyViolated", format!("{workload} violates {why}")),
        (ActionKind::ScaleToZero, Some(missing)) => {
            ("WouldScaleToZero", format!("{workload}{count} would be {done}: it violates {why}; {missing}"))
        }
        (_, Some(missing)) => {
            ("WouldDeletePod", format!("{workload}{count} would be {done}: it violates {why}; {missing}"))
        }
        (_, None) => (
            "MitigationNotice",
            format!(
                "{workload}{count} will be {done} at {} or soon after: it violates {why}. Fix it, add an exception, or hold it with the annotation \
                 breakwater.dev/hold-until: \"<time>; <reason>\"",
                earliest.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
        ),
    };
    to_all(target, std::iter::once(request.policy.clone()), true, reason, &text)
}

fn reasons(request: &RequestedAction) -> String {
    let rules = request.rules.join(", ");
    let shown: Vec<&str> = request.findings.iter().take(5).map(String::as_str).collect();
    let more = if request.findings.len() > shown.len() { ", …" } else { "" };
    if shown.is_empty() { rules } else { format!("{rules} ({}{more})", shown.join(", ")) }
}

pub(super) fn cancelled(target: &TargetId, uid: &str, notice: &Notice, why: &str) -> Vec<Note> {
    if notice.sent_at.is_none() || !notice.enforce {
        return vec![];
    }
    let text = format!("{} of {} is cancelled: {why}", notice.action.as_str(), target.workload);
    to_all(target, std::iter::once(notice.policy(uid)), false, "MitigationCancelled", &text)
}

pub(super) fn hold_refused(target: &TargetId, why: &super::InvalidHold) -> Note {
    Note {
        about: About::Workload(target.clone()),
        warning: true,
        reason: "HoldRefused",
        text: format!(
            "the annotation breakwater.dev/hold-until does not hold {}: {why}; for example 2026-01-31T12:00:00Z; fix in review",
            target.workload
        ),
    }
}

pub(super) fn acted(target: &TargetId, containment: &Containment) -> Vec<Note> {
    let previous = containment.previous_replicas.unwrap_or_default();
    let text = format!(
        "{} was {} (it had {previous}); undo: annotate it with breakwater.dev/undo={}",
        target.workload,
        done_to(&target.workload, containment.action),
        containment.nonce
    );
    to_holders(target, containment, true, "ScaledToZero", &text)
}

pub(super) fn reapplied(target: &TargetId, containment: &Containment, manager: &str) -> Vec<Note> {
    let text =
        format!("{} was scaled up by {manager} while contained, and is scaled down again", target.workload);
    to_holders(target, containment, true, "RemediationContested", &text)
}

pub(super) fn closed(target: &TargetId, containment: &Containment, reason: CloseReason) -> Vec<Note> {
    let why = reason.explain();
    let workload = &target.workload;
    let (name, text) = match (reason, containment.previous_replicas) {
        (CloseReason::TargetGone | CloseReason::Superseded, _) => return vec![],
        (CloseReason::Done, _) => {
            ("PodsDeleted", format!("{workload}: {} pods were evicted", containment.pods.len()))
        }
        (CloseReason::RolledBack, _) => ("MitigationCancelled", format!("{workload} was left alone: {why}")),
        (_, Some(count)) => {
            ("Restored", format!("{workload} was released, {count} replicas recorded: {why}"))
        }
        (_, None) => ("Restored", format!("{workload} was released: {why}")),
    };
    to_holders(target, containment, false, name, &text)
}

fn to_holders(
    target: &TargetId,
    containment: &Containment,
    warning: bool,
    reason: &'static str,
    text: &str,
) -> Vec<Note> {
    let holders = containment.holders.iter().map(|holder| PolicyId {
        namespace: holder.policy_namespace.clone(),
        name: holder.policy_name.clone(),
        uid: holder.policy_uid.clone(),
    });
    to_all(target, holders, warning, reason, text)
}

fn to_all(
    target: &TargetId,
    policies: impl Iterator<Item = PolicyId>,
    warning: bool,
    reason: &'static str,
    text: &str,
) -> Vec<Note> {
    std::iter::once(About::Workload(target.clone()))
        .chain(policies.map(About::Policy))
        .map(|about| Note { about, warning, reason, text: text.to_owned() })
        .collect()
}
