use breakwater_core::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// How one detector differs from its defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Detector {
    /// UnexpectedProcess, PrivilegeEscalation, UnexpectedNetwork, Cryptomining, BinaryDrift, FilelessExecution or InteractiveShell.
    #[serde(rename = "type")]
    pub type_: DetectorType,
    /// Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How bad its incidents are. Default: the detector's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub severity: Option<Severity>,
    /// Signals below it make no incident, 0 to 100. Default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub min_confidence: Option<i32>,
    /// Globs over paths of executables it does not look at. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::path_globs")]
    pub exclude: Vec<String>,
}

/// What is looked for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum DetectorType {
    #[default]
    UnexpectedProcess,
    PrivilegeEscalation,
    UnexpectedNetwork,
    Cryptomining,
    BinaryDrift,
    FilelessExecution,
    InteractiveShell,
}
