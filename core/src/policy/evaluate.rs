use chrono::{DateTime, Utc};

use super::{
    Check, Compliance, Effect, ImageFacts, Policy, ScannedImage, Verdict,
    checks::{self, Grown, Violation, VulnerabilityCheck},
    exception::Place,
};
use crate::{Digest, Finding, ImageReference, Severity, workload::Container, workload::WorkloadRef};

/// What is judged: a workload with its images, or one image by itself.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub workload: Option<&'a WorkloadRef>,
    pub images: &'a [ImageUnderTest<'a>],
}

/// One container's image and what is known of it. A container whose pods run two digests appears twice.
#[derive(Debug, Clone)]
pub struct ImageUnderTest<'a> {
    /// Absent when an image is judged by itself.
    pub container: Option<&'a Container>,
    /// As written by the user; canonical where it can be read.
    pub image: String,
    pub reference: Option<ImageReference>,
    /// Digest by which nodes or the template name it. Absent: a tag that is not resolved, or an image judged by itself.
    pub reported: Option<Digest>,
    pub facts: ImageFacts,
}

impl ImageUnderTest<'_> {
    /// Canonical name without tag and digest; the raw text if it is no reference.
    #[must_use]
    pub fn name(&self) -> String {
        self.reference.as_ref().map_or_else(|| self.image.clone(), ImageReference::name)
    }
}

/// Judges `subject` by `policy` at `now`.
///
/// Deterministic and independent of the order of images. A rule that cannot be judged makes the verdict Unknown unless another
/// rule is violated anyway: more knowledge could not acquit it.
#[must_use]
pub fn evaluate(policy: &Policy, subject: &Subject<'_>, now: DateTime<Utc>) -> Verdict {
    let mut judge = Judge {
        policy,
        workload: subject.workload,
        now,
        verdict: Verdict {
            compliance: Compliance::Compliant,
            is_complete: true,
            checks: Vec::new(),
            suppressed: 0,
            fixable_critical: 0,
            known_exploited: 0,
            changes_at: None,
        },
    };
    let exceptions_end = policy.exceptions.iter().filter_map(|exception| exception.expires_at);
    exceptions_end.for_each(|end| judge.may_change_at(end));
    for image in subject.images.iter().filter(|image| policy.selector.selects_image(&image.name())) {
        judge.image(image);
    }
    judge.finish()
}

struct Judge<'a> {
    policy: &'a Policy,
    workload: Option<&'a WorkloadRef>,
    now: DateTime<Utc>,
    verdict: Verdict,
}

impl Judge<'_> {
    fn image(&mut self, image: &ImageUnderTest<'_>) {
        let rules = &self.policy.rules;
        let name = image.name();
        for violation in checks::reference(&rules.image, image) {
            self.record(violation, image, &name);
        }
        for violation in checks::knowledge(&rules.image, &image.facts, self.now) {
            self.record(violation, image, &name);
        }
        self.verdict.is_complete &= match &image.facts {
            ImageFacts::Scanned(facts) => facts.unanalysed == 0 && facts.matched.is_some(),
            _ => false,
        };
        if let ImageFacts::Scanned(facts) = &image.facts {
            if let Some(end) = checks::ages_at(&rules.image, facts) {
                self.may_change_at(end);
            }
            for violation in checks::contents(&rules.image, image, facts, self.now) {
                self.record(violation, image, &name);
            }
            self.findings(image, &name, facts);
        }
        for rule in &self.policy.not_evaluated {
            let violation = Violation {
                id: "BW-GEN-001",
                rule: "rules",
                effect: Effect::Unknown,
                severity: Severity::Unknown,
                observed: format!("{rule} is set"),
                allowed: "rules that this version evaluates".into(),
                remedy: format!("remove {rule}, or use a version of Breakwater that evaluates it"),
                findings: vec![],
            };
            self.record(violation, image, &name);
        }
    }

    fn findings(&mut self, image: &ImageUnderTest<'_>, name: &str, facts: &ScannedImage) {
        let Some(rule) = &self.policy.rules.vulnerabilities else { return };
        if facts.matched.is_none() {
            self.record(checks::unmatched(), image, name);
            return;
        }
        let mut grown: Vec<&Finding> = Vec::new();
        for finding in &facts.findings {
            let ends = checks::grace_ends(&rule.grace, finding, &facts.history);
            match ends.filter(|end| self.now < *end) {
                Some(end) => self.may_change_at(end),
                None => grown.push(finding),
            }
        }
        let excepted = |check, finding: &Finding| self.excepts(check, finding, name);
        let suppressed =
            |finding: &&Finding| checks::VULNERABILITY_CHECKS.iter().any(|check| excepted(*check, finding));
        let critical = |finding: &&&Finding| {
            finding.is_fixable() && finding.severity == Severity::Critical && !excepted(checks::MAX, finding)
        };
        let exploited =
            |finding: &&Finding| finding.known_exploited && !excepted(checks::KNOWN_EXPLOITED, finding);
        let counts = [
            facts.findings.iter().filter(suppressed).count(),
            grown.iter().filter(critical).count(),
            facts.findings.iter().filter(exploited).count(),
        ];
        let violations = checks::vulnerabilities(rule, |check, which| {
            let keep = |finding: &&Finding| !excepted(check, finding);
            match which {
                Grown::AtOnce => facts.findings.iter().filter(keep).collect(),
                Grown::AfterGrace => grown.iter().copied().filter(keep).collect(),
            }
        });
        let verdict = &mut self.verdict;
        let totals = [&mut verdict.suppressed, &mut verdict.fixable_critical, &mut verdict.known_exploited];
        for (total, count) in totals.into_iter().zip(counts) {
            *total = total.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        for violation in violations {
            self.record(violation, image, name);
        }
    }

    /// Whether an exception takes this finding from this check. One that names rules takes it from those only.
    fn excepts(&self, (check, rule): VulnerabilityCheck, finding: &Finding, image_name: &str) -> bool {
        let place = Place { check, rule, image_name, workload: self.workload };
        self.policy.exceptions.iter().any(|exception| exception.covers_finding(finding, &place, self.now))
    }

    fn record(&mut self, violation: Violation, image: &ImageUnderTest<'_>, name: &str) {
        let place =
            Place { check: violation.id, rule: violation.rule, image_name: name, workload: self.workload };
        let exception =
            self.policy.exceptions.iter().find(|exception| exception.covers_check(&place, self.now));
        self.verdict.checks.push(Check {
            id: violation.id,
            rule: violation.rule,
            effect: if exception.is_some() { Effect::Suppressed } else { violation.effect },
            container: image.container.map(|container| container.name.clone()).unwrap_or_default(),
            image: crate::printable::line(&image.image, crate::reference::MAX_REFERENCE),
            digest: match &image.facts {
                ImageFacts::Scanned(facts) => Some(facts.digest.clone()),
                _ => None,
            },
            reported: image.reported.clone(),
            is_evidence: matches!(image.facts, ImageFacts::Scanned(_)),
            severity: violation.severity,
            observed: violation.observed,
            allowed: violation.allowed,
            remedy: violation.remedy,
            findings: violation.findings,
            suppressed_by: exception.map(|exception| exception.name.clone()),
        });
    }

    fn may_change_at(&mut self, time: DateTime<Utc>) {
        if time > self.now {
            self.verdict.changes_at = Some(self.verdict.changes_at.map_or(time, |known| known.min(time)));
        }
    }

    fn finish(mut self) -> Verdict {
        self.verdict.checks.sort_by(|a, b| b.effect.cmp(&a.effect).then_with(|| a.cmp(b)));
        self.verdict.checks.dedup();
        let worst = self.verdict.checks.iter().map(|check| check.effect).max();
        self.verdict.compliance = match worst {
            Some(Effect::Violation) => Compliance::Violating,
            Some(Effect::Unknown) => Compliance::Unknown,
            _ => Compliance::Compliant,
        };
        self.verdict
    }
}
