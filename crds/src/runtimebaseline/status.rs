use breakwater_core::Severity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BaselineMode, DetectorType, NetworkBehaviour, ProcessBehaviour};
use crate::{
    imagepolicy::{Mode, RemediationAction},
    schema,
    time::Time,
};

/// What is. Written by the controller alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeBaselineStatus {
    /// The metadata.generation this status is about; -1 before anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// Ready (always); Reconciling, Stalled (only while true); SensorConnected, Learned, Promotable, Anomalous, Mitigated,
    /// RemediationContested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Off, Learn, Detect or Enforce: what is, for the least of the selected workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_mode: Option<BaselineMode>,
    /// The value of the annotation breakwater.dev/requested-at that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub last_handled_request_at: Option<String>,
    /// How good the evidence is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Selected workloads by how far they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<WorkloadProgress>,
    /// The workloads that are worst or least far, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub worst: Vec<WorkloadState>,
    /// What was learned, at most 200 entries in all; the rest is in the report store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedBehaviour>,
    /// Digests of the images it was learned from. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 140)))]
    pub image_digests: Vec<String>,
    /// Totals of incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<IncidentTotals>,
    /// The latest incidents, newest first. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub recent: Vec<IncidentEntry>,
    /// True if a list here was cut.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub truncated: bool,
    /// What was last done, or, in dry-run, would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_action: Option<LastAction>,
}

/// How good the evidence is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Pods seen from their first instruction on.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub pods_observed: i32,
    /// Pods there are.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub pods_total: i32,
    /// Since when it is observed without a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_since: Option<Time>,
    /// Since when events are being lost. Absent: none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_since: Option<Time>,
    /// How much of what sealing needs is there, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub completeness: Option<i32>,
    /// How likely the next thing seen is a new one, in percent, rounded up (Good–Turing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub unseen_mass_percent: Option<i32>,
}

/// Selected workloads by how far they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadProgress {
    /// Selected.
    #[schemars(schema_with = "schema::count")]
    pub total: i32,
    /// Learning still.
    #[schemars(schema_with = "schema::count")]
    pub learning: i32,
    /// Sealed.
    #[schemars(schema_with = "schema::count")]
    pub sealed: i32,
    /// Sealed and enforced.
    #[schemars(schema_with = "schema::count")]
    pub enforcing: i32,
}

/// One of the selected workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadState {
    /// Kind/namespace/name.
    #[schemars(length(max = 335))]
    pub workload: String,
    /// What is.
    pub mode: BaselineMode,
    /// Open incidents.
    #[schemars(schema_with = "schema::count")]
    pub incidents: i32,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub missing: Option<String>,
}

/// What was learned. At most 200 entries in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnedBehaviour {
    /// Programs. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub processes: Vec<ProcessBehaviour>,
    /// Connections. At most 60.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    pub network: Vec<NetworkBehaviour>,
    /// Capabilities. At most 64, of which there are about 40.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::capabilities")]
    pub capabilities: Vec<String>,
    /// Counts up whenever something is added.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// How many entries there are in all.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub total: i32,
    /// True if a list here was cut.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub truncated: bool,
}

/// Totals of incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentTotals {
    /// Not over yet.
    #[schemars(schema_with = "schema::count")]
    pub open: i32,
    /// Ever, rounded down to a power of two.
    #[schemars(schema_with = "schema::count")]
    pub total: i32,
    /// When the last one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
}

/// What happened, aggregated by detector, rule and process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentEntry {
    /// Stays the same while it goes on.
    #[schemars(length(max = 64))]
    pub id: String,
    /// What found it.
    pub detector: DetectorType,
    /// How bad it is.
    #[schemars(schema_with = "schema::severity")]
    pub severity: Severity,
    /// How sure it is, 0 to 100.
    #[schemars(schema_with = "schema::percent")]
    pub confidence: i32,
    /// namespace/name of the pod it was first seen in.
    #[schemars(length(max = 317))]
    pub pod: String,
    /// Its container.
    #[schemars(length(max = 63))]
    pub container: String,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<IncidentProcess>,
    /// The other side of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub peer: Option<String>,
    /// How often, rounded down to a power of two.
    #[schemars(schema_with = "schema::count")]
    pub count: i32,
    /// When it began.
    pub first_seen: Time,
    /// When it was last seen.
    pub last_seen: Time,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RemediationAction>,
}

/// The program of an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentProcess {
    /// The executable's path in the container.
    #[schemars(length(max = 253))]
    pub path: String,
    /// The name it was run by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub argv0: Option<String>,
    /// The program that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub parent: Option<String>,
    /// The user it ran as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub user: Option<i64>,
}

/// What was last done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// What.
    pub action: RemediationAction,
    /// DryRun or Enforce: what was in effect, not what was asked for.
    pub mode: Mode,
    /// Kind/namespace/name.
    #[schemars(length(max = 335))]
    pub target: String,
    /// The incident it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub incident: Option<String>,
    /// Why, or which key is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub reason: String,
    /// When.
    pub time: Time,
}
