//! When findings were first seen, by repository. Grace periods live on it; it outlives restarts and rebuilds in the report store.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Finding;

/// The most findings remembered of one repository; those absent for longest are forgotten first.
pub const MAX_FINDINGS: usize = 20_000;
/// A finding that no image of the repository had for so long is new when it returns.
const FORGET_AFTER: TimeDelta = TimeDelta::days(30);
/// The date of the last match is renewed so often: what is seen at every match is not written at every match.
const RENEW_AFTER: TimeDelta = TimeDelta::days(1);

/// When each finding of one image was first seen in the image's repository, and when its fix was.
///
/// Findings seen since the earliest time share it, so that an image with 20,000 old findings costs one line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageHistory {
    /// The earliest time. Absent: there is no history.
    pub since: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub later: BTreeMap<String, DateTime<Utc>>,
    /// Fixes that became known after the finding was first seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fix_later: BTreeMap<String, DateTime<Utc>>,
}

impl ImageHistory {
    #[must_use]
    pub fn first_seen(&self, finding: &Finding) -> Option<DateTime<Utc>> {
        if self.later.is_empty() {
            return self.since;
        }
        self.later.get(&key(finding)).copied().or(self.since)
    }

    #[must_use]
    pub fn fix_seen(&self, finding: &Finding) -> Option<DateTime<Utc>> {
        finding.fixed.as_ref()?;
        if self.fix_later.is_empty() {
            return self.first_seen(finding);
        }
        self.fix_later.get(&key(finding)).copied().or_else(|| self.first_seen(finding))
    }
}

/// When the findings of all images of one repository, in one trust domain, were first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryHistory {
    /// By vulnerability and package.
    #[serde(default)]
    findings: BTreeMap<String, Seen>,
}

/// Times in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    first: i64,
    /// When a fixed version was first known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fix: Option<i64>,
    /// When it was last found, to [`RENEW_AFTER`].
    last: i64,
}

impl RepositoryHistory {
    /// Takes in that a match at `now` found `findings` in one image of the repository. Returns whether that changed anything.
    pub fn observe(&mut self, findings: &[Finding], now: DateTime<Utc>) -> bool {
        let now = now.timestamp();
        let mut changed = false;
        for finding in findings {
            let new = Seen { first: now, fix: None, last: now };
            let seen = self.findings.entry(key(finding)).or_insert_with(|| {
                changed = true;
                new
            });
            if now.saturating_sub(seen.last) > FORGET_AFTER.num_seconds() {
                (*seen, changed) = (new, true);
            } else if now.saturating_sub(seen.last) >= RENEW_AFTER.num_seconds() {
                (seen.last, changed) = (now, true);
            }
            if finding.is_fixable() && seen.fix.is_none() {
                (seen.fix, changed) = (Some(now), true);
            }
        }
        let before = self.findings.len();
        self.findings.retain(|_, seen| now.saturating_sub(seen.last) <= FORGET_AFTER.num_seconds());
        self.bound();
        changed || self.findings.len() != before
    }

    /// Takes in what `history` records of an image with `findings`, where it is earlier. Returns whether that changed anything.
    pub fn restore(&mut self, findings: &[Finding], history: &ImageHistory, now: DateTime<Utc>) -> bool {
        let mut changed = false;
        for finding in findings {
            let Some(first) = history.first_seen(finding).map(|time| time.timestamp()) else { continue };
            let fix = history.fix_seen(finding).map(|time| time.timestamp());
            let known = Seen { first, fix, last: now.timestamp() };
            let seen = self.findings.entry(key(finding)).or_insert_with(|| {
                changed = true;
                known
            });
            let earlier = |kept: Option<i64>, known: Option<i64>| kept.into_iter().chain(known).min();
            let next = Seen { first: seen.first.min(first), fix: earlier(seen.fix, fix), ..*seen };
            changed |= next != *seen;
            *seen = next;
        }
        self.bound();
        changed
    }

    fn bound(&mut self) {
        let excess = self.findings.len().saturating_sub(MAX_FINDINGS);
        if excess == 0 {
            return;
        }
        let mut oldest: Vec<(i64, String)> =
            self.findings.iter().map(|(key, seen)| (seen.last, key.clone())).collect();
        oldest.sort_unstable();
        oldest.into_iter().take(excess).for_each(|(_, key)| _ = self.findings.remove(&key));
    }

    /// The history of one image that has `findings`.
    #[must_use]
    pub fn of_image(&self, findings: &[Finding]) -> ImageHistory {
        let seen = |finding: &Finding| self.findings.get_key_value(&key(finding));
        let found: BTreeMap<&String, &Seen> = findings.iter().filter_map(seen).collect();
        let time = |seconds| DateTime::from_timestamp(seconds, 0);
        let mut history = ImageHistory {
            since: found.values().map(|seen| seen.first).min().and_then(time),
            ..ImageHistory::default()
        };
        for (key, seen) in found {
            if let Some(first) = time(seen.first).filter(|first| Some(*first) != history.since) {
                history.later.insert(key.clone(), first);
            }
            if let Some(fix) = seen.fix.filter(|fix| *fix != seen.first).and_then(time) {
                history.fix_later.insert(key.clone(), fix);
            }
        }
        history
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One vulnerability in one package of whatever version: a rebuild does not make it new.
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
        let mut repository = RepositoryHistory::default();
        assert!(repository.observe(&first, day(1)));
        let history = repository.of_image(&first);
        assert_eq!((history.first_seen(&first[0]), history.fix_seen(&first[0])), (Some(day(1)), None));

        let second = [finding("CVE-1", Some("2")), finding("CVE-2", Some("2"))];
        assert!(repository.observe(&second, day(3)));
        let history = repository.of_image(&second);
        assert_eq!(history.first_seen(&second[0]), Some(day(1)));
        assert_eq!(history.fix_seen(&second[0]), Some(day(3)));
        assert_eq!(history.first_seen(&second[1]), Some(day(3)));
        assert_eq!(history.fix_seen(&second[1]), Some(day(3)));
        assert!(!repository.observe(&second, day(3) + TimeDelta::hours(23)), "nothing new, nothing written");
    }

    #[test]
    fn a_rebuild_starts_nothing_anew() {
        let mut rebuilt = finding("CVE-1", Some("9"));
        let mut repository = RepositoryHistory::default();
        repository.observe(&[rebuilt.clone()], day(1));
        rebuilt.package.version = "2".into();
        repository.observe(&[rebuilt.clone()], day(20));
        let history = repository.of_image(&[rebuilt.clone()]);
        assert_eq!((history.first_seen(&rebuilt), history.fix_seen(&rebuilt)), (Some(day(1)), Some(day(1))));
    }

    #[test]
    fn two_images_of_a_repository_do_not_make_each_other_forget() {
        let (with, without) = ([finding("CVE-1", None)], []);
        let mut repository = RepositoryHistory::default();
        for n in 1..100 {
            repository.observe(&with, day(n));
            repository.observe(&without, day(n));
        }
        assert_eq!(repository.of_image(&with).first_seen(&with[0]), Some(day(1)));
        assert!(repository.observe(&without, day(99 + 31)) && repository.is_empty(), "absent for longer");
        repository.observe(&with, day(131));
        assert_eq!(repository.of_image(&with).first_seen(&with[0]), Some(day(131)), "new when it returns");
    }

    #[test]
    fn what_a_leader_did_not_write_is_restored_from_an_image() {
        let findings = [finding("CVE-1", None), finding("CVE-2", Some("2"))];
        let mut lost = RepositoryHistory::default();
        lost.observe(&findings, day(1));
        let history = lost.of_image(&findings);
        let mut kept = RepositoryHistory::default();
        kept.observe(&findings[..1], day(2));
        assert!(kept.restore(&findings, &history, day(3)));
        assert_eq!(kept.of_image(&findings), history);
        assert!(!kept.restore(&findings, &history, day(3)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_compact() {
        let findings: Vec<Finding> = (0..MAX_FINDINGS).map(|n| finding(&format!("CVE-{n}"), None)).collect();
        let mut repository = RepositoryHistory::default();
        repository.observe(&findings, day(1));
        let history = repository.of_image(&findings);
        assert!(history.later.is_empty() && history.fix_later.is_empty());
        assert!(serde_json::to_vec(&repository).unwrap().len() < 1200 << 10);
        repository.observe(&[finding("CVE-new", None)], day(3));
        assert_eq!(repository.findings.len(), MAX_FINDINGS);
        assert!(repository.findings.contains_key("CVE-new p"));
    }
}
