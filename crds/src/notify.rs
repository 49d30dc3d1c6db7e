//! Whom to tell.

use breakwater_core::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Whom to tell about what. Receivers live in the operator's configuration; a value here selects among them and is never an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// Names of receivers from the operator's configuration. Default: the default receiver. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::dns_labels")]
    pub receivers: Vec<String>,
    /// Nothing below it is sent. Default: High.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub min_severity: Option<Severity>,
    /// Messages about one workload and rule within this time become one. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub group_interval: Option<String>,
    /// Keys of annotations and labels that name the owner, first match wins. Default: a8r.io/owner, a8r.io/chat, breakwater.dev/owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_keys")]
    pub owner_keys: Vec<String>,
}
