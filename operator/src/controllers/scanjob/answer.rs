//! What is known of the images of an answered ScanJob: totals and the most urgent findings, bounded for a status.

use std::{collections::BTreeSet, sync::Arc};

use breakwater_core::{Finding, Inventory, SeverityCounts, policy::ScannedImage, printable};
use breakwater_crds::{
    Severities,
    scanjob::{AdvisoryRevision, FindingEntry, ScanSummary, ScannerInfo, UnanalysedEntry},
    severities::saturate,
};

/// The most findings listed.
const MAX_FINDINGS: usize = 50;
/// The most unreadable places listed.
const MAX_UNANALYSED: usize = 20;

/// One manifest's inventory, and the same matched.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    pub(super) inventory: Arc<Inventory>,
    pub(super) image: Arc<ScannedImage>,
}

/// What the manifests come to, taken together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) summary: ScanSummary,
    pub(super) top_findings: Vec<FindingEntry>,
    pub(super) total_findings: i32,
    pub(super) unanalysed: Vec<UnanalysedEntry>,
    pub(super) truncated: bool,
    pub(super) scanner: Option<ScannerInfo>,
    /// Every manifest was matched against advisories.
    pub(super) matched: bool,
    /// Something of some manifest could not be read or matched.
    pub(super) incomplete: bool,
}

/// A finding that several platforms of an image share counts once.
pub(super) fn totals(manifests: &[Manifest]) -> Totals {
    let mut seen = BTreeSet::new();
    let mut findings: Vec<&Finding> = Vec::new();
    for finding in manifests.iter().flat_map(|manifest| &manifest.image.findings) {
        if seen.insert((&finding.id, &finding.package, &finding.path)) {
            findings.push(finding);
        }
    }
    findings.sort_by(|a, b| a.urgency().cmp(&b.urgency()));
    let unanalysed: BTreeSet<_> =
        manifests.iter().flat_map(|manifest| &manifest.inventory.unanalysed).collect();
    let sum = |count: fn(&Manifest) -> usize| {
        saturate(u32::try_from(manifests.iter().map(count).sum::<usize>()).unwrap_or(u32::MAX))
    };
    let counts: SeverityCounts = findings.iter().map(|finding| finding.severity).collect();
    let fixable: SeverityCounts = findings.iter().filter(|f| f.is_fixable()).map(|f| f.severity).collect();
    let all = Severities::from(counts);
    let exploited = findings.iter().filter(|finding| finding.known_exploited).count();
    Totals {
        summary: ScanSummary {
            critical: all.critical,
            high: all.high,
            medium: all.medium,
            low: all.low,
            unknown: all.unknown,
            fixable: fixable.into(),
            fixable_total: saturate(fixable.total()),
            known_exploited: saturate(u32::try_from(exploited).unwrap_or(u32::MAX)),
            secrets: sum(|manifest| manifest.inventory.secrets.len()),
            banned_software: sum(|manifest| manifest.inventory.software.len()),
            packages: sum(|manifest| manifest.inventory.packages.len()),
            ..ScanSummary::default()
        },
        top_findings: findings.iter().take(MAX_FINDINGS).map(|finding| entry(finding)).collect(),
        total_findings: saturate(u32::try_from(findings.len()).unwrap_or(u32::MAX)),
        truncated: findings.len() > MAX_FINDINGS || unanalysed.len() > MAX_UNANALYSED,
        unanalysed: unanalysed
            .into_iter()
            .take(MAX_UNANALYSED)
            .map(|u| UnanalysedEntry {
                path: printable::line(&u.path, 253),
                reason: printable::line(&u.reason, 253),
            })
            .collect(),
        scanner: manifests.first().map(scanner),
        matched: !manifests.is_empty() && manifests.iter().all(|manifest| manifest.image.matched.is_some()),
        incomplete: manifests.iter().any(|manifest| manifest.image.unanalysed > 0),
    }
}

/// Totals of several images together.
pub(super) fn together(images: Vec<Totals>) -> Totals {
    let mut all = Totals { matched: !images.is_empty(), ..Totals::default() };
    for image in images {
        let (sum, more) = (&mut all.summary, image.summary);
        for (sum, more) in [
            (&mut sum.critical, more.critical),
            (&mut sum.high, more.high),
            (&mut sum.medium, more.medium),
            (&mut sum.low, more.low),
            (&mut sum.unknown, more.unknown),
            (&mut sum.fixable.critical, more.fixable.critical),
            (&mut sum.fixable.high, more.fixable.high),
            (&mut sum.fixable.medium, more.fixable.medium),
            (&mut sum.fixable.low, more.fixable.low),
            (&mut sum.fixable.unknown, more.fixable.unknown),
            (&mut sum.fixable_total, more.fixable_total),
            (&mut sum.known_exploited, more.known_exploited),
            (&mut sum.secrets, more.secrets),
            (&mut sum.banned_software, more.banned_software),
            (&mut sum.packages, more.packages),
            (&mut all.total_findings, image.total_findings),
        ] {
            *sum = sum.saturating_add(more);
        }
        all.top_findings.extend(image.top_findings);
        all.unanalysed.extend(image.unanalysed);
        all.truncated |= image.truncated;
        all.matched &= image.matched;
        all.incomplete |= image.incomplete;
        all.scanner = all.scanner.or(image.scanner);
    }
    let urgency =
        |finding: &FindingEntry| (finding.known_exploited, finding.severity, finding.fixed.is_some());
    all.top_findings.sort_by(|a, b| {
        urgency(b).cmp(&urgency(a)).then_with(|| (&a.id, &a.package).cmp(&(&b.id, &b.package)))
    });
    all.top_findings.dedup();
    all.truncated |= all.top_findings.len() > MAX_FINDINGS || all.unanalysed.len() > MAX_UNANALYSED;
    all.top_findings.truncate(MAX_FINDINGS);
    all.unanalysed.truncate(MAX_UNANALYSED);
    all
}

fn entry(finding: &Finding) -> FindingEntry {
    FindingEntry {
        id: printable::line(&finding.id, 64),
        severity: finding.severity,
        package: printable::line(&finding.package.name, 253),
        installed: printable::line(&finding.package.version, 128),
        fixed: finding.fixed.as_ref().map(|fixed| printable::line(fixed, 128)),
        layer: finding.layer.as_ref().map(ToString::to_string),
        path: (!finding.path.is_empty()).then(|| printable::line(&finding.path, 253)),
        known_exploited: finding.known_exploited,
        suppressed_by: None,
    }
}

fn scanner(manifest: &Manifest) -> ScannerInfo {
    let scanner = &manifest.inventory.scanner;
    ScannerInfo {
        name: printable::line(&scanner.name, 64),
        version: printable::line(&scanner.version, 64),
        advisories: manifest.image.matched.map(|matched| AdvisoryRevision {
            revision: i64::try_from(matched.revision).unwrap_or(i64::MAX),
            updated_at: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::Severity;

    use super::*;
    use crate::controllers::scanjob::fixtures::{finding, manifest};

    #[test]
    fn findings_of_two_platforms_count_once_and_the_urgent_come_first() {
        let mut exploited = finding("CVE-2", Severity::Medium);
        exploited.known_exploited = true;
        let mut fixable = finding("CVE-3", Severity::High);
        fixable.fixed = Some("2".into());
        let all = vec![exploited, fixable, finding("CVE-1", Severity::Critical)];
        let totals = totals(&[manifest("a", all.clone()), manifest("b", all)]);
        assert_eq!(totals.total_findings, 3);
        let ids: Vec<_> = totals.top_findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(ids, ["CVE-2", "CVE-1", "CVE-3"]);
        let summary = totals.summary;
        assert_eq!((summary.critical, summary.high, summary.medium), (1, 1, 1));
        assert_eq!((summary.fixable.high, summary.fixable_total, summary.known_exploited), (1, 1, 1));
        assert!(totals.matched && !totals.incomplete && !totals.truncated);
    }

    #[test]
    fn what_was_not_matched_is_not_called_matched() {
        let mut unmatched = manifest("a", vec![]);
        Arc::make_mut(&mut unmatched.image).matched = None;
        assert!(!totals(&[manifest("b", vec![]), unmatched]).matched);
        assert!(!totals(&[]).matched);
    }
}
