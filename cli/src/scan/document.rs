//! The JSON document. Its names are part of the product's interface; readers refuse a newer `schemaVersion`.

use breakwater_core::inventory::{
    ImageConfig, ImageIdentity, Package, SCHEMA_VERSION, Secret, Software, Unanalysed,
};
use breakwater_core::policy::{Check, Compliance};
use breakwater_core::{AffectedPackage, Digest, Finding, Severity, SeverityCounts, SeveritySource};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::report::Report;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    schema_version: u32,
    image: &'a ImageIdentity,
    /// Absent: nothing was matched, so that no finding means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    advisories: Option<Advisories>,
    packages: &'a [Package],
    summary: SeverityCounts,
    findings: Vec<Entry<'a>>,
    software: &'a [Software],
    secrets: &'a [Secret],
    config: &'a ImageConfig,
    unanalysed: Vec<&'a Unanalysed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictEntry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Advisories {
    /// As text: JSON readers round large numbers.
    revision: String,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'a str,
    aliases: &'a [String],
    package: &'a AffectedPackage,
    severity: Severity,
    severity_source: SeveritySource,
    /// For example `8.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cvss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<&'a str>,
    known_exploited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    epss_percentile: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<DateTime<Utc>>,
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a Digest>,
    path: &'a str,
}

#[derive(Debug, Serialize)]
struct VerdictEntry<'a> {
    /// `Pass`, `Fail` or `Unknown`.
    result: &'static str,
    checks: &'a [Check],
}

impl<'a> Document<'a> {
    pub(super) fn of(report: &Report<'a>) -> Self {
        let inventory = report.inventory;
        Self {
            schema_version: SCHEMA_VERSION,
            image: &inventory.image,
            advisories: report.index.map(|index| Advisories {
                revision: index.revision().to_string(),
                updated_at: DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default(),
            }),
            packages: &inventory.packages,
            summary: report.matches.findings.iter().map(|finding| finding.severity).collect(),
            findings: report.matches.findings.iter().map(Entry::of).collect(),
            software: &inventory.software,
            secrets: &inventory.secrets,
            config: &inventory.config,
            unanalysed: inventory.unanalysed.iter().chain(&report.matches.unanalysed).collect(),
            verdict: report.verdict.map(|verdict| VerdictEntry {
                result: match verdict.compliance {
                    Compliance::Compliant => "Pass",
                    Compliance::Violating => "Fail",
                    Compliance::Unknown => "Unknown",
                },
                checks: &verdict.checks,
            }),
        }
    }
}

impl<'a> Entry<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            id: &finding.id,
            aliases: &finding.aliases,
            package: &finding.package,
            severity: finding.severity,
            severity_source: finding.severity_source,
            cvss: finding.cvss_tenths.map(cvss),
            fixed: finding.fixed.as_deref(),
            known_exploited: finding.known_exploited,
            epss_percentile: finding.epss_percentile,
            published: finding.published.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            summary: &finding.summary,
            layer: finding.layer.as_ref(),
            path: &finding.path,
        }
    }
}

/// 81 is `8.1`.
pub(super) fn cvss(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
