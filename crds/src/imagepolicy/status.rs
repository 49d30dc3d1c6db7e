use breakwater_core::{
    scan::{FailureReason, ScanStage},
    workload::WorkloadKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, RemediationAction};
use crate::{schema, severities::Severities, time::Time};

/// What is. Written by the controller alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// The metadata.generation this status is about; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// Ready (always); Reconciling, Stalled, Unsupported, StoreFull (only while true); Compliant, Enforcing, Remediating,
    /// DatabaseStale, RegistryReachable, RemediationContested, NotificationsFailing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// When a scheduled scan last began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scan_time: Option<Time>,
    /// When a scheduled scan last ended with an answer about every image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_scan_time: Option<Time>,
    /// When the next scheduled scan is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scan_time: Option<Time>,
    /// The value of the annotation breakwater.dev/requested-at that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub last_handled_request_at: Option<String>,
    /// Totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PolicySummary>,
    /// Exceptions by whether they are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<ExceptionTotals>,
    /// Workloads that break a rule, worst first. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub violations: Vec<ViolationEntry>,
    /// How many workloads break a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub total_violations: Option<i32>,
    /// True if a list here was cut.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub truncated: bool,
    /// Images that could not be scanned. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub failures: Vec<ScanFailure>,
    /// What is being done, or would be. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub mitigations: Vec<MitigationEntry>,
}

/// Totals of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Images by how much is known about them.
    #[serde(default)]
    pub images: ImageTotals,
    /// Workloads by verdict.
    #[serde(default)]
    pub workloads: WorkloadTotals,
    /// Findings in images in use, by severity.
    #[serde(default)]
    pub severities: Severities,
    /// Those of them that an upgrade fixes.
    #[serde(default)]
    pub fixable: Severities,
    /// Findings known to be exploited.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub known_exploited: i32,
    /// Findings that report malicious software, not a vulnerability.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub malicious: i32,
    /// Findings that an exception hides from the rules.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub suppressed: i32,
    /// Findings that are not counted yet, by rules.vulnerabilities.grace. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_grace: Option<GraceTotals>,
}

/// Findings within a grace period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraceTotals {
    /// The number of findings, summed over workloads.
    #[schemars(schema_with = "schema::count")]
    pub count: i32,
    /// When the first of them begins to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ends: Option<Time>,
}

/// Images by how much is known about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageTotals {
    /// In use and selected.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub matched: i32,
    /// With an inventory.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub scanned: i32,
    /// Whose scan failed.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub failed: i32,
    /// Not scanned yet, or unreadable.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub unknown: i32,
}

/// Workloads by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadTotals {
    /// Selected.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub matched: i32,
    /// That break a rule. Jobs that have finished are not counted.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub violating: i32,
    /// Whose verdict is Unknown.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub unknown: i32,
    /// Contained by an action in force: no pod of theirs runs what broke the rule.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub mitigated: i32,
}

/// Exceptions by whether they are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionTotals {
    /// In force.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub active: i32,
    /// In force for less than seven days more.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub expiring: i32,
    /// No longer in effect.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub expired: i32,
    /// Names of those that are no longer in effect, in the order of the spec. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 63)))]
    pub ended: Vec<String>,
}

/// A workload that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViolationEntry {
    /// Kind of the top owner.
    #[schemars(schema_with = "schema::workload_kind")]
    pub kind: WorkloadKind,
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Risk score, 0 to 100, rounded to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub risk: Option<i32>,
    /// Ids of the checks that failed, sorted. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::short_texts")]
    pub rules: Vec<String>,
    /// The findings that break the rules, worst first. At most 3; `breakwater explain` shows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub findings: Vec<ViolatingFinding>,
    /// What the worst of the broken rules allows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub allowed: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub remedy: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub owner: Option<String>,
}

/// A finding that breaks a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViolatingFinding {
    /// The id of the vulnerability.
    #[schemars(length(max = 100))]
    pub id: String,
    /// The package.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub package: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub installed: String,
    /// The first version without it. Absent: none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub fixed: Option<String>,
}

/// An image that could not be scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanFailure {
    /// As the workload names it.
    #[schemars(length(max = 512))]
    pub image: String,
    /// How far it came: Resolve, Pull, Analyse or Report.
    #[schemars(schema_with = "schema::word")]
    pub stage: ScanStage,
    /// Why, as one word.
    #[schemars(schema_with = "schema::word")]
    pub reason: FailureReason,
    /// Why, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
    /// Whether it is tried again without anybody doing anything.
    pub retryable: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// An action in force, announced, or, in dry-run, planned only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MitigationEntry {
    /// Kind/namespace/name.
    #[schemars(length(max = 335))]
    pub workload: String,
    /// What.
    pub action: RemediationAction,
    /// DryRun or Enforce: what was in effect, not what was asked for.
    pub mode: Mode,
    /// How far it is, as one word.
    #[schemars(schema_with = "schema::word")]
    pub state: String,
    /// Replicas before the action, which undo restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub previous_replicas: Option<i32>,
    /// Why, which opt-in is missing, or what prevents it and what to do instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub reason: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When the next step is due: the end of the grace period, or the restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
