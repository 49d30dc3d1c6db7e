//! Whether a latch is to be let go, and why.

use chrono::{DateTime, Utc};

use super::{Because, Blocker, Case, Facts, Holder, Latch, Mode, budget, latched::UNDO};
use crate::policy::{Compliance, Policy};

/// `Err`: it would be let go but for this.
pub(super) fn release(
    facts: &Facts<'_>,
    case: &Case,
    latch: &Latch,
    now: DateTime<Utc>,
) -> Result<Option<Because>, Blocker> {
    if is_undone(facts, latch) {
        return Ok(Some(Because::Undo));
    }
    let standings: Vec<Standing> = latch.holders.iter().map(|holder| standing(facts, holder)).collect();
    let because = match standings.iter().max() {
        None | Some(Standing::Deleted) => Some(Because::PolicyDeleted),
        Some(Standing::Off) => Some(Because::PolicyOff),
        Some(Standing::Compliant) => Some(Because::Compliant),
        Some(Standing::Holds | Standing::Unknown) => after(facts, case, latch, now).then_some(Because::After),
    };
    let Some(because) = because else { return Ok(None) };
    if because.is_explicit() {
        return Ok(Some(because));
    }
    // An older index knows fewer advisories: it acquits out of ignorance.
    let have = facts.index_revision.ok_or(Blocker::IndexMissing)?;
    if have < latch.index_revision {
        return Err(Blocker::IndexOlder { have, needed: latch.index_revision });
    }
    let second_look = facts.second_look_at(latch.since);
    if now < second_look {
        return Err(Blocker::SecondLook(second_look));
    }
    if facts.breaker.is_open() {
        return Err(Blocker::BreakerOpen);
    }
    facts.settings.allows_restore(&budget::usage(facts.cases, &facts.target.namespace, None, now))?;
    Ok(Some(because))
}

/// Asked for by the nonce of this very latch; any other value is stale and ignored, never refused.
///
/// Nothing is read from an object that has a controller: the admission policy that checks the verb lets those pass, so that controllers
/// may copy annotations, and whoever may edit an object may claim a controller for it.
fn is_undone(facts: &Facts<'_>, latch: &Latch) -> bool {
    let cached = facts.workload.filter(|workload| workload.controlled_by.is_none());
    let cached = cached.and_then(|workload| workload.annotations.get(UNDO).map(String::as_str));
    let live = facts.live.and_then(|live| live.target.as_ref());
    let live = live.map(|target| target.undo.as_deref().filter(|_| target.controlled_by.is_none()));
    live.unwrap_or(cached) == Some(latch.nonce.as_str())
}

/// How firmly a policy holds; the firmest of several decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Deleted,
    Off,
    Compliant,
    Unknown,
    Holds,
}

fn standing(facts: &Facts<'_>, holder: &Holder) -> Standing {
    let policy = match facts.policies.known.get(&holder.policy_uid) {
        None if facts.policies.complete => return Standing::Deleted,
        None | Some(None) => return Standing::Unknown,
        Some(Some(policy)) => policy,
    };
    if policy.remediation.mode != Mode::Enforce {
        return Standing::Off;
    }
    let opinion = facts.opinions.iter().find(|opinion| opinion.policy.id.uid == holder.policy_uid);
    match opinion {
        Some(opinion) => match opinion.verdict.compliance {
            Compliance::Violating => Standing::Holds,
            Compliance::Unknown => Standing::Unknown,
            Compliance::Compliant if policy.remediation.restore.on_compliant => Standing::Compliant,
            Compliance::Compliant => Standing::Holds,
        },
        // Not judged is not acquitted, unless the policy does not mean this workload any more.
        None if is_out_of_scope(facts, policy) => Standing::Off,
        None => Standing::Unknown,
    }
}

fn is_out_of_scope(facts: &Facts<'_>, policy: &Policy) -> bool {
    facts.workload.is_some_and(|workload| !policy.selector.selects(workload, &policy.id.namespace))
}

/// `restore.after` of every policy that still holds it is over, and it was not used before.
fn after(facts: &Facts<'_>, case: &Case, latch: &Latch, now: DateTime<Utc>) -> bool {
    if case.history.restored_after {
        return false;
    }
    latch.holders.iter().all(|holder| {
        let policy = facts.policies.known.get(&holder.policy_uid).and_then(Option::as_ref);
        let after = policy.and_then(|policy| policy.remediation.restore.after);
        after.and_then(|after| latch.time.checked_add_signed(after)).is_some_and(|end| end <= now)
    })
}

/// When `restore.after` may let it go.
pub(super) fn after_at(facts: &Facts<'_>, case: &Case, latch: &Latch) -> Option<DateTime<Utc>> {
    if case.history.restored_after {
        return None;
    }
    let afters = latch.holders.iter().filter_map(|holder| {
        facts.policies.known.get(&holder.policy_uid).and_then(Option::as_ref)?.remediation.restore.after
    });
    afters.max().and_then(|after| latch.time.checked_add_signed(after))
}
