use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Check, Compliance, Effect, ImageFacts, InGrace, Policy, ScannedImage, Verdict,
    checks::{GEN_001, GEN_002, IMG_013, VUL_000, VUL_001, VUL_003},
    exception::{Exceptions, InForce},
    image,
    violation::Violation,
    vulnerability::{self, CheckSet, Counted},
};
use crate::{Digest, ImageReference, Severity, workload::Container, workload::WorkloadRef};

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
    /// Canonical name without tag and digest; the raw text if it is not a reference.
    #[must_use]
    pub fn name(&self) -> String {
        self.reference.as_ref().map_or_else(|| self.image.clone(), ImageReference::name)
    }
}

/// Judges `subject` by `policy` at `now`. Who judges often keeps a [`Judge`].
///
/// Deterministic and independent of the order of images. A rule that cannot be judged makes the verdict Unknown unless another
/// rule is violated anyway: more knowledge could not acquit it.
#[must_use]
pub fn evaluate(policy: &Policy, subject: &Subject<'_>, now: DateTime<Utc>) -> Verdict {
    Judge::new(Arc::new(policy.clone())).evaluate(subject, now)
}

/// A policy prepared for judging.
#[derive(Debug, Clone)]
pub struct Judge {
    policy: Arc<Policy>,
    exceptions: Exceptions,
    has_rules: bool,
}

/// The part of a verdict that one image contributes: the same for every container of the same kind, user and workload exceptions.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageVerdict {
    /// Without the container's name.
    checks: Vec<Check>,
    is_complete: bool,
    suppressed: u32,
    fixable_critical: u32,
    known_exploited: u32,
    in_grace: InGrace,
    advisories_at: Option<DateTime<Utc>>,
    /// When it may change by the mere passing of time.
    pub changes_at: Option<DateTime<Utc>>,
}

impl Judge {
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        let exceptions = Exceptions::new(&policy.exceptions);
        let has_rules = policy.has_rules();
        Self { policy, exceptions, has_rules }
    }

    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Judges `subject` at `now`: see [`evaluate`].
    #[must_use]
    pub fn evaluate(&self, subject: &Subject<'_>, now: DateTime<Utc>) -> Verdict {
        let images = subject.images.iter().filter(|image| self.policy.selector.selects_image(&image.name()));
        let parts: Vec<(&str, ImageVerdict)> =
            images.map(|image| (image.container_name(), self.image(image, subject.workload, now))).collect();
        Verdict::of(parts.iter().map(|(container, part)| (*container, part)))
    }

    /// The positions of the exceptions that name workloads and cover this one. Two workloads for which they are equal are judged
    /// alike by [`Self::image`].
    #[must_use]
    pub fn workload_exceptions(&self, workload: Option<&WorkloadRef>) -> Vec<u16> {
        self.exceptions.of_workload(workload)
    }

    /// Judges one image, which the policy selects.
    #[must_use]
    pub fn image(
        &self,
        image: &ImageUnderTest<'_>,
        workload: Option<&WorkloadRef>,
        now: DateTime<Utc>,
    ) -> ImageVerdict {
        let name = image.name();
        let mut work = Work {
            now,
            image,
            exceptions: self.exceptions.in_force(&name, workload, now),
            verdict: ImageVerdict {
                checks: Vec::new(),
                is_complete: true,
                suppressed: 0,
                fixable_critical: 0,
                known_exploited: 0,
                in_grace: InGrace::default(),
                advisories_at: None,
                changes_at: self.exceptions.next_end(now),
            },
        };
        work.judge(&self.policy, &name, self.has_rules);
        work.verdict.checks.sort_by(worst_first);
        work.verdict.checks.dedup();
        work.verdict
    }
}

fn worst_first(a: &Check, b: &Check) -> std::cmp::Ordering {
    b.effect.cmp(&a.effect).then_with(|| a.cmp(b))
}

/// One image under judgement.
struct Work<'a> {
    now: DateTime<Utc>,
    image: &'a ImageUnderTest<'a>,
    exceptions: InForce<'a>,
    verdict: ImageVerdict,
}

impl<'a> Work<'a> {
    fn judge(&mut self, policy: &Policy, name: &str, has_rules: bool) {
        let rules = &policy.rules;
        self.record_all(image::reference(&rules.image, self.image, name));
        self.record_all(image::knowledge(&rules.image, &self.image.facts, self.now));
        let image: &'a ImageUnderTest<'a> = self.image;
        match &image.facts {
            ImageFacts::Scanned(facts) => {
                self.verdict.is_complete &= facts.unanalysed == 0 && facts.matched.is_some();
                self.verdict.advisories_at = facts.matched.map(|matched| matched.at);
                if let Some(end) = image::ages_at(&rules.image, facts) {
                    self.may_change_at(end);
                }
                self.record_all(image::contents(&rules.image, self.image, facts, self.now));
                self.findings(policy, facts);
            }
            _ => self.verdict.is_complete = false,
        }
        for rule in &policy.not_evaluated {
            let (observed, allowed) = (format!("{rule} is set"), "rules that this version evaluates");
            let violation = Violation::new(&GEN_001, Severity::Unknown, observed, allowed).unknown();
            let remedy = format!("remove {rule}, or use a version of Breakwater that evaluates it");
            self.record(Violation { remedy, ..violation });
        }
        if !has_rules {
            let observed = "the policy has no rules";
            self.record(Violation::new(&GEN_002, Severity::Unknown, observed, "at least one rule").unknown());
        }
    }

    fn findings(&mut self, policy: &Policy, facts: &'a ScannedImage) {
        let Some(rule) = &policy.rules.vulnerabilities else { return };
        if facts.matched.is_none() {
            let observed = "no advisory index is loaded";
            self.record(
                Violation::new(&VUL_000, Severity::Unknown, observed, "findings to judge by").unknown(),
            );
            return;
        }
        let mut counted = Vec::with_capacity(facts.findings.len());
        for finding in &facts.findings {
            let ends = vulnerability::grace_ends(&rule.grace, finding, &facts.history);
            let grace_ends = ends.filter(|end| self.now < *end);
            counted.push(Counted { finding, excepted: self.exceptions.of_finding(finding), grace_ends });
        }
        let mut ends = counted.iter().filter_map(|counted| counted.grace_ends);
        if let Some(first) = ends.next() {
            let (count, first) = ends.fold((1_u32, first), |(count, first), end| (count + 1, first.min(end)));
            self.verdict.in_grace = InGrace { count, first_ends: Some(first) };
            self.may_change_at(first);
        }
        let (max, exploited) = (CheckSet::of(&VUL_001), CheckSet::of(&VUL_003));
        let of = |holds: &dyn Fn(&Counted<'_>) -> bool| {
            let number = counted.iter().filter(|counted| holds(counted)).count();
            u32::try_from(number).unwrap_or(u32::MAX)
        };
        self.verdict.suppressed = of(&|counted| !counted.excepted.is_empty());
        self.verdict.fixable_critical = of(&|counted| {
            counted.finding.is_fixable()
                && counted.finding.severity == Severity::Critical
                && counted.grace_ends.is_none()
                && !counted.excepted.intersects(max)
        });
        self.verdict.known_exploited =
            of(&|counted| counted.finding.known_exploited && !counted.excepted.intersects(exploited));
        let mut violations = vulnerability::vulnerabilities(rule, facts, &counted);
        // What was matched against stale data is shown, and justifies nothing.
        let is_stale = |check: &Check| check.id == IMG_013.id && check.effect == Effect::Unknown;
        if self.verdict.checks.iter().any(is_stale) {
            (self.verdict.fixable_critical, self.verdict.known_exploited) = (0, 0);
            violations.iter_mut().for_each(|violation| violation.is_evidence = false);
        }
        self.record_all(violations);
    }

    fn record_all(&mut self, violations: Vec<Violation>) {
        violations.into_iter().for_each(|violation| self.record(violation));
    }

    fn record(&mut self, violation: Violation) {
        // An exception tolerates what is not known. It does not make it known.
        self.verdict.is_complete &= violation.effect != Effect::Unknown;
        let exception = self.exceptions.of_check(&violation);
        self.verdict.checks.push(Check {
            id: violation.check.id,
            rule: violation.check.rule,
            effect: if exception.is_some() { Effect::Suppressed } else { violation.effect },
            container: String::new(),
            image: crate::printable::line(&self.image.image, crate::reference::MAX_REFERENCE),
            digest: match &self.image.facts {
                ImageFacts::Scanned(facts) => Some(facts.digest.clone()),
                _ => None,
            },
            reported: self.image.reported.clone(),
            is_evidence: violation.is_evidence,
            severity: violation.severity,
            observed: violation.observed,
            allowed: violation.allowed,
            remedy: violation.remedy,
            findings: violation.findings,
            suppressed_by: exception.map(str::to_owned),
        });
    }

    fn may_change_at(&mut self, time: DateTime<Utc>) {
        if time > self.now {
            let known = self.verdict.changes_at;
            self.verdict.changes_at = Some(known.map_or(time, |known| known.min(time)));
        }
    }
}

impl ImageUnderTest<'_> {
    /// The container's name; empty where an image is judged by itself.
    #[must_use]
    pub fn container_name(&self) -> &str {
        self.container.map(|container| container.name.as_str()).unwrap_or_default()
    }
}

impl Verdict {
    /// Joins what each image contributes, with the name of its container. Without any image nothing is violated.
    pub fn of<'a>(parts: impl Iterator<Item = (&'a str, &'a ImageVerdict)>) -> Self {
        let mut verdict = Self {
            compliance: Compliance::Compliant,
            is_complete: true,
            checks: Vec::new(),
            suppressed: 0,
            fixable_critical: 0,
            known_exploited: 0,
            in_grace: InGrace::default(),
            advisories_at: None,
            changes_at: None,
        };
        for (container, part) in parts {
            let named =
                part.checks.iter().map(|check| Check { container: container.into(), ..check.clone() });
            verdict.checks.extend(named);
            verdict.is_complete &= part.is_complete;
            verdict.suppressed = verdict.suppressed.saturating_add(part.suppressed);
            verdict.fixable_critical = verdict.fixable_critical.saturating_add(part.fixable_critical);
            verdict.known_exploited = verdict.known_exploited.saturating_add(part.known_exploited);
            verdict.in_grace = verdict.in_grace.and(part.in_grace);
            verdict.advisories_at = earliest(verdict.advisories_at, part.advisories_at);
            verdict.changes_at = earliest(verdict.changes_at, part.changes_at);
        }
        verdict.checks.sort_by(worst_first);
        verdict.checks.dedup();
        verdict.compliance = match verdict.checks.first().map(|check| check.effect) {
            Some(Effect::Violation) => Compliance::Violating,
            Some(Effect::Unknown) => Compliance::Unknown,
            _ => Compliance::Compliant,
        };
        verdict
    }
}

pub(super) fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
