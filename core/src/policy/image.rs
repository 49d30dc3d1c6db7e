//! The checks of `spec.rules.image`: pure functions from rules and facts to violations.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ImageFacts, ImageRules, ImageUnderTest, Matched, ScannedImage, checks::*, verdict::MAX_IDS,
    violation::Violation,
};
use crate::{
    Severity,
    inventory::{ImageConfig, SoftwareSet},
    workload::ContainerKind,
};

/// Checks what the reference alone shows.
pub(super) fn reference(rules: &ImageRules, image: &ImageUnderTest<'_>, name: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    if !rules.trusted_registries.is_empty() && !rules.trusted_registries.iter().any(|glob| glob.matches(name))
    {
        let trusted: Vec<&str> = rules.trusted_registries.iter().map(crate::glob::Glob::as_str).collect();
        let observed = format!("image comes from {}", crate::printable::line(name, 200));
        found.push(Violation::new(&IMG_001, Severity::High, observed, trusted.join(", ")));
    }
    let digest = image.reference.as_ref().and_then(|reference| reference.digest.as_ref());
    if rules.require_digest && digest.is_none() {
        let observed = "image is not pinned to a digest";
        found.push(Violation::new(&IMG_002, Severity::Medium, observed, "repository@sha256:…"));
    }
    let tag = image.reference.as_ref().and_then(|reference| reference.tag.as_deref());
    if rules.deny_latest_tag && digest.is_none() && tag == Some("latest") {
        let allowed = "a tag that names a version";
        found.push(Violation::new(&IMG_003, Severity::Medium, "tag is latest", allowed));
    }
    found
}

/// Checks whether enough is known to judge by, and whether it is recent enough.
pub(super) fn knowledge(rules: &ImageRules, facts: &ImageFacts, now: DateTime<Utc>) -> Vec<Violation> {
    let missing = match facts {
        ImageFacts::NeverScanned => {
            let observed = "image has not been scanned";
            Violation::new(&IMG_010, Severity::Unknown, observed, "a scanned image")
                .with_consequence(rules.unscanned)
        }
        ImageFacts::Unreadable { reason } => {
            let observed = format!("image cannot be scanned: {reason}");
            let unreadable =
                Violation::new(&IMG_010, Severity::Unknown, observed, "an image that a registry serves");
            Violation { remedy: "deploy the image from a registry".into(), ..unreadable }
                .with_consequence(rules.unscanned)
        }
        ImageFacts::ScanFailed { reason, message } => {
            let observed = format!("scan failed: {reason:?}: {message}");
            Violation::new(&IMG_011, Severity::Unknown, observed, "a scanned image")
                .with_consequence(rules.scan_failed)
        }
        ImageFacts::Scanned(facts) if facts.unanalysed > 0 => {
            let observed = match facts.unanalysed {
                1 => "1 item could not be analysed".to_owned(),
                items => format!("{items} items could not be analysed"),
            };
            Violation::new(&IMG_012, Severity::Unknown, observed, "an image that can be read completely")
                .with_consequence(rules.incomplete)
        }
        ImageFacts::Scanned(_) => None,
    };
    let stale = match (facts, rules.max_scan_age) {
        (ImageFacts::Scanned(facts), Some(max)) => stale(facts.matched, max, now),
        _ => None,
    };
    missing.into_iter().chain(stale).collect()
}

/// A stale scan is not evidence: it neither mitigates nor restores. Age counts from the date of the advisory data.
fn stale(matched: Option<Matched>, max: TimeDelta, now: DateTime<Utc>) -> Option<Violation> {
    let observed = match matched {
        Some(matched) if now - matched.at <= max => return None,
        Some(matched) => format!(
            "image was last matched against advisory data of {}",
            matched.at.format("%Y-%m-%d %H:%M UTC")
        ),
        None => "image was never matched against advisories".to_owned(),
    };
    let allowed = format!("advisory data at most {} old", span(max));
    Some(Violation::new(&IMG_013, Severity::Unknown, observed, allowed).unknown())
}

/// Returns the first second at which [`knowledge`] or [`contents`] will find this image too old.
pub(super) fn ages_at(rules: &ImageRules, facts: &ScannedImage) -> Option<DateTime<Utc>> {
    let over = |since: Option<DateTime<Utc>>, max: Option<TimeDelta>| {
        since?.checked_add_signed(max?)?.checked_add_signed(TimeDelta::seconds(1))
    };
    let stale = over(facts.matched.map(|matched| matched.at), rules.max_scan_age);
    let old = over(facts.created, rules.max_age);
    [stale, old].into_iter().flatten().min()
}

/// Checks what is inside, apart from vulnerabilities.
pub(super) fn contents(
    rules: &ImageRules,
    image: &ImageUnderTest<'_>,
    facts: &ScannedImage,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    if rules.allow_root_user == Some(false) {
        let root =
            |observed: &str| Violation::new(&IMG_020, Severity::High, observed, "a user that is not root");
        match runs_as_root(image, facts) {
            Some(true) => found.push(root("container runs as root")),
            Some(false) => {}
            None => found.push(root("the image's user is not known").unknown()),
        }
    }
    let mut software: BTreeMap<SoftwareSet, Vec<&str>> = BTreeMap::new();
    for item in facts.software.iter().filter(|item| rules.banned_software.contains(&item.set)) {
        software.entry(item.set).or_default().push(&item.name);
    }
    for (set, mut names) in software {
        names.sort_unstable();
        names.dedup();
        let observed = format!("{set:?}: {}", list(&names));
        found.push(Violation::new(&IMG_021, Severity::Medium, observed, format!("no {set:?}")));
    }
    for glob in &rules.banned_packages {
        let names: Vec<&str> =
            facts.package_names.iter().map(String::as_str).filter(|name| glob.matches(name)).collect();
        if !names.is_empty() {
            let observed = format!("has {}", list(&names));
            found.push(Violation::new(&IMG_022, Severity::Medium, observed, format!("no package {glob}")));
        }
    }
    found.extend(age(rules, facts, now));
    found.extend(labels(rules, facts));
    found.extend(limits(rules, facts));
    found
}

fn age(rules: &ImageRules, facts: &ScannedImage, now: DateTime<Utc>) -> Option<Violation> {
    let max = rules.max_age?;
    let violation = |observed: String| {
        Violation::new(&IMG_023, Severity::Low, observed, format!("at most {} old", span(max)))
    };
    match facts.created {
        Some(created) if now - created > max => {
            Some(violation(format!("image was made on {}", created.format("%Y-%m-%d"))))
        }
        Some(_) => None,
        None => Some(violation("image does not record when it was made".into()).unknown()),
    }
}

fn labels<'a>(rules: &'a ImageRules, facts: &'a ScannedImage) -> impl Iterator<Item = Violation> + 'a {
    rules.required_labels.iter().filter_map(|label| {
        let has = facts.config.as_ref().map(|config| config.labels.contains_key(label));
        let is = match has {
            Some(true) => return None,
            Some(false) => "is missing",
            None => "is not known",
        };
        let violation = Violation {
            remedy: format!("add LABEL {label}=… to the Containerfile"),
            ..Violation::new(&IMG_025, Severity::Low, format!("label {label} {is}"), format!("label {label}"))
        };
        Some(if has.is_some() { violation } else { violation.unknown() })
    })
}

fn limits(rules: &ImageRules, facts: &ScannedImage) -> Vec<Violation> {
    let mut found = Vec::new();
    let packages = u32::try_from(facts.package_names.len()).unwrap_or(u32::MAX);
    let counts = [
        (&IMG_024, Severity::Low, rules.max_packages, packages, "packages"),
        (&IMG_026, Severity::High, rules.max_secrets, facts.secrets, "secrets"),
        (&IMG_028, Severity::Medium, rules.max_setuid_files, facts.setuid_files, "setuid files"),
    ];
    for (check, severity, max, count, what) in counts {
        if let Some(max) = max.filter(|max| count > *max) {
            let observed = format!("{count} {what}");
            found.push(Violation::new(check, severity, observed, format!("at most {max}")));
        }
    }
    if rules.deny_secret_env && !facts.secret_env.is_empty() {
        let names: Vec<&str> = facts.secret_env.iter().map(String::as_str).collect();
        let observed = format!("secrets in the image's environment: {}", list(&names));
        let allowed = "no secrets in environment variables";
        found.push(Violation::new(&IMG_027, Severity::High, observed, allowed));
    }
    found
}

/// The first [`MAX_IDS`] names.
fn list(names: &[&str]) -> String {
    names.iter().take(MAX_IDS).copied().collect::<Vec<_>>().join(", ")
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

pub(super) fn span(time: TimeDelta) -> String {
    humantime::format_duration(std::time::Duration::from_secs(time.num_seconds().unsigned_abs())).to_string()
}
