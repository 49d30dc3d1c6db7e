use breakwater_core::workload::WorkloadKind;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What is done about violating workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Enforce' || (has(self.triggers) && size(self.triggers) > 0)").message("mode Enforce needs at least one trigger that says when and what").field_path(".triggers"))]
pub struct Remediation {
    /// Off, DryRun (says what it would do) or Enforce. Default: DryRun.
    #[serde(default)]
    pub mode: Mode,
    /// When to do what. The first trigger whose conditions all hold decides. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub triggers: Vec<Trigger>,
    /// When what was done is undone without anybody asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Budgets. They can only lower what the operator's configuration allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Kinds of workloads that may be acted on: Deployment, StatefulSet, CronJob. Default: Deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::remediable_kinds")]
    pub kinds: Vec<WorkloadKind>,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    Off,
    #[default]
    DryRun,
    Enforce,
}

/// When to do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Conditions; all that are given must hold. {} is any violation.
    #[serde(default)]
    pub when: When,
    /// Alert, Label, Evidence, Quarantine, DeletePod or ScaleToZero.
    pub action: RemediationAction,
    /// From the confirmed notice to the owner until the action. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub grace_period: Option<String>,
}

/// Conditions of a trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct When {
    /// The workload's risk score is at least this, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub risk: Option<i32>,
    /// At least so many critical findings that an upgrade mends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub fixable_critical: Option<i32>,
    /// Whether a finding is listed as known to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_exploited: Option<bool>,
    /// At least one of these check ids or rule paths is violated. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::rule_ids")]
    pub rules: Vec<String>,
}

/// What is done, from least to most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RemediationAction {
    #[default]
    Alert,
    Label,
    Evidence,
    Quarantine,
    DeletePod,
    ScaleToZero,
}

/// When an action is undone by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Once the workload is compliant again. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_compliant: Option<bool>,
    /// Once after so long, though still violating. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub after: Option<String>,
}

/// Budgets of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The most actions in an hour. 0 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000))]
    pub max_per_hour: Option<i32>,
    /// The most workloads acted on at the same time. 0 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000))]
    pub max_concurrent: Option<i32>,
    /// The largest share of selected workloads acted on at the same time. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub max_percent: Option<i32>,
}
