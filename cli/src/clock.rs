//! The one place that reads the clock.

use chrono::{DateTime, Utc};

#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
