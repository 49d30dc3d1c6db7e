use chrono::{DateTime, Utc};

use super::{ActionKind, Because, Case, Latch, Notice, Outlook, demand::Demand};
use crate::workload::{WorkloadKind, WorkloadRef};

/// What to do next, one thing at a time, and how things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub step: Option<Step>,
    /// Absent: there is nothing to say about this workload.
    pub outlook: Option<Outlook>,
    /// When to ask again though nothing changed.
    pub wake: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Read the object, its namespace, its pods.
    Look,
    /// Tell first; only when that is confirmed, write the case.
    Notify { notes: Vec<Note>, case: Box<Case> },
    /// Write the case, then tell.
    Save { case: Box<Case>, notes: Vec<Note> },
    /// Set `spec.replicas` (suspend or resume a CronJob) of the object that was looked at.
    Scale { replicas: i32 },
    /// Ask the API server to evict this pod; disruption budgets are honoured.
    Evict { pod: String, uid: String },
    /// Set the copy of the latch on the workload, or take it away.
    Annotate { copy: Option<String> },
    /// Delete the case.
    Forget,
}

impl Step {
    /// Whether it changes something that is not ours.
    #[must_use]
    pub fn mutates(&self) -> bool {
        matches!(self, Self::Scale { .. } | Self::Evict { .. } | Self::Annotate { .. })
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Look => "Look",
            Self::Notify { .. } => "Notify",
            Self::Save { .. } => "Save",
            Self::Scale { .. } => "Scale",
            Self::Evict { .. } => "Evict",
            Self::Annotate { .. } => "Annotate",
            Self::Forget => "Forget",
        }
    }
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
    Workload { uid: String },
    Policy { uid: String, namespace: String, name: String },
}

impl Plan {
    pub(super) fn still(outlook: Outlook) -> Self {
        Self { step: None, wake: outlook.until, outlook: Some(outlook) }
    }
}

pub(super) fn note_workload(uid: &str, warning: bool, reason: &'static str, text: String) -> Note {
    Note { about: About::Workload { uid: uid.to_owned() }, warning, reason, text }
}

/// What happens to the workload, in the passive: "scaled to zero".
fn done_to(target: &WorkloadRef, action: ActionKind) -> &'static str {
    match (action, target.kind) {
        (ActionKind::ScaleToZero, WorkloadKind::CronJob) => "suspended",
        (ActionKind::ScaleToZero, _) => "scaled to zero",
        (ActionKind::DeletePod, _) => "rid of its pods",
        _ => "reported",
    }
}

/// Tells the owner and the policy what will happen, when, and what to do about it; in dry-run what would happen, and what is missing.
pub(super) fn notice(
    target: &WorkloadRef,
    demand: &Demand,
    notice: &Notice,
    replicas: Option<i32>,
    missing: Option<String>,
) -> Vec<Note> {
    let done = done_to(target, notice.action);
    let because = because(demand);
    let count = replicas.map(|count| format!(" ({count} replicas)")).unwrap_or_default();
    let (reason, text) = match (notice.action, missing, notice.deadline()) {
        (ActionKind::Alert, _, _) => ("PolicyViolated", format!("{target} violates {because}")),
        (ActionKind::ScaleToZero, Some(missing), _) => {
            ("WouldScaleToZero", format!("{target}{count} would be {done}: it violates {because}; {missing}"))
        }
        (_, Some(missing), _) => {
            ("WouldDeletePod", format!("{target}{count} would be {done}: it violates {because}; {missing}"))
        }
        (_, None, deadline) => (
            "MitigationNotice",
            format!(
                "{target}{count} will be {done} at {} or soon after: it violates {because}. Fix it, add an exception, or hold it with the annotation \
                 breakwater.dev/hold-until: \"<time>; <reason>\"",
                deadline.unwrap_or(notice.planned_at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ),
        ),
    };
    both(
        notice.uid.as_str(),
        [(&demand.policy.uid, &demand.policy.namespace, &demand.policy.name)],
        true,
        reason,
        &text,
    )
}

fn because(demand: &Demand) -> String {
    let rules = demand.rules.join(", ");
    let shown: Vec<&str> = demand.findings.iter().take(5).map(String::as_str).collect();
    let more = if demand.findings.len() > shown.len() { ", …" } else { "" };
    if shown.is_empty() { rules } else { format!("{rules} ({}{more})", shown.join(", ")) }
}

pub(super) fn acted(target: &WorkloadRef, latch: &Latch) -> Vec<Note> {
    let previous = latch.previous_replicas.unwrap_or_default();
    let text = format!(
        "{target} was {} (it had {previous}); undo: annotate it with breakwater.dev/undo={}",
        done_to(target, latch.action),
        latch.nonce
    );
    to_holders(latch, true, "ScaledToZero", &text)
}

pub(super) fn closed(target: &WorkloadRef, latch: &Latch, because: Because) -> Vec<Note> {
    let why = because.explain();
    let (reason, text) = match (because, latch.previous_replicas) {
        (Because::Done, _) => ("PodsDeleted", format!("{target}: {} pods were evicted", latch.pods.len())),
        (Because::RolledBack, _) => ("MitigationCancelled", format!("{target} was left alone: {why}")),
        (_, Some(count)) => ("Restored", format!("{target} was let go, {count} replicas recorded: {why}")),
        (_, None) => ("Restored", format!("{target} was let go: {why}")),
    };
    to_holders(latch, false, reason, &text)
}

fn to_holders(latch: &Latch, warning: bool, reason: &'static str, text: &str) -> Vec<Note> {
    let holders = latch.holders.iter().map(|h| (&h.policy_uid, &h.policy_namespace, &h.policy_name));
    both(&latch.uid, holders, warning, reason, text)
}

fn both<'a>(
    uid: &str,
    policies: impl IntoIterator<Item = (&'a String, &'a String, &'a String)>,
    warning: bool,
    reason: &'static str,
    text: &str,
) -> Vec<Note> {
    let policies = policies.into_iter().map(|(uid, namespace, name)| About::Policy {
        uid: uid.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
    });
    std::iter::once(About::Workload { uid: uid.to_owned() })
        .chain(policies)
        .map(|about| Note { about, warning, reason, text: text.to_owned() })
        .collect()
}
