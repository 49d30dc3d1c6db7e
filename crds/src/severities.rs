use breakwater_core::SeverityCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Counts by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Severities {
    /// Critical.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub critical: i32,
    /// High.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub high: i32,
    /// Medium.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub medium: i32,
    /// Low.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub low: i32,
    /// Nobody said.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub unknown: i32,
}

impl From<SeverityCounts> for Severities {
    fn from(counts: SeverityCounts) -> Self {
        Self {
            critical: saturate(counts.critical),
            high: saturate(counts.high),
            medium: saturate(counts.medium),
            low: saturate(counts.low),
            unknown: saturate(counts.unknown),
        }
    }
}

/// A count as the API writes it: at most `i32::MAX`.
#[must_use]
pub fn saturate(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
