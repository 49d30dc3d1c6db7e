use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ActionKind;
use crate::Digest;

/// What was done to a workload, and everything needed to undo it. Written before the act; the truth about it ever after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latch {
    pub uid: String,
    pub action: ActionKind,
    /// What the violating containers ran.
    pub digests: Vec<Digest>,
    /// `spec.replicas` before the act: at least 1. Absent for actions that leave the count alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_replicas: Option<i32>,
    /// The pods that DeletePod is about; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<LatchedPod>,
    /// Name of a HorizontalPodAutoscaler that scales it. It rests at 0 and takes over again after the undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa: Option<String>,
    /// Name of the KEDA ScaledObject behind that autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keda: Option<String>,
    /// Which GitOps tool writes the workload, if it left its mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<String>,
    /// It is let go when none of them holds it any more.
    pub holders: Vec<Holder>,
    /// Finding ids; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Revision of the advisories the verdict was made with: only one at least as new may acquit.
    pub index_revision: u64,
    pub time: DateTime<Utc>,
    /// Names this very latch. An undo carries it, so that an old annotation that a rollback brings back undoes nothing.
    pub nonce: String,
    pub phase: Phase,
    /// When `phase` was entered.
    pub since: DateTime<Utc>,
}

/// A policy that asked for the latch, and the rules that were violated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub policy_uid: String,
    pub policy_namespace: String,
    pub policy_name: String,
    /// Check ids.
    pub rules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchedPod {
    pub name: String,
    pub uid: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Recorded; the act may or may not have happened.
    Latched,
    /// The API server took the write.
    Applied,
    /// Replicas are observed 0 and the pods are gone.
    Verified,
    /// To be undone; the write may or may not have happened.
    Restoring(Because),
    /// Nothing is held any more.
    Closed(Because),
}

/// Why a latch is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Because {
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
    /// Recorded but never carried out.
    RolledBack,
    /// The pods it was about are gone; nothing is to be undone.
    Done,
    /// The workload has been gone for as long as closed cases are kept.
    Gone,
}

impl Because {
    /// A person decided: budgets and the breaker guard against our own mistakes, not against theirs.
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
            Self::PolicyOff => "no policy that holds it enforces any more",
            Self::PolicyDeleted => "the policy that held it was deleted",
            Self::RolledBack => "it no longer applied before anything was done",
            Self::Done => "the pods are gone",
            Self::Gone => "the workload is gone",
        }
    }
}

impl Latch {
    /// Whether it still holds the workload.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !matches!(self.phase, Phase::Closed(_))
    }

    #[must_use]
    pub(super) fn enter(&self, phase: Phase, now: DateTime<Utc>) -> Self {
        Self { phase, since: now, ..self.clone() }
    }
}
