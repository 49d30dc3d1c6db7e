//! Findings: one per vulnerability and package.

use serde::{Deserialize, Serialize};

use crate::{Digest, Severity, SeveritySource};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The CVE id where there is one, else the advisory's own.
    pub id: String,
    /// Every other id of the same vulnerability, sorted (GHSA, DSA, PYSEC, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    pub package: AffectedPackage,
    pub severity: Severity,
    #[serde(default)]
    pub severity_source: SeveritySource,
    /// CVSS base score in tenths: 81 is 8.1. Nothing here is a float, so that order and equality are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss_tenths: Option<u8>,
    /// The lowest version that fixes it for the installed one, if any exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Listed in the CISA Known Exploited Vulnerabilities catalogue.
    #[serde(default)]
    pub known_exploited: bool,
    /// EPSS percentile, 0 to 100 (FIRST).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss_percentile: Option<u8>,
    /// When the advisory was published: seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<i64>,
    /// When it was last changed: seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// The weaknesses it is an instance of, by CWE number, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AffectedPackage {
    pub name: String,
    pub version: String,
    pub ecosystem: String,
}

/// A vulnerability of a module whose vulnerable packages are not in the program (VEX: `vulnerable_code_not_present`): no finding, but
/// named, so that it is shown what was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotLinked {
    /// The CVE id where there is one, else the advisory's own.
    pub id: String,
    /// Every other id of the same vulnerability, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    pub package: AffectedPackage,
    /// The import paths that the advisory names, sorted: none of them is linked, or not on this platform.
    pub imports: Vec<String>,
    /// The program.
    pub path: String,
}

impl Finding {
    /// Reports whether an upgrade fixes it.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.fixed.is_some()
    }

    /// Reports whether `id` is this vulnerability, by any of its names (ASCII case does not matter: ids are upper case by convention only).
    #[must_use]
    pub fn is_called(&self, id: &str) -> bool {
        self.id.eq_ignore_ascii_case(id) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(id))
    }

    /// What comes first in a list that is cut: known exploited, severity, fixable, EPSS, then name for a stable order.
    #[must_use]
    pub fn urgency(&self) -> impl Ord + '_ {
        use std::cmp::Reverse;
        (
            Reverse(self.known_exploited),
            Reverse(self.severity),
            Reverse(self.is_fixable()),
            Reverse(self.epss_percentile),
            Reverse(self.cvss_tenths),
            &self.id,
            &self.package,
            &self.path,
        )
    }
}

/// Counts of findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeverityCounts {
    pub critical: u32,
    pub high: u32,
    pub medium: u32,
    pub low: u32,
    pub unknown: u32,
}

impl SeverityCounts {
    pub fn add(&mut self, severity: Severity) {
        let count = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Unknown => &mut self.unknown,
        };
        *count = count.saturating_add(1);
    }

    #[must_use]
    pub fn total(&self) -> u32 {
        [self.critical, self.high, self.medium, self.low, self.unknown]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}

impl FromIterator<Severity> for SeverityCounts {
    fn from_iter<I: IntoIterator<Item = Severity>>(severities: I) -> Self {
        let mut counts = Self::default();
        severities.into_iter().for_each(|severity| counts.add(severity));
        counts
    }
}
