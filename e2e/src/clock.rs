//! The one place of this crate that reads the clock, and the one way it waits.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// The monotonic time.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Asks `ready` every 50 ms until it answers yes; after `limit` fails with the name of what was awaited.
pub(crate) fn wait(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let start = now();
    while !ready() {
        if start.elapsed() > limit {
            return Err(Error::NotInTime { what: what.to_owned(), seconds: limit.as_secs() });
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}
