//! What to do about a workload that violates a policy: decided here, without I/O; carried out elsewhere, without decisions.
//!
//! [`plan`] is one state machine per target (an object with its UID). It is asked again after every single step, so that a crash between
//! two writes is nothing special: the next caller reads the [`WorkloadRecord`] and the live object, and the same function returns what
//! is left to do.
//!
//! ```text
//! each policy:  violating ─▶ Planned ─second look─▶ announced ─grace─▶ due ─┐
//! the target:                                                               └▶ Recorded ─annotation, /scale─▶ Applied ─pods gone─▶ Verified
//!                                                                                  │                           │                 │
//!                                                                                  └──────────▶ Restoring ◀────┴─────────────────┘ ─▶ Closed
//! ```

mod active;
mod blocker;
mod breaker;
mod budget;
mod candidate;
mod containment;
mod facts;
mod hold;
mod opt_in;
mod pending;
mod plan;
mod record;
mod release;
mod remediation;
mod request;
mod safeguards;
mod status;
mod step;

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod tests;

pub use blocker::Blocker;
pub use breaker::{Breaker, BreakerState};
pub use budget::{BudgetUse, Settings};
pub use containment::{CloseReason, ContainedPod, Containment, Holder, PendingRelease, Phase};
pub use facts::{
    Delivery, Facts, IndexFacts, Live, LivePod, NamespaceFacts, Policies, PolicyVerdict, Target,
};
pub use hold::{Hold, InvalidHold, MAX_HOLD_HOURS};
pub use opt_in::{OptIn, OptIns};
pub use plan::plan;
pub use record::{
    Cause, History, MAX_RECORDS, MAX_RECORDS_OF_NAMESPACE, Notice, RECORD_VERSION, RETENTION_DAYS, TargetId,
    WorkloadRecord, record_name,
};
pub use remediation::{ActionKind, Limits, Mode, Remediation, Restore, Trigger, When};
pub use status::{MitigationStatus, State};
pub use step::{About, Message, Note, Plan, Step};
