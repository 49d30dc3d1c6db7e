//! The JSON document: the inventory, and beside it what is known and what was judged. `docs/scan-json.md` describes it; its names are
//! part of the product's interface, and readers refuse a newer `schemaVersion`.

use std::collections::BTreeMap;

use breakwater_core::policy::Check;
use breakwater_core::{
    AffectedPackage, Digest, Finding, Inventory, NotLinked, Severity, SeverityCounts, SeveritySource,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::report::{Report, cvss, result};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    /// With what could not be matched among what could not be analysed.
    #[serde(flatten)]
    inventory: Inventory,
    /// Absent: nothing was matched, so that no finding means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    advisories: Option<AdvisoriesEntry>,
    /// How long the distribution's release is mended. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<SupportEntry>,
    summary: Summary,
    findings: Vec<Entry<'a>>,
    /// No findings, for what holds them is not linked.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_linked: &'a [NotLinked],
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictEntry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdvisoriesEntry {
    /// As text: JSON readers round large numbers.
    revision: String,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct SupportEntry {
    /// The last day, UTC.
    until: NaiveDate,
    /// Whether it was over when this was written.
    ended: bool,
}

/// Of the findings listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(flatten)]
    counts: SeverityCounts,
    /// How many severities come from where.
    severity_sources: BTreeMap<SeveritySource, usize>,
    /// Findings that the options left out.
    hidden: usize,
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
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        let mut inventory = report.inventory.clone();
        inventory.unanalysed.extend_from_slice(report.unmatched);
        Self {
            inventory,
            advisories: report.advisories.map(|advisories| AdvisoriesEntry {
                revision: advisories.revision.to_string(),
                updated_at: advisories.built,
            }),
            support: report
                .support()
                .map(|support| SupportEntry { until: support.until, ended: support.ended }),
            summary: Summary {
                counts: report.counts(),
                severity_sources: report.sources(),
                hidden: report.hidden,
            },
            findings: report.findings.iter().map(|finding| Entry::of(finding)).collect(),
            not_linked: report.not_linked,
            verdict: report.verdict.map(|judged| VerdictEntry {
                result: result(judged.verdict.compliance),
                checks: &judged.verdict.checks,
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
