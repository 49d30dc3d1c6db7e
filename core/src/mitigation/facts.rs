use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{Breaker, Case, Settings};
use crate::{
    Digest,
    policy::{Policy, Verdict},
    workload::{Workload, WorkloadRef},
};

/// All that is known about one workload when it is decided what to do next.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub target: &'a WorkloadRef,
    /// As last judged. Absent when no policy judges it (any more).
    pub workload: Option<&'a Workload>,
    /// What each policy thinks of it now.
    pub opinions: &'a [Opinion<'a>],
    pub policies: &'a Policies,
    pub case: Option<&'a Case>,
    /// Read from the API server for this very decision. Absent until [`super::Step::Look`].
    pub live: Option<&'a Live>,
    /// Key 1: we may write in that namespace.
    pub rbac: bool,
    /// The kill switch is thrown, and by what.
    pub paused: Option<&'static str>,
    /// Revision of the advisory index in use.
    pub index_revision: Option<u64>,
    /// The latest of: this process began to act, the index in use changed, a policy that judges this workload changed.
    pub settled_since: DateTime<Utc>,
    /// Of all workloads: budgets are counted from them.
    pub cases: &'a [&'a Case],
    pub breaker: &'a Breaker,
    pub settings: &'a Settings,
    pub own_namespace: &'a str,
    pub exempt_namespaces: &'a [String],
    /// Makes the name of a latch, should one be made now.
    pub nonce: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct Opinion<'a> {
    pub policy: &'a Policy,
    pub verdict: &'a Verdict,
    /// How many workloads that policy judges.
    pub selected: u32,
}

/// The policies there are.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// By UID. A policy whose spec is invalid is `None`: it exists, and what it holds stays held.
    pub known: BTreeMap<String, Option<Arc<Policy>>>,
    /// Whether `known` is all of them: until then nobody is held to be deleted.
    pub complete: bool,
}

/// What the API server says right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub namespace: NamespaceFacts,
    /// Absent: there is no such object.
    pub target: Option<Target>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Key 3.
    pub enabled: bool,
    pub paused: bool,
    pub terminating: bool,
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
    /// The copy of the latch it carries: compared to skip writes, never believed.
    pub copy: Option<String>,
    pub hpa: Option<String>,
    pub keda: Option<String>,
    pub gitops: Option<String>,
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
