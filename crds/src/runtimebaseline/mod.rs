//! `RuntimeBaseline`: what containers of a workload do, what they may do, and what happens when they do something else.

mod behaviour;
mod detector;
mod learning;
mod response;
mod status;

pub use behaviour::{
    Allowed, Denied, NetworkBehaviour, Peer, ProcessBehaviour, Protocol, ServiceRef, WorkloadPeer,
};
pub use detector::{Detector, DetectorType};
pub use learning::{AutoPromote, Learning, OnImageChange, PromotionTarget};
pub use response::{Response, ResponseLimits, ResponseRestore, ResponseStep};
pub use status::{
    Coverage, IncidentEntry, IncidentProcess, IncidentTotals, LastAction, LearnedBehaviour,
    RuntimeBaselineStatus, WorkloadProgress, WorkloadState,
};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{notify::Notify, schema, selector::LabelSelector};

/// Whose behaviour is learned, what is allowed and denied, and what is done about the rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "breakwater.dev",
    version = "v1alpha1",
    kind = "RuntimeBaseline",
    plural = "runtimebaselines",
    namespaced,
    status = "RuntimeBaselineStatus",
    shortname = "rtb",
    category = "breakwater",
    derive = "PartialEq",
    derive = "Default",
    doc = "RuntimeBaseline learns what containers of a workload do, says what they may do, and what happens when they do something else.",
    selectable = ".spec.mode",
    selectable = ".status.observedMode",
    selectable = ".spec.targetRef.name",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "What is asked for."
    ),
    printcolumn(
        name = "Observed",
        type_ = "string",
        json_path = ".status.observedMode",
        description = "What is."
    ),
    printcolumn(
        name = "Coverage",
        type_ = "integer",
        json_path = ".status.coverage.completeness",
        description = "How much of the evidence that sealing needs is there, in percent."
    ),
    printcolumn(name = "Incidents", type_ = "integer", json_path = ".status.incidents.open"),
    printcolumn(name = "Last Action", type_ = "string", json_path = ".status.lastAction.action"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.targetRef) != has(self.selector)").message("exactly one of targetRef and selector is needed"))]
pub struct RuntimeBaselineSpec {
    /// The one workload of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetReference>,
    /// Many workloads. State is kept for each inside this object; no child objects are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<BaselineSelector>,
    /// Names of containers. Default: all but init containers. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::dns_labels")]
    pub containers: Vec<String>,
    /// Off, Learn, Detect or Enforce. What is asked for; status.observedMode says what is. Enforce holds for each sealed workload, the
    /// others stay in Detect. Default: Learn.
    #[serde(default)]
    pub mode: BaselineMode,
    /// When a baseline is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Learning>,
    /// Behaviour that is allowed whether learned or not. Written by people; the controller never writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allowed>,
    /// Behaviour that is never allowed. Wins over allow and over what was learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Denied>,
    /// Detectors that differ from their defaults. Each type at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub detectors: Vec<Detector>,
    /// What is done about incidents. Default: dry-run of Alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Whom to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}

/// A workload of this namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.apiVersion == (self.kind in ['Job', 'CronJob'] ? 'batch/v1' : self.kind == 'Pod' ? 'v1' : 'apps/v1')").message("apiVersion does not go with kind: apps/v1 for Deployment, StatefulSet and DaemonSet, batch/v1 for Job and CronJob, v1 for Pod").field_path(".apiVersion"))]
pub struct TargetReference {
    /// apps/v1, batch/v1 or v1.
    #[schemars(schema_with = "schema::workload_api_version")]
    pub api_version: String,
    /// Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod.
    pub kind: TargetKind,
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// Kinds a baseline can be about: top owners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    #[default]
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Pod,
}

/// Which workloads a baseline is about. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineSelector {
    /// Namespaces by label; {} is all of them. Absent: its own. Only in the operator's namespace; anywhere else the baseline is Stalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Workloads by the labels of their top owner. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_selector: Option<LabelSelector>,
}

/// How far a baseline goes, from least to most.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum BaselineMode {
    Off,
    #[default]
    Learn,
    Detect,
    Enforce,
}
