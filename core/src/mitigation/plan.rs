use chrono::{DateTime, Utc};

use super::{Facts, Plan, approach, latched};

/// The next step for one workload, or none, and how it stands.
///
/// Guarantees: no mutating step without all three keys turned (an undo needs the right to write only), on an exempt namespace or kind,
/// on an Unknown verdict, beyond a budget or through an open breaker; `Scale` to anything but 0 only to the count that the latch
/// recorded, only while the live count is 0. Assumes: asked again after each step with fresh facts; `live` was read for this decision
/// and not before the case was last written; one caller at a time over all workloads (budgets are counted, not reserved).
#[must_use]
pub fn plan(facts: &Facts<'_>, now: DateTime<Utc>) -> Plan {
    let case = facts.case.and_then(|case| case.holding().map(|latch| (case, latch)));
    match case {
        Some((case, latch)) => latched::plan(facts, case, latch, now),
        None => approach::plan(facts, now),
    }
}

impl Facts<'_> {
    /// The kill switches: the operator's, and the namespace's where it is known.
    pub(super) fn paused(&self) -> Option<&'static str> {
        let namespace = self.live.is_some_and(|live| live.namespace.paused);
        self.paused.or(namespace.then_some("by the annotation of the namespace"))
    }

    /// When the second look may be taken.
    pub(super) fn second_look_at(&self, first: DateTime<Utc>) -> DateTime<Utc> {
        let first = first.max(self.settled_since);
        first.checked_add_signed(self.settings.second_look).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
