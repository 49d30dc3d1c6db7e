use breakwater_core::Severity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    imagepolicy::{Mode, RemediationAction},
    schema,
};

/// What is done about incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Enforce' || (has(self.ladder) && size(self.ladder) > 0)").message("mode Enforce needs at least one step of the ladder").field_path(".ladder"))]
pub struct Response {
    /// Off, DryRun (says what it would do) or Enforce. Default: DryRun.
    #[serde(default)]
    pub mode: Mode,
    /// Steps, from least to most. Default: Alert at once. At most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["action"]))]
    pub ladder: Vec<ResponseStep>,
    /// The shortest time between two actions on one workload. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub cooldown: Option<String>,
    /// When what was done is undone without anybody asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<ResponseRestore>,
    /// Budgets. They can only lower what the operator's configuration allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResponseLimits>,
}

/// One step of the ladder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseStep {
    /// Alert, Label, Evidence, Quarantine, DeletePod or ScaleToZero.
    pub action: RemediationAction,
    /// How long the incident must have gone on. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub after: Option<String>,
    /// Incidents below it do not come to this step. Default: High.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub min_severity: Option<Severity>,
    /// Incidents below it do not come to this step, 0 to 100. Default: 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub min_confidence: Option<i32>,
}

/// When an action is undone by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseRestore {
    /// After so long without a new signal. Default: never; a person lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub after: Option<String>,
}

/// Budgets of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseLimits {
    /// The most actions in an hour. 0 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000))]
    pub max_per_hour: Option<i32>,
    /// The most pods of one workload deleted or isolated at the same time, in percent. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub max_percent: Option<i32>,
}
