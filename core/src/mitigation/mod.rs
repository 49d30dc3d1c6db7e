//! What to do about a workload that violates a policy: decided here, without I/O; carried out elsewhere, without ideas.
//!
//! [`plan`] is one state machine per workload. It is asked again after every single step, so a crash between two writes is nothing
//! special: whoever comes next reads the [`Case`] file and the live object, and the same function says what is left to do.
//!
//! ```text
//! violating ─▶ Planned ─second look─▶ Noticed ─grace─▶ Latched ─/scale─▶ Applied ─pods gone─▶ Verified
//!                 │                      │                │                  │                   │
//!                 └── dry-run stays ─────┴── Cancelled    └── rolled back ───┴───── Restoring ◀──┘ ─▶ Restored
//! ```

mod approach;
mod blocker;
mod breaker;
mod budget;
mod case;
mod demand;
mod evidence;
mod facts;
mod hold;
mod keys;
mod latch;
mod latched;
mod outlook;
mod plan;
mod rails;
mod release;
mod remediation;
mod step;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod tests;

pub use blocker::Blocker;
pub use breaker::{Breaker, BreakerState};
pub use budget::Settings;
pub use case::{Case, History, MAX_CASES, Notice, RETENTION_DAYS, case_name};
pub use facts::{Facts, Live, LivePod, NamespaceFacts, Opinion, Policies, Target};
pub use hold::{Hold, InvalidHold, MAX_HOLD_HOURS};
pub use keys::{Key, Keys};
pub use latch::{Because, Holder, Latch, LatchedPod, Phase};
pub use outlook::{Outlook, State};
pub use plan::plan;
pub use remediation::{ActionKind, Limits, Mode, Remediation, Restore, Trigger, When};
pub use step::{About, Note, Plan, Step};
