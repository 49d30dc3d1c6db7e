use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// When a baseline is complete. Silence is no evidence: time alone never seals one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    /// The shortest time of observation. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub duration: Option<String>,
    /// How many pods must have been seen from their first instruction on. 1 to 1000. Default: 2, or 1 for a single replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000))]
    pub min_pods: Option<i32>,
    /// Going on without a person. Absent: a person changes spec.mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_promote: Option<AutoPromote>,
    /// What a new image digest means: Relearn (from nothing), Extend (what was learned stays, the new is added) or Keep. Default: Extend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_image_change: Option<OnImageChange>,
}

/// Going one mode up without a person, on evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoPromote {
    /// How far: Detect or Enforce.
    pub to: PromotionTarget,
    /// For how long nothing new may have been seen. Default: 30m, at least a quarter of the time so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub quiet: Option<String>,
    /// How complete the evidence must be, in percent. Default: 99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub min_coverage: Option<i32>,
}

/// How far a baseline goes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PromotionTarget {
    #[default]
    Detect,
    Enforce,
}

/// What a new image digest means for what was learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnImageChange {
    Relearn,
    #[default]
    Extend,
    Keep,
}
