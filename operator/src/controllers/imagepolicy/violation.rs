//! One entry of `status.violations`. Pure.

use std::sync::Arc;

use breakwater_core::{
    Digest, Finding,
    mitigation::Hold,
    policy::{Check, Effect, ScannedImage, Verdict},
    printable,
    workload::Workload,
};
use breakwater_crds::{
    Time,
    imagepolicy::{ViolatingFinding, ViolationEntry},
    names::annotations,
};
use chrono::{DateTime, Utc};

use super::report::{MAX_RULES, MAX_TEXT};

/// The most findings of one workload.
const MAX_FINDINGS: usize = 3;

/// `image` returns what is known of a manifest.
pub(super) fn entry(
    workload: &Workload,
    verdict: &Verdict,
    since: Option<DateTime<Utc>>,
    image: impl Fn(&Digest) -> Option<Arc<ScannedImage>>,
    now: DateTime<Utc>,
) -> ViolationEntry {
    let id = &workload.id;
    // The first of the worst: checks are sorted, and `max_by_key` would return the last.
    let worst = verdict.with(Effect::Violation).reduce(|a, b| if b.severity > a.severity { b } else { a });
    ViolationEntry {
        kind: id.kind,
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        risk: None,
        rules: verdict.violated().into_iter().take(MAX_RULES).map(str::to_owned).collect(),
        findings: findings(verdict, image),
        allowed: worst.map(|check| printable::line(&allowed(check), 256)).unwrap_or_default(),
        remedy: printable::line(&remedy(worst, workload, now), MAX_TEXT),
        since: since.map(Time::from),
        owner: workload.annotations.get(annotations::OWNER).map(|owner| printable::line(owner, 128)),
    }
}

/// What to do, after what keeps a hold from holding: its author believes that there is time.
fn remedy(worst: Option<&Check>, workload: &Workload, now: DateTime<Utc>) -> String {
    let hold = workload.annotations.get(annotations::HOLD_UNTIL);
    let invalid = hold.and_then(|hold| Hold::parse(hold, now).err());
    let hold =
        invalid.map(|problem| format!("correct {}, which does not hold: {problem}", annotations::HOLD_UNTIL));
    let fix = worst.map(|check| check.remedy.clone());
    hold.into_iter().chain(fix).collect::<Vec<_>>().join("; ")
}

fn allowed(check: &Check) -> String {
    format!("{} ({})", check.allowed, check.rule)
}

/// The findings of the worst checks first, each once.
fn findings(
    verdict: &Verdict,
    image: impl Fn(&Digest) -> Option<Arc<ScannedImage>>,
) -> Vec<ViolatingFinding> {
    let mut checks: Vec<&Check> = verdict.with(Effect::Violation).collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.severity));
    let mut found: Vec<ViolatingFinding> = Vec::new();
    for check in checks {
        let facts = check.digest.as_ref().and_then(&image);
        for id in &check.findings {
            let known = facts.as_ref().and_then(|facts| facts.findings.iter().find(|one| one.id == *id));
            let finding = known.map_or_else(|| named(id), described);
            if !found.contains(&finding) {
                found.push(finding);
            }
            if found.len() == MAX_FINDINGS {
                return found;
            }
        }
    }
    found
}

/// A finding of which no more than its id is known any more.
fn named(id: &str) -> ViolatingFinding {
    ViolatingFinding { id: printable::line(id, 100), ..ViolatingFinding::default() }
}

fn described(finding: &Finding) -> ViolatingFinding {
    ViolatingFinding {
        package: printable::line(&finding.package.name, 128),
        installed: printable::line(&finding.package.version, 128),
        fixed: finding.fixed.as_ref().map(|fixed| printable::line(fixed, 128)),
        ..named(&finding.id)
    }
}
