use chrono::{DateTime, TimeDelta, Utc};

/// The longest a hold may last, in hours: it buys time for a fix, it is no exception.
pub const MAX_HOLD_HOURS: i64 = 72;

/// `breakwater.dev/hold-until: <RFC 3339 time>; <reason>` on a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub until: DateTime<Utc>,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHold {
    #[error("expected \"<RFC 3339 time>; <reason>\"")]
    Malformed,
    #[error("the reason is empty")]
    NoReason,
    #[error("further ahead than {MAX_HOLD_HOURS} hours")]
    TooLong,
}

impl Hold {
    /// A hold that is in force at `now`; `Ok(None)` when it is over.
    ///
    /// One further ahead than [`MAX_HOLD_HOURS`] is refused, not cut: the annotation carries no time of writing, so a hold that was cut
    /// anew at each look would never end.
    pub fn parse(value: &str, now: DateTime<Utc>) -> Result<Option<Self>, InvalidHold> {
        let (time, reason) = value.split_once(';').ok_or(InvalidHold::Malformed)?;
        let until: DateTime<Utc> = time.trim().parse().map_err(|_| InvalidHold::Malformed)?;
        let reason = crate::printable::line(reason.trim(), 200);
        if reason.is_empty() {
            return Err(InvalidHold::NoReason);
        }
        if until > now + TimeDelta::hours(MAX_HOLD_HOURS) {
            return Err(InvalidHold::TooLong);
        }
        Ok((now < until).then_some(Self { until, reason }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_needs_a_near_time_and_a_reason() {
        let now: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let hold = |text: &str| Hold::parse(text, now);
        assert_eq!(hold("2026-01-01T05:00:00Z; fix in review").unwrap().unwrap().reason, "fix in review");
        assert_eq!(hold("2025-12-31T05:00:00Z; fix in review").unwrap(), None, "it is over");
        assert_eq!(hold("2026-01-04T00:00:01Z; x").unwrap_err(), InvalidHold::TooLong);
        assert!(hold("2026-01-04T00:00:00Z; x").unwrap().is_some());
        assert_eq!(hold("2026-01-01T05:00:00Z; ").unwrap_err(), InvalidHold::NoReason);
        assert_eq!(hold("tomorrow; x").unwrap_err(), InvalidHold::Malformed);
        assert_eq!(hold("2026-01-01T05:00:00Z").unwrap_err(), InvalidHold::Malformed);
    }
}
