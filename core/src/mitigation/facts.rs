use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{Breaker, BudgetUse, Settings, TargetId, WorkloadRecord};
use crate::{
    Digest,
    names::PAUSE,
    policy::{Policy, Verdict},
    workload::Workload,
};

/// All that is known about one target when its next step is decided.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub target: &'a TargetId,
    /// As last judged, with its newest metadata. Absent when no object with this UID is known.
    pub workload: Option<&'a Workload>,
    /// What each policy that selects it decides; only verdicts over the object with this UID.
    pub verdicts: &'a [PolicyVerdict<'a>],
    pub policies: &'a Policies,
    pub record: Option<&'a WorkloadRecord>,
    /// The record of an earlier object of this name that was contained and then deleted, if there is one.
    pub predecessor: Option<&'a WorkloadRecord>,
    /// Read from the API server for this very decision. Absent until [`super::Step::ReadTarget`].
    pub live: Option<&'a Live>,
    /// First opt-in: whether the operator may write in that namespace; `None`: that could not be asked.
    pub access: Option<bool>,
    /// Whether the kill switch is set, and by what.
    pub paused: Option<&'static str>,
    /// The advisory index in use. Absent: there is none, or it may be older than one used before.
    pub index: Option<IndexFacts>,
    /// Messages of this target that the outbox knows, by id.
    pub deliveries: &'a BTreeMap<String, Delivery>,
    pub budget: &'a BudgetUse,
    pub breaker: &'a Breaker,
    pub settings: &'a Settings,
    pub own_namespace: &'a str,
    pub exempt_namespaces: &'a [String],
    /// Names a containment or a message, should one be made now.
    pub nonce: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct PolicyVerdict<'a> {
    pub policy: &'a Policy,
    pub verdict: &'a Verdict,
    /// How many workloads that policy judges.
    pub selected: u32,
}

/// The policies that exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policies {
    /// By UID. `None`: its spec is invalid; it exists, keeps what it holds and takes no new action.
    pub known: BTreeMap<String, Option<Arc<Policy>>>,
    /// Whether `known` is the complete list and each valid one has judged every workload since the start: only then does a missing
    /// verdict mean anything, and only then is a policy that is not in `known` deleted.
    pub complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexFacts {
    pub revision: u64,
    /// The date of the advisory data, not of its download.
    pub data_at: DateTime<Utc>,
}

/// How far a message to an owner has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Pending,
    Confirmed(DateTime<Utc>),
}

/// What the API server reports right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub namespace: NamespaceFacts,
    /// Absent: there is no such object.
    pub target: Option<Target>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Third opt-in.
    pub enabled: bool,
    pub paused: bool,
    pub terminating: bool,
}

impl NamespaceFacts {
    /// Reads the annotation that pauses a namespace, from all of its annotations.
    #[must_use]
    pub fn is_paused(annotations: Option<&BTreeMap<String, String>>) -> bool {
        annotations.and_then(|all| all.get(PAUSE)).is_some_and(|value| value != "false")
    }
}

/// The live object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub uid: String,
    pub resource_version: String,
    /// `spec.replicas`; for a CronJob 1 while it runs and 0 while it is suspended.
    pub replicas: i32,
    /// `status.replicas` (for a CronJob as `replicas`) as of the current generation. Absent: the controller has not caught up.
    pub observed_replicas: Option<i32>,
    pub terminating: bool,
    /// `kind/name` of the controller above it.
    pub controlled_by: Option<String>,
    /// `persistentVolumeClaimRetentionPolicy.whenScaled: Delete`.
    pub deletes_volumes: bool,
    /// Images of the template, sorted, each once.
    pub images: Vec<String>,
    pub hold: Option<String>,
    pub undo: Option<String>,
    /// The copy of the record that it carries: compared to skip writes, never believed.
    pub annotation: Option<String>,
    pub hpa: Option<String>,
    pub keda: Option<String>,
    pub gitops: Option<String>,
    /// The field manager that wrote `spec.replicas` last, other than the operator.
    pub replicas_manager: Option<String>,
    /// Its pods that have not ended, terminating ones too.
    pub pods: Vec<LivePod>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePod {
    pub name: String,
    pub uid: String,
    pub terminating: bool,
    /// Run by the kubelet from a file.
    pub mirror: bool,
    pub digests: Vec<Digest>,
}

impl Target {
    /// Reports whether a pod that is not about to end runs one of `digests`.
    pub(super) fn runs(&self, digests: &[Digest]) -> bool {
        self.pods.iter().any(|pod| !pod.terminating && pod.runs(digests))
    }
}

impl LivePod {
    pub(super) fn runs(&self, digests: &[Digest]) -> bool {
        self.digests.iter().any(|digest| digests.contains(digest))
    }
}
