use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ActionKind;
use crate::Digest;

/// What was done to a workload, and everything needed to undo it. It is written before the act and is the truth about it ever after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Containment {
    pub action: ActionKind,
    /// Digests that violated, as nodes report them; at most 64. They stay denied under this name after the object is gone.
    pub digests: Vec<Digest>,
    /// `spec.replicas` before the act: at least 1. Absent for actions that leave the count alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_replicas: Option<i32>,
    /// The pods that DeletePod is about; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<ContainedPod>,
    /// Name of a HorizontalPodAutoscaler that scales it. It is not changed, and takes over again after the undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa: Option<String>,
    /// Name of the KEDA ScaledObject behind that autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keda: Option<String>,
    /// The GitOps tool that applies the workload, by the marks it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<String>,
    /// It is released when none of them holds it any more; at most 32.
    pub holders: Vec<Holder>,
    /// Finding ids; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Revision of the advisories the verdict was made with: only one at least as new may release.
    pub index_revision: u64,
    pub time: DateTime<Utc>,
    /// Names this very containment. An undo carries it, so that an old annotation that a rollback brings back undoes nothing.
    pub nonce: String,
    pub phase: Phase,
    /// When `phase` was entered.
    pub since: DateTime<Utc>,
    /// Why it is about to be released without a person asking, and since when that is so: it is confirmed by a second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<PendingRelease>,
    /// How often 0 was written again after something else had scaled it up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reapplied: u32,
}

/// A policy that asked for the action, and the rules that were violated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub policy_uid: String,
    pub policy_namespace: String,
    pub policy_name: String,
    /// Check ids.
    pub rules: Vec<String>,
    /// Fingerprint of the policy's selector. A workload that relabels itself out of an unchanged selector stays held.
    pub selector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainedPod {
    pub name: String,
    pub uid: String,
}

/// A release that waits for its second look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRelease {
    pub reason: CloseReason,
    pub since: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Recorded; the act may or may not have happened.
    Recorded,
    /// The API server took the write.
    Applied,
    /// Replicas are observed 0 and the pods are gone.
    Verified,
    /// Scaled up by something else and to be scaled down again; the write may or may not have happened.
    Reapplying,
    /// To be undone; the write may or may not have happened. The object carries our annotation when this phase is entered.
    Restoring(CloseReason),
    /// Nothing is held any more.
    Closed(CloseReason),
}

/// Why a containment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// A person asked, by its nonce.
    Undo,
    /// The workload keeps the rules again, or an exception covers it.
    Compliant,
    /// `restore.after` is over.
    After,
    /// No policy that holds it enforces any more, or selects the workload.
    PolicyOff,
    /// No policy that holds it exists any more.
    PolicyDeleted,
    /// The template runs images that no holder covers any more.
    OutOfScope,
    /// Recorded but never carried out.
    RolledBack,
    /// The pods it was about are gone; nothing is to be undone.
    Done,
    /// A stronger action takes its place.
    Superseded,
    /// The object is gone. Its name and digests stay denied.
    TargetGone,
}

impl CloseReason {
    /// Reports whether a person decided it: budgets and the breaker guard against mistakes of the operator, not against people's decisions.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::Undo | Self::PolicyOff | Self::PolicyDeleted)
    }

    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Undo => "a person asked for it",
            Self::Compliant => "the workload keeps the rules again",
            Self::After => "restore.after is over",
            Self::PolicyOff => "no policy that holds it enforces or selects it any more",
            Self::PolicyDeleted => "the policy that held it was deleted",
            Self::OutOfScope => "its template runs no image that a holding policy covers",
            Self::RolledBack => "it no longer applied before anything was done",
            Self::Done => "the pods are gone",
            Self::Superseded => "a stronger action takes its place",
            Self::TargetGone => "the workload was deleted",
        }
    }
}

impl Containment {
    /// Reports whether it still holds the workload.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed(_))
    }

    #[must_use]
    pub(super) fn enter(&self, phase: Phase, now: DateTime<Utc>) -> Self {
        Self { phase, since: now, ..self.clone() }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
