use chrono::{DateTime, Utc};

use super::{Facts, Hold, InvalidHold, Plan, active, pending};
use crate::names::HOLD_UNTIL;

/// Returns the next step for one target, or none, and how it stands to each policy.
///
/// Guarantees: no mutating step without all three opt-ins (an undo needs the right to write only), on an exempt namespace or kind, on an
/// Unknown verdict, beyond a budget or through an open breaker; `Scale` to 0 only after the record and the annotation exist, and to
/// anything but 0 only to the count that the record holds, only while the live count is 0. Assumes: asked again after each step with
/// fresh facts; `live` was read for this decision and not before the record was last written; one caller at a time over all targets
/// (budgets are counted, not reserved).
#[must_use]
pub fn plan(facts: &Facts<'_>, now: DateTime<Utc>) -> Plan {
    match facts.record.and_then(|record| record.open().map(|containment| (record, containment))) {
        Some((record, containment)) => active::plan(facts, record, containment, now),
        None => pending::plan(facts, now),
    }
}

impl Facts<'_> {
    /// The kill switches: the operator's, and the namespace's where it is known.
    pub(super) fn paused(&self) -> Option<&'static str> {
        let cached = self.workload.is_some_and(|workload| workload.namespace_paused);
        let namespace = self.live.map_or(cached, |live| live.namespace.paused);
        self.paused.or(namespace.then_some("by the annotation of the namespace"))
    }

    /// The value of the hold annotation, from the newest source. An object that has a controller is not read: the admission policy that
    /// checks the verb lets those pass, so that controllers may copy annotations.
    pub(super) fn hold_annotation(&self) -> Option<&str> {
        match self.live.and_then(|live| live.target.as_ref()) {
            Some(target) => target.hold.as_deref().filter(|_| target.controlled_by.is_none()),
            None => {
                let workload = self.workload.filter(|workload| workload.controlled_by.is_none())?;
                workload.annotations.get(HOLD_UNTIL).map(String::as_str)
            }
        }
    }

    pub(super) fn hold(&self, now: DateTime<Utc>) -> Result<Option<Hold>, InvalidHold> {
        self.hold_annotation().map_or(Ok(None), |value| Hold::parse(value, now))
    }
}
