//! What one policy asks for about one workload: the first trigger whose conditions all hold.

use chrono::TimeDelta;

use super::{ActionKind, Blocker, Limits, Mode, Restore, Trigger, When};
use crate::{
    policy::{Compliance, Effect, Policy, PolicyId, Verdict},
    workload::WorkloadKind,
};

/// The most finding ids that a record lists.
const MAX_FINDINGS: usize = 20;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demand {
    pub(super) policy: PolicyId,
    pub(super) mode: Mode,
    pub(super) action: ActionKind,
    pub(super) grace: TimeDelta,
    /// Ids of the violated checks, sorted.
    pub(super) rules: Vec<String>,
    pub(super) findings: Vec<String>,
    /// Names of the containers that violate, sorted.
    pub(super) containers: Vec<String>,
    pub(super) restore: Restore,
    pub(super) limits: Limits,
    pub(super) kinds: Vec<WorkloadKind>,
}

/// `Ok(None)`: it asks for nothing. A policy that is suspended asks for nothing new.
pub(super) fn demand(policy: &Policy, verdict: &Verdict) -> Result<Option<Demand>, Blocker> {
    let remediation = &policy.remediation;
    if policy.suspended || remediation.mode == Mode::Off || verdict.compliance != Compliance::Violating {
        return Ok(None);
    }
    let Some(trigger) = first(&remediation.triggers, verdict)? else { return Ok(None) };
    let violations = || verdict.with(Effect::Violation);
    let mut findings: Vec<String> = violations().flat_map(|check| check.findings.iter().cloned()).collect();
    let mut containers: Vec<String> = violations().map(|check| check.container.clone()).collect();
    for list in [&mut findings, &mut containers] {
        list.sort_unstable();
        list.dedup();
    }
    findings.truncate(MAX_FINDINGS);
    Ok(Some(Demand {
        policy: policy.id.clone(),
        mode: remediation.mode,
        action: trigger.action,
        grace: trigger.grace.max(TimeDelta::zero()),
        rules: verdict.violated().into_iter().map(str::to_owned).collect(),
        findings,
        containers,
        restore: remediation.restore,
        limits: remediation.limits,
        kinds: remediation.kinds.clone(),
    }))
}

/// A trigger that asks for a fact which is not computed might hold: what comes after it must not decide in its place.
fn first<'a>(triggers: &'a [Trigger], verdict: &Verdict) -> Result<Option<&'a Trigger>, Blocker> {
    match triggers.iter().find(|trigger| holds(&trigger.when, verdict)) {
        Some(trigger) if trigger.when.risk.is_some() => Err(Blocker::NotAvailable("a trigger on risk")),
        trigger => Ok(trigger),
    }
}

/// All conditions but risk.
fn holds(when: &When, verdict: &Verdict) -> bool {
    when.fixable_critical.is_none_or(|least| verdict.fixable_critical >= least)
        && when.known_exploited.is_none_or(|wanted| (verdict.known_exploited > 0) == wanted)
        && (when.rules.is_empty()
            || verdict
                .with(Effect::Violation)
                .any(|check| when.rules.iter().any(|rule| rule == check.id || rule == check.rule)))
}

impl Demand {
    /// Which of several policies leads: one that enforces before one that only watches, the stronger action, the shorter grace.
    pub(super) fn precedence(&self) -> impl Ord + use<> {
        let enforces = self.mode == Mode::Enforce;
        (enforces, self.action, std::cmp::Reverse(self.grace), std::cmp::Reverse(self.policy.clone()))
    }
}
