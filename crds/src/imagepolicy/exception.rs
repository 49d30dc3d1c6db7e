use breakwater_core::Severity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, selector::LabelSelector};

/// A risk somebody accepts, for a reason and, better, for a time. What a list names, the exception is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.cves) && size(self.cves) > 0) || (has(self.packages) && size(self.packages) > 0) || (has(self.rules) && size(self.rules) > 0)").message("name what is excepted: at least one of cves, packages and rules"),
    validation = Rule::new("!has(self.expireWhenFixed) || !self.expireWhenFixed || (has(self.cves) && size(self.cves) > 0) || (has(self.packages) && size(self.packages) > 0)").message("only findings are ever fixed: name cves or packages, or remove expireWhenFixed").field_path(".expireWhenFixed"),
    validation = Rule::new("!has(self.vexStatus) || self.vexStatus != 'NotAffected' || has(self.justification)").message("NotAffected needs a justification").field_path(".justification"),
    validation = Rule::new("!has(self.justification) || (has(self.vexStatus) && self.vexStatus == 'NotAffected')").message("a justification belongs to vexStatus NotAffected").field_path(".justification")
)]
pub struct PolicyException {
    /// What it is called in verdicts and reports.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
    /// Vulnerability ids, by any alias: CVE-2024-3094, GHSA-…. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::vulnerability_ids")]
    pub cves: Vec<String>,
    /// Globs over package names. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub packages: Vec<String>,
    /// Check ids (BW-IMG-002) or rule paths (image.requireDigest). At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::rule_ids")]
    pub rules: Vec<String>,
    /// Globs over canonical image names. Default: all images of the policy. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub images: Vec<String>,
    /// Globs over workloads as Kind/name or name: Deployment/web, batch-*. Default: all workloads of the policy. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub workloads: Vec<String>,
    /// Why the risk is accepted. Shown wherever the finding is.
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::NOT_BLANK))]
    pub reason: String,
    /// Who accepted it. A claim of the author, shown as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub approved_by: Option<String>,
    /// Where it was discussed: a ticket or its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ticket: Option<String>,
    /// RFC 3339 with time zone. From this second on the exception is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires_at: Option<String>,
    /// True ends the exception for a finding as soon as a fixed version exists. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub expire_when_fixed: bool,
    /// The same as a VEX statement: NotAffected, Affected, Fixed or UnderInvestigation. Written into reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vex_status: Option<VexStatus>,
    /// Why NotAffected holds: ComponentNotPresent, VulnerableCodeNotPresent, VulnerableCodeNotInExecutePath,
    /// VulnerableCodeCannotBeControlledByAdversary or InlineMitigationsAlreadyExist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<VexJustification>,
}

/// A VEX status (OpenVEX v0.2.0, "Status Labels").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VexStatus {
    NotAffected,
    #[default]
    Affected,
    Fixed,
    UnderInvestigation,
}

/// Why a product is not affected (OpenVEX v0.2.0, "Status Justifications").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VexJustification {
    ComponentNotPresent,
    VulnerableCodeNotPresent,
    VulnerableCodeNotInExecutePath,
    VulnerableCodeCannotBeControlledByAdversary,
    InlineMitigationsAlreadyExist,
}

/// What namespaces may except from an operator-wide policy in policies of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelegateExceptions {
    /// Namespaces that may; {} is all.
    pub namespace_selector: LabelSelector,
    /// Check ids or rule paths that may be excepted. Default: all. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::rule_ids")]
    pub rules: Vec<String>,
    /// The worst finding that may be excepted. Default: Medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub max_severity: Option<Severity>,
    /// The longest an exception may hold. Default: 720h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_duration: Option<String>,
}
