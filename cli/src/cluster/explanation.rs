//! What `breakwater explain` knows of a workload: the document of `-o json` (`docs/schema/explain-v1.schema.json`) and of the text.

use breakwater_core::mitigation::Hold;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// The version of the document.
pub(super) const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    pub(super) schema_version: u32,
    /// `Kind/namespace/name` of the object that policies judge.
    pub(super) workload: String,
    /// From the object that was asked about up to the workload, without the workload.
    pub(super) via: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hold: Option<HoldState>,
    pub(super) images: Vec<Image>,
    pub(super) policies: Vec<Policy>,
    /// What could not be read, so that it is not missed in silence.
    pub(super) notes: Vec<String>,
}

/// The annotation `breakwater.dev/hold-until`, read as the operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub(super) enum HoldState {
    #[serde(rename = "InForce")]
    InForce { until: String, reason: String },
    #[serde(rename = "Over")]
    Over,
    /// It holds nothing.
    #[serde(rename = "Invalid")]
    Invalid { problem: String },
}

impl HoldState {
    pub(super) fn of(annotation: &str, now: DateTime<Utc>) -> Self {
        match Hold::parse(annotation, now) {
            Ok(Some(hold)) => Self::InForce { until: time(hold.until), reason: hold.reason },
            Ok(None) => Self::Over,
            Err(problem) => Self::Invalid { problem: problem.to_string() },
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) container: String,
    /// App, Init, Ephemeral or Volume.
    pub(super) kind: &'static str,
    pub(super) image: String,
    /// False: only pods have it (an injected side-car, a debug container, an earlier revision).
    pub(super) in_template: bool,
    /// The digest that nodes report, or that the reference pins. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    /// The scan that counts: of this digest, in the trust domain of the workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scan: Option<Scan>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scan {
    /// `namespace/name`.
    pub(super) scan_job: String,
    /// Pending, Running, Passed, Violating, Incomplete or Failed.
    pub(super) result: String,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counts: Option<Counts>,
    pub(super) findings: Vec<Finding>,
    /// Whether there are more findings than are listed here.
    pub(super) more_findings: bool,
    /// The verdicts of policies over the image by itself.
    pub(super) verdicts: Vec<ScanVerdict>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) critical: i32,
    pub(super) high: i32,
    pub(super) medium: i32,
    pub(super) low: i32,
    pub(super) unknown: i32,
    pub(super) fixable: i32,
    pub(super) packages: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<String>,
    pub(super) package: String,
    pub(super) installed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fixed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suppressed_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScanVerdict {
    /// `namespace/name`.
    pub(super) policy: String,
    /// Pass, Warn, Fail or Error (not everything is known).
    pub(super) result: String,
    pub(super) rules: Vec<String>,
}

/// What one policy makes of the workload.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    /// `namespace/name`.
    pub(super) policy: String,
    pub(super) verdict: Verdict,
    /// Status: the operator's judgement. Scans: judged here, from the reference and the verdicts of ScanJobs.
    pub(super) source: Source,
    /// What the operator's status lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) violation: Option<Violation>,
    /// Checks that failed or are not known, by container.
    pub(super) checks: Vec<Check>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) mitigations: Vec<Mitigation>,
    /// Paths of the spec that this version does not carry out.
    pub(super) unsupported: Vec<String>,
    /// Why the policy judges nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Verdict {
    Compliant,
    NotJudged,
    Unknown,
    Violating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Source {
    Status,
    Scans,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Violation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) findings: Vec<Finding>,
    pub(super) allowed: String,
    pub(super) remedy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) rule: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) rule: String,
    /// Violation, Unknown, Warning or Suppressed.
    pub(super) effect: String,
    pub(super) container: String,
    pub(super) observed: String,
    pub(super) allowed: String,
    pub(super) remedy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suppressed_by: Option<String>,
}

/// An exception that hides something of this workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exception {
    pub(super) name: String,
    pub(super) reason: String,
    /// A claim of the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approved_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mitigation {
    pub(super) action: String,
    /// DryRun or Enforce.
    pub(super) mode: String,
    pub(super) state: String,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
}

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The word that serde writes for a value of an enumeration.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
