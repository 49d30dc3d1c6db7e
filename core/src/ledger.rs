//! When things were first seen. Grace periods, deltas and `since` live on it; it outlives restarts in the report store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Finding;

/// The most findings remembered apart from an image's first set.
const MAX_LATER: usize = 5_000;

/// When each finding of one image was first seen, and when its fix was.
///
/// All findings of the first match share one time, so an image with 20,000 findings costs one line; only what came later is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageHistory {
    pub since: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub later: BTreeMap<String, DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fix_later: BTreeMap<String, DateTime<Utc>>,
}

/// What the store keeps of one image from one match to the next: its history, and what the last match found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remembered {
    pub history: ImageHistory,
    /// Keys of the last match's findings, and whether each was fixable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, bool>,
}

impl Remembered {
    #[must_use]
    pub fn new(history: ImageHistory, findings: &[Finding]) -> Self {
        Self { history, found: findings.iter().map(|finding| (key(finding), finding.is_fixable())).collect() }
    }

    /// The history after a match at `now` that found `findings`. Findings that went away are forgotten.
    #[must_use]
    pub fn observe(&self, findings: &[Finding], now: DateTime<Utc>) -> ImageHistory {
        let Some(since) = self.history.since else {
            return ImageHistory { since: Some(now), ..ImageHistory::default() };
        };
        let mut next = ImageHistory { since: Some(since), ..ImageHistory::default() };
        for finding in findings {
            let key = key(finding);
            let was = self.found.get(&key);
            let first = self.history.later.get(&key).copied().filter(|_| was.is_some());
            let first = first.or(was.is_none().then_some(now));
            let fixed = self.history.fix_later.get(&key).copied().filter(|_| was.is_some());
            let fixed = fixed.or((was == Some(&false) && finding.is_fixable()).then_some(now));
            if let Some(first) = first.filter(|_| next.later.len() < MAX_LATER) {
                next.later.insert(key.clone(), first);
            }
            if let Some(fixed) = fixed.filter(|_| next.fix_later.len() < MAX_LATER) {
                next.fix_later.insert(key, fixed);
            }
        }
        next
    }
}

impl ImageHistory {
    #[must_use]
    pub fn first_seen(&self, finding: &Finding) -> Option<DateTime<Utc>> {
        self.later.get(&key(finding)).copied().or(self.since)
    }

    #[must_use]
    pub fn fix_seen(&self, finding: &Finding) -> Option<DateTime<Utc>> {
        finding
            .is_fixable()
            .then(|| self.fix_later.get(&key(finding)).copied().or_else(|| self.first_seen(finding)))?
    }
}

/// One vulnerability in one package: a new version of the package is a new finding.
fn key(finding: &Finding) -> String {
    format!("{} {}", finding.id, finding.package.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AffectedPackage, Severity, SeveritySource};

    fn finding(id: &str, fixed: Option<&str>) -> Finding {
        Finding {
            id: id.into(),
            aliases: vec![],
            package: AffectedPackage { name: "p".into(), version: "1".into(), ecosystem: "npm".into() },
            severity: Severity::High,
            severity_source: SeveritySource::Advisory,
            cvss_tenths: None,
            fixed: fixed.map(Into::into),
            known_exploited: false,
            epss_percentile: None,
            published: None,
            modified: None,
            cwes: Vec::new(),
            summary: String::new(),
            layer: None,
            path: String::new(),
        }
    }

    fn day(n: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(n * 86_400, 0).unwrap()
    }

    #[test]
    fn later_findings_and_later_fixes_have_their_own_times() {
        let first = [finding("CVE-1", None)];
        let history = Remembered::default().observe(&first, day(1));
        assert_eq!(history.first_seen(&first[0]), Some(day(1)));
        assert_eq!(history.fix_seen(&first[0]), None);

        let second = [finding("CVE-1", Some("2")), finding("CVE-2", Some("2"))];
        let history = Remembered::new(history, &first).observe(&second, day(3));
        assert_eq!(history.first_seen(&second[0]), Some(day(1)));
        assert_eq!(history.fix_seen(&second[0]), Some(day(3)));
        assert_eq!(history.first_seen(&second[1]), Some(day(3)));

        let same = Remembered::new(history.clone(), &second).observe(&second, day(9));
        assert_eq!(same, history, "nothing new, nothing written");
    }

    #[test]
    fn what_went_away_is_forgotten_and_counts_as_new_when_it_returns() {
        let findings = [finding("CVE-1", None)];
        let history = Remembered::default().observe(&[], day(1));
        let with = Remembered::new(history, &[]).observe(&findings, day(2));
        let without = Remembered::new(with, &findings).observe(&[], day(3));
        let again = Remembered::new(without, &[]).observe(&findings, day(4));
        assert_eq!(again.first_seen(&findings[0]), Some(day(4)));
    }

    #[test]
    fn twenty_thousand_findings_of_the_first_match_cost_one_line() {
        let findings: Vec<Finding> = (0..20_000).map(|n| finding(&format!("CVE-{n}"), None)).collect();
        let history = Remembered::default().observe(&findings, day(1));
        assert!(history.later.is_empty() && history.fix_later.is_empty());
        assert!(serde_json::to_vec(&Remembered::new(history, &findings)).unwrap().len() < 900 << 10);
    }
}
