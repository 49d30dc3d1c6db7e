//! The checks: small pure functions from a rule and facts to violations. Ids are for ever; meanings stand in `docs/checks.md`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Consequence, Effect, Grace, ImageFacts, ImageRules, ImageUnderTest, Matched, ScannedImage,
    VulnerabilityRule, verdict::MAX_IDS,
};
use crate::{
    Finding, Severity,
    inventory::{ImageConfig, SoftwareSet},
    ledger::ImageHistory,
    workload::ContainerKind,
};

pub(super) struct Violation {
    pub(super) id: &'static str,
    pub(super) rule: &'static str,
    pub(super) effect: Effect,
    pub(super) severity: Severity,
    pub(super) observed: String,
    pub(super) allowed: String,
    pub(super) remedy: String,
    pub(super) findings: Vec<String>,
}

impl Violation {
    fn new(id: &'static str, rule: &'static str, severity: Severity) -> Self {
        Self {
            id,
            rule,
            effect: Effect::Violation,
            severity,
            observed: String::new(),
            allowed: String::new(),
            remedy: String::new(),
            findings: vec![],
        }
    }

    fn says(mut self, observed: String, allowed: impl Into<String>, remedy: impl Into<String>) -> Self {
        (self.observed, self.allowed, self.remedy) = (observed, allowed.into(), remedy.into());
        self
    }

    /// What it is about is not known.
    fn unknown(mut self) -> Self {
        self.effect = Effect::Unknown;
        self
    }

    /// A missing fact: what the policy says it means. `Allow` means not even a word.
    fn by(mut self, consequence: Consequence) -> Option<Self> {
        self.effect = match consequence {
            Consequence::Allow => return None,
            // A warning about something unknown is not a pardon: the verdict is Unknown until it is known.
            Consequence::Warn => Effect::Unknown,
            Consequence::Deny => Effect::Violation,
        };
        Some(self)
    }
}

/// A check of `spec.rules.vulnerabilities`: its id and rule path.
pub(super) type VulnerabilityCheck = (&'static str, &'static str);
pub(super) const MAX: VulnerabilityCheck = ("BW-VUL-001", "vulnerabilities.max");
pub(super) const MAX_CVSS: VulnerabilityCheck = ("BW-VUL-002", "vulnerabilities.maxCvss");
pub(super) const KNOWN_EXPLOITED: VulnerabilityCheck = ("BW-VUL-003", "vulnerabilities.denyKnownExploited");
pub(super) const DENIED: VulnerabilityCheck = ("BW-VUL-004", "vulnerabilities.deny");
pub(super) const MAX_EPSS: VulnerabilityCheck = ("BW-VUL-005", "vulnerabilities.maxEpssPercentile");
pub(super) const VULNERABILITY_CHECKS: [VulnerabilityCheck; 5] =
    [MAX, MAX_CVSS, KNOWN_EXPLOITED, DENIED, MAX_EPSS];

/// Which findings a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grown {
    AtOnce,
    /// Those whose grace periods are over.
    AfterGrace,
}

/// What the reference alone tells.
pub(super) fn reference(rules: &ImageRules, image: &ImageUnderTest<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let name = image.name();
    if !rules.trusted_registries.is_empty()
        && !rules.trusted_registries.iter().any(|glob| glob.matches(&name))
    {
        let trusted: Vec<&str> = rules.trusted_registries.iter().map(crate::glob::Glob::as_str).collect();
        found.push(Violation::new("BW-IMG-001", "image.trustedRegistries", Severity::High).says(
            format!("image comes from {}", crate::printable::line(&name, 200)),
            trusted.join(", "),
            "use an image from a trusted registry, or add this one to trustedRegistries",
        ));
    }
    let digest = image.reference.as_ref().and_then(|reference| reference.digest.as_ref());
    if rules.require_digest && digest.is_none() {
        found.push(Violation::new("BW-IMG-002", "image.requireDigest", Severity::Medium).says(
            "image is not pinned to a digest".into(),
            "repository@sha256:…",
            "pin the image to the digest that was tested",
        ));
    }
    let tag = image.reference.as_ref().and_then(|reference| reference.tag.as_deref());
    if rules.deny_latest_tag && digest.is_none() && tag == Some("latest") {
        found.push(Violation::new("BW-IMG-003", "image.denyLatestTag", Severity::Medium).says(
            "tag is latest".into(),
            "a tag that names a version",
            "name a version or pin a digest",
        ));
    }
    found
}

/// Whether enough is known to judge by, and recent enough.
pub(super) fn knowledge(rules: &ImageRules, facts: &ImageFacts, now: DateTime<Utc>) -> Vec<Violation> {
    let missing = match facts {
        ImageFacts::NeverScanned => Violation::new("BW-IMG-010", "image.unscanned", Severity::Unknown)
            .says(
                "image has not been scanned".into(),
                "a scanned image",
                "wait for the scan that is queued, or create a ScanJob",
            )
            .by(rules.unscanned),
        ImageFacts::Unreadable { reason } => {
            Violation::new("BW-IMG-010", "image.unscanned", Severity::Unknown)
                .says(
                    format!("image cannot be scanned: {reason}"),
                    "an image that a registry serves",
                    "deploy the image from a registry",
                )
                .by(rules.unscanned)
        }
        ImageFacts::ScanFailed { reason, message } => {
            Violation::new("BW-IMG-011", "image.scanFailed", Severity::Unknown)
                .says(
                    format!("scan failed: {reason:?}: {message}"),
                    "a scanned image",
                    "mend what the scan reports",
                )
                .by(rules.scan_failed)
        }
        ImageFacts::Scanned(facts) if facts.unanalysed > 0 => {
            Violation::new("BW-IMG-012", "image.incomplete", Severity::Unknown)
                .says(
                    match facts.unanalysed {
                        1 => "1 item could not be analysed".to_owned(),
                        items => format!("{items} items could not be analysed"),
                    },
                    "an image that can be read completely",
                    "see status.unanalysed of its ScanJob",
                )
                .by(rules.incomplete)
        }
        ImageFacts::Scanned(_) => None,
    };
    let stale = match (facts, rules.max_scan_age) {
        (ImageFacts::Scanned(facts), Some(max)) => stale(facts.matched, max, now),
        _ => None,
    };
    missing.into_iter().chain(stale).collect()
}

/// A stale scan is not evidence for anything: it neither mitigates nor restores.
fn stale(matched: Option<Matched>, max: TimeDelta, now: DateTime<Utc>) -> Option<Violation> {
    let observed = match matched {
        Some(matched) if now - matched.at <= max => return None,
        Some(_) => "image was last matched against advisories longer ago than allowed",
        None => "image was never matched against advisories",
    };
    let stale = Violation::new("BW-IMG-013", "image.maxScanAge", Severity::Unknown).says(
        observed.into(),
        format!("at most {}", span(max)),
        "look at the advisories Deployment: the operator matches again whenever it serves an index",
    );
    Some(stale.unknown())
}

/// The first second at which [`knowledge`] or [`contents`] will find this image too old.
pub(super) fn ages_at(rules: &ImageRules, facts: &ScannedImage) -> Option<DateTime<Utc>> {
    let over = |since: Option<DateTime<Utc>>, max: Option<TimeDelta>| {
        since?.checked_add_signed(max?)?.checked_add_signed(TimeDelta::seconds(1))
    };
    let stale = over(facts.matched.map(|matched| matched.at), rules.max_scan_age);
    let old = over(facts.created, rules.max_age);
    match (stale, old) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(super) fn unmatched() -> Violation {
    let unmatched = Violation::new("BW-VUL-000", "vulnerabilities", Severity::Unknown).says(
        "no advisory index is loaded".into(),
        "findings to judge by",
        "look at the advisories Deployment and the operator's log",
    );
    unmatched.unknown()
}

/// What is inside, apart from vulnerabilities.
pub(super) fn contents(
    rules: &ImageRules,
    image: &ImageUnderTest<'_>,
    facts: &ScannedImage,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    if rules.allow_root_user == Some(false) {
        let says = |observed: &str| {
            Violation::new("BW-IMG-020", "image.allowRootUser", Severity::High).says(
                observed.into(),
                "a user that is not root",
                "set USER in the image, or runAsUser above 0 in the pod's security context",
            )
        };
        match runs_as_root(image, facts) {
            Some(true) => found.push(says("container runs as root")),
            Some(false) => {}
            None => found.push(says("the image's user is not known").unknown()),
        }
    }
    let mut software: BTreeMap<SoftwareSet, Vec<&str>> = BTreeMap::new();
    for item in facts.software.iter().filter(|item| rules.banned_software.contains(&item.set)) {
        software.entry(item.set).or_default().push(&item.name);
    }
    for (set, mut names) in software {
        names.sort_unstable();
        names.dedup();
        let list = names.iter().take(MAX_IDS).copied().collect::<Vec<_>>().join(", ");
        found.push(Violation::new("BW-IMG-021", "image.bannedSoftware", Severity::Medium).says(
            format!("{set:?}: {list}"),
            format!("no {set:?}"),
            "build from a smaller base, or remove them in the layer that brings them",
        ));
    }
    for glob in &rules.banned_packages {
        let names: Vec<&str> =
            facts.package_names.iter().map(String::as_str).filter(|name| glob.matches(name)).collect();
        if !names.is_empty() {
            let list = names.iter().take(MAX_IDS).copied().collect::<Vec<_>>().join(", ");
            found.push(Violation::new("BW-IMG-022", "image.bannedPackages", Severity::Medium).says(
                format!("has {list}"),
                format!("no package {glob}"),
                "remove the package from the image",
            ));
        }
    }
    found.extend(limits(rules, facts, now));
    found
}

fn limits(rules: &ImageRules, facts: &ScannedImage, now: DateTime<Utc>) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(max) = rules.max_age {
        let violation = Violation::new("BW-IMG-023", "image.maxAge", Severity::Low);
        let (allowed, remedy) = (format!("at most {} old", span(max)), "build it again on a current base");
        match facts.created {
            Some(created) if now - created > max => {
                found.push(violation.says(
                    format!("image was made on {}", created.format("%Y-%m-%d")),
                    allowed,
                    remedy,
                ));
            }
            Some(_) => {}
            None => {
                found.push(
                    violation.says("image does not say when it was made".into(), allowed, remedy).unknown(),
                );
            }
        }
    }
    let packages = u32::try_from(facts.package_names.len()).unwrap_or(u32::MAX);
    if let Some(max) = rules.max_packages.filter(|max| packages > *max) {
        found.push(Violation::new("BW-IMG-024", "image.maxPackages", Severity::Low).says(
            format!("{packages} packages"),
            format!("at most {max}"),
            "build from a smaller base",
        ));
    }
    let has = |label: &str| Some(facts.config.as_ref()?.labels.contains_key(label));
    for label in rules.required_labels.iter().filter(|label| has(label) != Some(true)) {
        let is = if has(label).is_some() { "is missing" } else { "is not known" };
        let violation = Violation::new("BW-IMG-025", "image.requiredLabels", Severity::Low).says(
            format!("label {label} {is}"),
            format!("label {label}"),
            format!("add LABEL {label}=… to the Containerfile"),
        );
        found.push(if has(label).is_some() { violation } else { violation.unknown() });
    }
    if let Some(max) = rules.max_secrets.filter(|max| facts.secrets > *max) {
        found.push(Violation::new("BW-IMG-026", "image.maxSecrets", Severity::High).says(
            format!("{} secrets", facts.secrets),
            format!("at most {max}"),
            "remove them, build again without them, and replace the leaked credentials",
        ));
    }
    if rules.deny_secret_env && !facts.secret_env.is_empty() {
        let names = facts.secret_env.iter().take(MAX_IDS).cloned().collect::<Vec<_>>().join(", ");
        found.push(Violation::new("BW-IMG-027", "image.denySecretEnv", Severity::High).says(
            format!("secrets in the image's environment: {names}"),
            "no secrets in environment variables",
            "give them to the pod by a Secret, build again without them, and replace the leaked credentials",
        ));
    }
    if let Some(max) = rules.max_setuid_files.filter(|max| facts.setuid_files > *max) {
        found.push(Violation::new("BW-IMG-028", "image.maxSetuidFiles", Severity::Medium).says(
            format!("{} setuid files", facts.setuid_files),
            format!("at most {max}"),
            "take the bit away (chmod u-s) or the program out of the image",
        ));
    }
    found
}

/// The pod's security context overrides the image's user; `runAsNonRoot` makes the kubelet refuse root. `None`: not known.
fn runs_as_root(image: &ImageUnderTest<'_>, facts: &ScannedImage) -> Option<bool> {
    let by_image = || facts.config.as_ref().map(ImageConfig::runs_as_root);
    match image.container {
        // Mounted, not run.
        Some(container) if container.kind == ContainerKind::Volume => Some(false),
        Some(container) => match (container.run_as_user, container.run_as_non_root) {
            (Some(uid), _) => Some(uid == 0),
            (None, Some(true)) => Some(false),
            (None, _) => by_image(),
        },
        None => by_image(),
    }
}

/// When the last grace period of a finding ends; none if no grace applies to it.
pub(super) fn grace_ends(grace: &Grace, finding: &Finding, history: &ImageHistory) -> Option<DateTime<Utc>> {
    let after = |start: Option<DateTime<Utc>>, span: Option<TimeDelta>| start?.checked_add_signed(span?);
    let published = finding.published.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    [
        after(published, grace.published),
        after(history.fix_seen(finding), grace.fix_available),
        after(history.first_seen(finding), grace.first_seen),
    ]
    .into_iter()
    .flatten()
    .max()
}

/// Judges findings by the vulnerability rule. `among` gives those that a check may hold against the image: of all findings, or only of
/// those whose grace is over, without what an exception takes from this check.
///
/// Counts and scores have grace and may ask for a fix; a vulnerability that somebody exploits, or that is never allowed, has neither.
pub(super) fn vulnerabilities<'a>(
    rule: &VulnerabilityRule,
    among: impl Fn(VulnerabilityCheck, Grown) -> Vec<&'a Finding>,
) -> Vec<Violation> {
    let counted = |check| {
        let mut findings = among(check, Grown::AfterGrace);
        findings.retain(|finding| !rule.fixable_only || finding.is_fixable());
        findings
    };
    let mut found = by_severity(rule, &counted(MAX));
    let mut hold = |(id, path): VulnerabilityCheck, allowed: String, these: Vec<&Finding>| {
        if let Some(worst) = these.iter().map(|finding| finding.severity).max() {
            let observed = format!("{} {}", these.len(), findings_noun(these.len()));
            found.push(by_findings(Violation::new(id, path, worst), &these, observed, allowed));
        }
    };
    if let Some(max) = rule.max_cvss_tenths {
        let mut these = counted(MAX_CVSS);
        these.retain(|finding| finding.cvss_tenths.is_some_and(|score| score > max));
        hold(MAX_CVSS, format!("CVSS at most {}.{}", max / 10, max % 10), these);
    }
    if rule.deny_known_exploited {
        let mut these = among(KNOWN_EXPLOITED, Grown::AtOnce);
        these.retain(|finding| finding.known_exploited);
        hold(KNOWN_EXPLOITED, "no known exploited vulnerability".to_owned(), these);
    }
    if !rule.deny.is_empty() {
        let mut these = among(DENIED, Grown::AtOnce);
        these.retain(|finding| rule.deny.iter().any(|id| finding.is_called(id)));
        let ids: Vec<&str> = rule.deny.iter().map(String::as_str).take(MAX_IDS).collect();
        hold(DENIED, format!("none of {}", ids.join(", ")), these);
    }
    if let Some(max) = rule.max_epss_percentile {
        let mut these = counted(MAX_EPSS);
        these.retain(|finding| finding.epss_percentile.is_some_and(|percentile| percentile > max));
        hold(MAX_EPSS, format!("EPSS percentile at most {max}"), these);
    }
    found
}

fn by_severity(rule: &VulnerabilityRule, counted: &[&Finding]) -> Vec<Violation> {
    let weight = |finding: &Finding| match finding.severity {
        Severity::Unknown if rule.max.unknown.is_none() => rule.unknown_severity,
        severity => severity,
    };
    let mut found = Vec::new();
    for severity in Severity::ALL {
        let Some(max) = rule.max.of(severity) else { continue };
        let these: Vec<&Finding> =
            counted.iter().copied().filter(|finding| weight(finding) == severity).collect();
        if these.len() <= max as usize {
            continue;
        }
        let assumed = these.iter().filter(|finding| finding.severity != severity).count();
        let note =
            if assumed > 0 { format!(", {assumed} of them of assumed severity") } else { String::new() };
        let fixable = if rule.fixable_only { "fixable " } else { "" };
        let (id, path) = MAX;
        found.push(by_findings(
            Violation::new(id, path, severity),
            &these,
            format!("{} {fixable}{severity} {}{note}", these.len(), findings_noun(these.len())),
            format!("at most {max}"),
        ));
    }
    found
}

fn by_findings(violation: Violation, findings: &[&Finding], observed: String, allowed: String) -> Violation {
    let mut upgrades: Vec<String> = findings
        .iter()
        .filter_map(|f| f.fixed.as_ref().map(|fixed| format!("{} to {fixed}", f.package.name)))
        .collect();
    upgrades.sort_unstable();
    upgrades.dedup();
    let more = upgrades.len().saturating_sub(5);
    let mut remedy = upgrades.into_iter().take(5).collect::<Vec<_>>().join(", ");
    remedy = match (remedy.is_empty(), more) {
        (true, _) => {
            "no fixed version is known: replace the package, or add an exception with a reason".into()
        }
        (false, 0) => format!("upgrade {remedy}"),
        (false, more) => format!("upgrade {remedy} and {more} more"),
    };
    let mut violation = violation.says(observed, allowed, remedy);
    let mut ids: Vec<String> = Vec::new();
    for finding in findings {
        if ids.len() < MAX_IDS && !ids.contains(&finding.id) {
            ids.push(finding.id.clone());
        }
    }
    violation.findings = ids;
    violation
}

fn findings_noun(count: usize) -> &'static str {
    if count == 1 { "finding" } else { "findings" }
}

fn span(time: TimeDelta) -> String {
    humantime::format_duration(std::time::Duration::from_secs(time.num_seconds().unsigned_abs())).to_string()
}
