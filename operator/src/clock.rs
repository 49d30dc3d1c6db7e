//! The one door through which time comes in.

use chrono::{DateTime, Utc};

/// The wall clock. Everything else takes `now` as an argument.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(self) -> DateTime<Utc> {
        Utc::now()
    }

    /// A clock that never goes back, for deadlines within this process. Tests that pause the runtime's time pause it as well.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub fn monotonic(self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }
}
