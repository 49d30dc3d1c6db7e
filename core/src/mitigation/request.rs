//! What one policy asks for about one workload: the first trigger whose conditions all hold.

use chrono::TimeDelta;

use super::{ActionKind, Blocker, Limits, Mode, Trigger, When, record::MAX_FINDINGS};
use crate::{
    Digest,
    policy::{Check, Compliance, Effect, Policy, PolicyId, Verdict},
    workload::WorkloadKind,
};

/// The most digests that one request or containment is about. A workload in the middle of a roll-out runs two for each container.
pub(super) const MAX_DIGESTS: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RequestedAction {
    pub(super) policy: PolicyId,
    pub(super) mode: Mode,
    pub(super) action: ActionKind,
    pub(super) grace: TimeDelta,
    /// Ids of the violated checks, sorted.
    pub(super) rules: Vec<String>,
    /// Ids of the findings, sorted.
    pub(super) findings: Vec<String>,
    /// Digests that failed a check, as nodes report them and as registries know them; sorted.
    pub(super) digests: Vec<Digest>,
    pub(super) limits: Limits,
    pub(super) kinds: Vec<WorkloadKind>,
}

/// Returns what the policy asks for; `Ok(None)`: nothing. Only violations that rest on facts count: what a policy denies because it is
/// not known (`unscanned: Deny`) is shown and acts on nothing. A suspended policy asks for nothing new.
pub(super) fn request(policy: &Policy, verdict: &Verdict) -> Result<Option<RequestedAction>, Blocker> {
    let remediation = &policy.remediation;
    let evidence: Vec<&Check> = verdict.with(Effect::Violation).filter(|check| check.is_evidence).collect();
    if policy.suspended
        || remediation.mode == Mode::Off
        || verdict.compliance != Compliance::Violating
        || evidence.is_empty()
    {
        return Ok(None);
    }
    let Some(trigger) = first(&remediation.triggers, verdict, &evidence)? else { return Ok(None) };
    let rules = evidence.iter().map(|check| check.id.to_owned());
    let findings = evidence.iter().flat_map(|check| check.findings.iter().cloned());
    let digests = evidence.iter().flat_map(|check| [&check.reported, &check.digest]);
    Ok(Some(RequestedAction {
        policy: policy.id.clone(),
        mode: remediation.mode,
        action: trigger.action,
        grace: trigger.grace.max(TimeDelta::zero()),
        rules: distinct(rules, usize::MAX),
        findings: distinct(findings, MAX_FINDINGS),
        digests: distinct(digests.flatten().cloned(), MAX_DIGESTS),
        limits: remediation.limits,
        kinds: remediation.kinds.clone(),
    }))
}

/// Returns the items sorted, each once, at most `most`.
pub(super) fn distinct<T: Ord>(items: impl Iterator<Item = T>, most: usize) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items.truncate(most);
    items
}

/// A trigger that asks for a fact which is not computed might hold: what comes after it must not decide in its place.
fn first<'a>(
    triggers: &'a [Trigger],
    verdict: &Verdict,
    evidence: &[&Check],
) -> Result<Option<&'a Trigger>, Blocker> {
    match triggers.iter().find(|trigger| holds(&trigger.when, verdict, evidence)) {
        Some(trigger) if trigger.when.risk.is_some() => Err(Blocker::NotAvailable("a trigger on risk")),
        trigger => Ok(trigger),
    }
}

/// Reports whether all conditions but risk hold.
fn holds(when: &When, verdict: &Verdict, evidence: &[&Check]) -> bool {
    when.fixable_critical.is_none_or(|least| verdict.fixable_critical >= least)
        && when.known_exploited.is_none_or(|wanted| (verdict.known_exploited > 0) == wanted)
        && (when.rules.is_empty()
            || evidence
                .iter()
                .any(|check| when.rules.iter().any(|rule| rule == check.id || rule == check.rule)))
}
