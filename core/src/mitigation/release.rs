//! Whether a containment is to be released, and why.

use chrono::{DateTime, Utc};

use super::{Blocker, CloseReason, Containment, Facts, Holder, Mode, PendingRelease, WorkloadRecord};
use crate::{
    names::UNDO,
    policy::{Compliance, Policy},
    workload::Workload,
};

/// What is to be done about a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Release {
    /// It stays contained.
    Keep,
    /// It is to be released when that still holds at the second look; written down first.
    Note(Option<PendingRelease>),
    Now(CloseReason),
}

/// Returns what is to be done; `Err`: it would be released but for this.
pub(super) fn release(
    facts: &Facts<'_>,
    record: &WorkloadRecord,
    containment: &Containment,
    now: DateTime<Utc>,
) -> Result<Release, Blocker> {
    if is_undone(facts, containment) {
        return Ok(Release::Now(CloseReason::Undo));
    }
    let standings = containment.holders.iter().map(|holder| standing(facts, containment, holder, now));
    let reason = match standings.max() {
        None | Some(Standing::Deleted) => Some(CloseReason::PolicyDeleted),
        Some(Standing::Off) => Some(CloseReason::PolicyOff),
        Some(Standing::OutOfScope) => Some(CloseReason::OutOfScope),
        Some(Standing::Compliant) => Some(CloseReason::Compliant),
        Some(Standing::Holds | Standing::Unknown) => {
            after_at(facts, record, containment).filter(|end| *end <= now).map(|_| CloseReason::After)
        }
    };
    let Some(reason) = reason else {
        return Ok(if containment.release.is_some() { Release::Note(None) } else { Release::Keep });
    };
    if reason.is_explicit() {
        return Ok(Release::Now(reason));
    }
    // An older index knows fewer advisories: it would release out of ignorance.
    facts.check_index(containment.index_revision, now)?;
    let pending = containment.release.as_ref().filter(|pending| pending.reason == reason);
    let Some(pending) = pending else {
        return Ok(Release::Note(Some(PendingRelease { reason, since: now })));
    };
    let second_look = facts.second_look_at(pending.since);
    if now < second_look {
        return Err(Blocker::ConfirmationPending(second_look));
    }
    if facts.breaker.is_open() {
        return Err(Blocker::BreakerOpen);
    }
    facts.budget.allows_restore(facts.settings, record.cause, now)?;
    Ok(Release::Now(reason))
}

/// Reports whether an undo is asked for by the nonce of this very containment; any other value is stale and ignored, never refused.
///
/// Nothing is read from an object that has a controller: the admission policy that checks the verb lets those pass, so that controllers
/// may copy annotations, and whoever may edit an object may claim a controller for it.
fn is_undone(facts: &Facts<'_>, containment: &Containment) -> bool {
    let cached = facts.workload.filter(|workload| workload.controlled_by.is_none());
    let cached = cached.and_then(|workload| workload.annotations.get(UNDO).map(String::as_str));
    let live = facts.live.and_then(|live| live.target.as_ref());
    let live = live.map(|target| target.undo.as_deref().filter(|_| target.controlled_by.is_none()));
    live.unwrap_or(cached) == Some(containment.nonce.as_str())
}

/// How firmly a policy holds; the firmest of several decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Deleted,
    Off,
    OutOfScope,
    Compliant,
    Unknown,
    Holds,
}

fn standing(facts: &Facts<'_>, containment: &Containment, holder: &Holder, now: DateTime<Utc>) -> Standing {
    let policy = match facts.policies.known.get(&holder.policy_uid) {
        None if facts.policies.complete => return Standing::Deleted,
        None | Some(None) => return Standing::Unknown,
        Some(Some(policy)) => policy,
    };
    if policy.remediation.mode != Mode::Enforce {
        return Standing::Off;
    }
    let judged = facts.verdicts.iter().find(|judged| judged.policy.id.uid == holder.policy_uid);
    match judged {
        Some(judged) => {
            let is_outdated = judged.verdict.changes_at.is_some_and(|time| time <= now);
            match judged.verdict.compliance {
                Compliance::Violating => Standing::Holds,
                _ if is_outdated || !judged.verdict.is_complete => Standing::Unknown,
                Compliance::Unknown => Standing::Unknown,
                Compliance::Compliant if policy.remediation.restore.on_compliant => Standing::Compliant,
                Compliance::Compliant => Standing::Holds,
            }
        }
        None => facts
            .workload
            .map_or(Standing::Unknown, |workload| uncovered(policy, workload, containment, holder)),
    }
}

/// How a policy stands that does not judge the workload (any more). Not judged is not released, unless it is certain that the policy does
/// not speak about what the template runs.
fn uncovered(policy: &Policy, workload: &Workload, containment: &Containment, holder: &Holder) -> Standing {
    if !policy.selector.selects(workload, &policy.id.namespace) {
        let is_edited = policy.selector.fingerprint() != holder.selector;
        // A namespace is labelled by those who may edit namespaces; a workload by its tenant, and that releases nothing.
        let in_namespace = policy.selector.selects_namespace(workload, &policy.id.namespace);
        let is_own = policy.id.namespace == workload.id.namespace;
        return if is_edited || is_own || !in_namespace { Standing::Off } else { Standing::Holds };
    }
    let runs_contained = workload
        .running
        .iter()
        .filter_map(|image| image.identity.digest())
        .any(|digest| containment.digests.contains(digest));
    if policy.covers(workload) || runs_contained { Standing::Unknown } else { Standing::OutOfScope }
}

/// When `restore.after` releases it: once, and when every policy that still exists and holds it has one.
pub(super) fn after_at(
    facts: &Facts<'_>,
    record: &WorkloadRecord,
    containment: &Containment,
) -> Option<DateTime<Utc>> {
    if record.history.restored_after {
        return None;
    }
    let mut latest = None;
    for holder in &containment.holders {
        let after = match facts.policies.known.get(&holder.policy_uid) {
            None if facts.policies.complete => continue,
            None | Some(None) => return None,
            Some(Some(policy)) => policy.remediation.restore.after?,
        };
        latest = latest.max(Some(containment.time.checked_add_signed(after)?));
    }
    latest
}
