use breakwater_core::Severity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, selector::LocalReference, severities::Severities, time::Time};

/// The answer. The controller writes it; target alone is written by intake.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanJobStatus {
    /// The metadata.generation this status is about; -1 before anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// Complete, Failed, Suspended, PolicyPassed; Ready (always); Reconciling, Stalled (only while true).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Pending, Running, Passed, Violating, Incomplete or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ScanResult>,
    /// Why it was made: Manual, Schedule, NewImage or Admission; a copy of the label breakwater.dev/trigger, to select by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// When its first scan pod was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// The Job in the operator's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_ref: Option<LocalReference>,
    /// How often it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub attempts: Option<i32>,
    /// The value of the annotation breakwater.dev/requested-at that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub last_handled_request_at: Option<String>,
    /// What the reference turned out to be. Written by intake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ScanTarget>,
    /// What looked, and against which advisories it was matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanner: Option<ScannerInfo>,
    /// How many images are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ScanProgress>,
    /// Totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<ScanSummary>,
    /// The most urgent findings: known exploited, severity, fixable, EPSS. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub top_findings: Vec<FindingEntry>,
    /// How many findings there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub total_findings: Option<i32>,
    /// True if a list here was cut.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub truncated: bool,
    /// Images of a registry scan. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub images: Vec<ImageEntry>,
    /// What could not be read or matched. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub unanalysed: Vec<UnanalysedEntry>,
    /// What each policy that selects the image says. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub verdicts: Vec<VerdictEntry>,
}

/// Where a ScanJob stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScanResult {
    #[default]
    Pending,
    Running,
    /// Everything was read and no policy is broken.
    Passed,
    /// A policy is broken.
    Violating,
    /// Something could not be read or matched.
    Incomplete,
    /// There is no answer.
    Failed,
}

/// Why a ScanJob was made, from most to least urgent.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Trigger {
    Admission,
    NewImage,
    #[default]
    Manual,
    Schedule,
}

/// What the reference turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanTarget {
    /// Fully qualified.
    #[schemars(length(max = 512))]
    pub reference: String,
    /// Digest of the image index, or of the manifest if there is no index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 140))]
    pub index_digest: Option<String>,
    /// What there is for each platform. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub platforms: Vec<ScannedPlatform>,
}

/// The image for one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScannedPlatform {
    /// os/architecture[/variant].
    #[schemars(length(max = 92))]
    pub platform: String,
    /// Digest of its manifest. Absent: the image does not have this platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 140))]
    pub digest: Option<String>,
    /// When the image says it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// Compressed size of its layers, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub size: Option<i64>,
    /// How many layers it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub layers: Option<i32>,
}

/// What looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScannerInfo {
    /// The scanner's name.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its version.
    #[schemars(length(max = 64))]
    pub version: String,
    /// The advisory index it was matched against. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisories: Option<AdvisoryRevision>,
}

/// An advisory index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdvisoryRevision {
    /// Its number; a higher one is newer.
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// When it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
}

/// How many images are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanProgress {
    /// Asked about.
    #[schemars(schema_with = "schema::count")]
    pub images: i32,
    /// Read.
    #[schemars(schema_with = "schema::count")]
    pub scanned: i32,
    /// No image at all (a chart, a signature), or beyond the most images of one run.
    #[schemars(schema_with = "schema::count")]
    pub skipped: i32,
    /// Failed. One bad image is no failed ScanJob: it ends as CompletedWithFailures.
    #[schemars(schema_with = "schema::count")]
    pub failed: i32,
}

/// Totals of a scan, over all its images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanSummary {
    /// Critical findings.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub critical: i32,
    /// High findings.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub high: i32,
    /// Medium findings.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub medium: i32,
    /// Low findings.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub low: i32,
    /// Findings whose severity nobody said.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub unknown: i32,
    /// Those of them that an upgrade mends.
    #[serde(default)]
    pub fixable: Severities,
    /// All of them that an upgrade mends.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub fixable_total: i32,
    /// Findings known to be exploited.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub known_exploited: i32,
    /// Findings that an exception hides from the rules.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub suppressed: i32,
    /// Secrets found in files.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub secrets: i32,
    /// Items of banned software.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub banned_software: i32,
    /// Packages.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub packages: i32,
    /// Findings that the previous scan did not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub new: Option<i32>,
    /// Findings that only the previous scan had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub fixed: Option<i32>,
    /// Risk score of the image, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub risk: Option<i32>,
}

/// One finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingEntry {
    /// The CVE id where there is one.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Critical, High, Medium, Low or Unknown.
    #[schemars(schema_with = "schema::severity")]
    pub severity: Severity,
    /// The package's name.
    #[schemars(length(max = 128))]
    pub package: String,
    /// The version that is there.
    #[schemars(length(max = 128))]
    pub installed: String,
    /// The lowest version that mends it. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub fixed: Option<String>,
    /// Digest of the layer that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 140))]
    pub layer: Option<String>,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub path: Option<String>,
    /// Known to be exploited.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub known_exploited: bool,
    /// The exception that hides it from the rules, as namespace/policy/exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub suppressed_by: Option<String>,
}

/// One image of a registry scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageEntry {
    /// Repository and tag.
    #[schemars(length(max = 384))]
    pub image: String,
    /// Digest of its index or manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 140))]
    pub digest: Option<String>,
    /// Where its scan stands.
    pub result: ScanResult,
    /// Critical findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub critical: Option<i32>,
    /// High findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub high: Option<i32>,
    /// Why its scan failed, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub reason: Option<String>,
}

/// Something that could not be read or matched. It is never silent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnanalysedEntry {
    /// Where in the image.
    #[schemars(length(max = 253))]
    pub path: String,
    /// Why.
    #[schemars(length(max = 253))]
    pub reason: String,
}

/// What one policy says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictEntry {
    /// namespace/name.
    #[schemars(length(max = 317))]
    pub policy: String,
    /// Pass, Warn, Fail or Error.
    pub result: VerdictResult,
    /// Ids of the checks that made it so, sorted. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::short_texts")]
    pub rules: Vec<String>,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum VerdictResult {
    #[default]
    Pass,
    Warn,
    Fail,
    /// It cannot be told.
    Error,
}
