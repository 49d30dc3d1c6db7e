use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// When work that repeats is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub recurrence: Recurrence,
    /// Up to this much later than due, spread by name, so that a hundred policies do not start in the same second.
    pub jitter: TimeDelta,
    /// A run missed by more than this is left out and the next one awaited. `None`: it is made up for.
    pub starting_deadline: Option<TimeDelta>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Recurrence {
    Every(TimeDelta),
    Cron { pattern: Box<croner::Cron>, zone: chrono_tz::Tz },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error(
        "{pattern:?} is not a cron expression ({problem}): expected minute hour day-of-month month day-of-week, for example \"0 3 * * *\""
    )]
    Cron { pattern: String, problem: String },
    #[error("{pattern:?} never comes due")]
    Never { pattern: String },
    #[error("{0:?} is not a time zone: expected an IANA name, for example Europe/Berlin")]
    TimeZone(String),
    #[error("the interval is shorter than {MIN_INTERVAL_MINUTES} minutes")]
    TooOften,
}

/// The shortest interval, in minutes: a registry is somebody else's machine.
pub const MIN_INTERVAL_MINUTES: i64 = 1;

/// Whether a run is due, and when to look again: decided together, so that both tell the same story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub now: bool,
    /// When the next run is due after the one that is due now, or the one that is awaited.
    pub next: Option<DateTime<Utc>>,
}

impl Recurrence {
    pub fn every(interval: TimeDelta) -> Result<Self, InvalidSchedule> {
        if interval < TimeDelta::minutes(MIN_INTERVAL_MINUTES) {
            return Err(InvalidSchedule::TooOften);
        }
        Ok(Self::Every(interval))
    }

    /// Five fields, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub fn cron(pattern: &str, zone: Option<&str>) -> Result<Self, InvalidSchedule> {
        let shown = crate::printable::line(pattern, 100);
        // The parser's message may quote the whole pattern.
        let named = |problem: String| InvalidSchedule::Cron {
            pattern: shown.clone(),
            problem: crate::printable::line(&problem, 200),
        };
        if !pattern.starts_with('@') && pattern.split_whitespace().count() != 5 {
            return Err(named(format!("{} fields", pattern.split_whitespace().count())));
        }
        // The parser passes over an empty item. A field of nothing else would be searched for, minute by minute, until the year 5000.
        if pattern.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err(named("an empty item in a list".to_owned()));
        }
        let cron = croner::Cron::from_str(pattern).map_err(|error| named(error.to_string()))?;
        let zone = match zone {
            Some(name) => {
                name.parse().map_err(|_| InvalidSchedule::TimeZone(crate::printable::line(name, 60)))?
            }
            None => chrono_tz::UTC,
        };
        let never = InvalidSchedule::Never { pattern: shown.clone() };
        // A fixed day is as good as any: the question is whether there is a next time at all (30 February has none).
        let anchor = DateTime::<Utc>::UNIX_EPOCH.with_timezone(&zone);
        cron.find_next_occurrence(&anchor, false).map_err(|_| never)?;
        Ok(Self::Cron { pattern: Box::new(cron), zone })
    }

    fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Every(interval) => time.checked_add_signed(*interval),
            Self::Cron { pattern, zone } => {
                // On the first and the last day of the calendar some zones have no local time, and asking for it panics.
                let day = TimeDelta::days(1);
                time.checked_sub_signed(day).and(time.checked_add_signed(day))?;
                let next = pattern.find_next_occurrence(&time.with_timezone(zone), false).ok()?;
                Some(next.with_timezone(&Utc))
            }
        }
    }
}

impl Schedule {
    /// Whether a run is due at `now`. `last` is when the last run began or, before the first one, `None`: an interval then starts at
    /// once, a cron expression at its next time after `created`. `name` picks this schedule's place within the jitter.
    ///
    /// Runs that were missed are made up for once, or left out if all of them are past the deadline.
    #[must_use]
    pub fn due(
        &self,
        last: Option<DateTime<Utc>>,
        created: DateTime<Utc>,
        name: &str,
        now: DateTime<Utc>,
    ) -> Due {
        let offset = self.offset(name);
        let awaited = match (&self.recurrence, last) {
            (Recurrence::Every(_), None) => created.checked_add_signed(offset),
            // Intervals keep the place that their first run has.
            (Recurrence::Every(interval), Some(last)) => last.checked_add_signed(*interval),
            (Recurrence::Cron { .. }, None) => self.occurrence(created, offset),
            (Recurrence::Cron { .. }, Some(last)) => {
                last.checked_sub_signed(offset).and_then(|last| self.occurrence(last, offset))
            }
        };
        let Some(awaited) = awaited else { return Due { now: false, next: None } };
        if now < awaited {
            return Due { now: false, next: Some(awaited) };
        }
        let in_time = match self.starting_deadline {
            Some(deadline) if now - awaited > deadline => self.first_since(now - deadline, awaited, offset),
            _ => Some(awaited),
        };
        match in_time {
            Some(start) if start <= now => {
                let next = match &self.recurrence {
                    Recurrence::Every(interval) => now.checked_add_signed(*interval),
                    Recurrence::Cron { .. } => self.occurrence(now - offset, offset),
                };
                Due { now: true, next }
            }
            next => Due { now: false, next },
        }
    }

    /// The first run after `time` in the schedule's own frame, with its place in the jitter.
    fn occurrence(&self, time: DateTime<Utc>, offset: TimeDelta) -> Option<DateTime<Utc>> {
        self.recurrence.after(time)?.checked_add_signed(offset)
    }

    /// The first run at or after `earliest`, where `awaited` was one.
    fn first_since(
        &self,
        earliest: DateTime<Utc>,
        awaited: DateTime<Utc>,
        offset: TimeDelta,
    ) -> Option<DateTime<Utc>> {
        match &self.recurrence {
            Recurrence::Every(interval) => {
                let step = interval.num_milliseconds().max(1);
                let missed = (earliest - awaited).num_milliseconds();
                let steps = missed.saturating_add(step - 1).checked_div(step)?;
                awaited.checked_add_signed(TimeDelta::try_milliseconds(steps.checked_mul(step)?)?)
            }
            Recurrence::Cron { .. } => self.occurrence(earliest - offset - TimeDelta::seconds(1), offset),
        }
    }

    /// A stable part of the jitter for this name.
    fn offset(&self, name: &str) -> TimeDelta {
        let hash = crate::Digest::of(name.as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        let share = i64::from(u32::from_be_bytes([a, b, c, d]));
        TimeDelta::milliseconds(self.jitter.num_milliseconds().saturating_mul(share >> 12) >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Where the last run stands, somebody may have written any time.
    #[test]
    fn the_ends_of_the_calendar_have_no_next_run() {
        for zone in ["Europe/Berlin", "America/Lima"] {
            let schedule = Schedule {
                jitter: TimeDelta::hours(1),
                ..schedule(Recurrence::cron("0 3 * * *", Some(zone)).unwrap())
            };
            for last in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
                let now = at("2026-01-01T00:00:00Z");
                assert_eq!(schedule.due(Some(last), now, "p", now), Due { now: false, next: None });
            }
        }
    }

    fn schedule(recurrence: Recurrence) -> Schedule {
        Schedule { recurrence, jitter: TimeDelta::zero(), starting_deadline: None }
    }

    #[test]
    fn an_interval_starts_at_once_and_then_repeats() {
        let hourly = schedule(Recurrence::every(TimeDelta::hours(1)).unwrap());
        let created = at("2026-01-01T00:00:00Z");
        assert!(hourly.due(None, created, "p", created).now);
        let last = Some(at("2026-01-01T00:00:00Z"));
        let due = hourly.due(last, created, "p", at("2026-01-01T00:59:59Z"));
        assert_eq!(due, Due { now: false, next: Some(at("2026-01-01T01:00:00Z")) });
        assert!(hourly.due(last, created, "p", at("2026-01-01T01:00:00Z")).now);
    }

    #[test]
    fn cron_follows_its_zone_through_daylight_saving() {
        let berlin = schedule(Recurrence::cron("0 3 * * *", Some("Europe/Berlin")).unwrap());
        let created = at("2026-03-28T12:00:00Z");
        assert_eq!(berlin.due(None, created, "p", created).next, Some(at("2026-03-29T01:00:00Z")));
        let winter = at("2026-10-25T12:00:00Z");
        assert_eq!(berlin.due(None, winter, "p", winter).next, Some(at("2026-10-26T02:00:00Z")));
    }

    #[test]
    fn a_run_missed_by_more_than_the_deadline_is_left_out() {
        let mut daily = schedule(Recurrence::cron("0 3 * * *", None).unwrap());
        daily.starting_deadline = Some(TimeDelta::minutes(10));
        let last = Some(at("2026-01-01T03:00:00Z"));
        let created = at("2026-01-01T00:00:00Z");
        assert!(daily.due(last, created, "p", at("2026-01-02T03:09:00Z")).now);
        let due = daily.due(last, created, "p", at("2026-01-02T03:11:00Z"));
        assert_eq!(due, Due { now: false, next: Some(at("2026-01-03T03:00:00Z")) });
    }

    #[test]
    fn after_a_run_was_left_out_the_next_one_is_made() {
        for recurrence in [Recurrence::cron("0 3 * * *", None), Recurrence::every(TimeDelta::hours(24))] {
            let mut daily = schedule(recurrence.unwrap());
            daily.starting_deadline = Some(TimeDelta::minutes(10));
            let last = Some(at("2026-01-01T03:00:00Z"));
            let missed = daily.due(last, at("2026-01-01T03:00:00Z"), "p", at("2026-01-02T03:11:00Z"));
            assert_eq!(missed, Due { now: false, next: Some(at("2026-01-03T03:00:00Z")) });
            assert!(daily.due(last, at("2026-01-01T03:00:00Z"), "p", at("2026-01-03T03:00:00Z")).now);
            assert!(daily.due(last, at("2026-01-01T03:00:00Z"), "p", at("2026-01-09T03:10:00Z")).now);
        }
    }

    #[test]
    fn missed_runs_without_a_deadline_are_made_up_for_once() {
        let hourly = schedule(Recurrence::every(TimeDelta::hours(1)).unwrap());
        let created = at("2026-01-01T00:00:00Z");
        let now = at("2026-01-05T00:30:00Z");
        assert!(hourly.due(Some(created), created, "p", now).now);
        assert!(!hourly.due(Some(now), created, "p", now).now);
    }

    #[test]
    fn jitter_moves_every_run_by_the_same_time() {
        let mut often = schedule(Recurrence::cron("*/10 * * * *", None).unwrap());
        often.jitter = TimeDelta::hours(1);
        let mut last = at("2026-01-01T00:00:00Z");
        for _ in 0..5 {
            let next = often.due(Some(last), last, "p", last).next.unwrap();
            assert!(often.due(Some(last), last, "p", next).now);
            assert!(next - last <= TimeDelta::minutes(10), "{}", next - last);
            last = next;
        }
    }

    #[test]
    fn jitter_is_stable_bounded_and_differs_by_name() {
        let mut daily = schedule(Recurrence::cron("0 3 * * *", None).unwrap());
        daily.jitter = TimeDelta::minutes(30);
        let created = at("2026-01-01T00:00:00Z");
        let next = |name| daily.due(None, created, name, created).next.unwrap();
        assert_eq!(next("a"), next("a"));
        assert_ne!(next("a"), next("b"));
        for name in ["a", "b", "c", "d"] {
            assert!((at("2026-01-01T03:00:00Z")..at("2026-01-01T03:30:00Z")).contains(&next(name)));
        }
    }

    #[test]
    fn refuses_what_is_no_schedule() {
        for bad in ["", "x", "* * * *", "60 * * * *", "* * * * * *", "0 0 30 2 *", ", * * * *", "0 3, * * *"]
        {
            assert!(Recurrence::cron(bad, None).is_err(), "{bad}");
        }
        assert!(matches!(
            Recurrence::cron("@daily", Some("Mars/Olympus")),
            Err(InvalidSchedule::TimeZone(_))
        ));
        assert!(Recurrence::every(TimeDelta::seconds(59)).is_err());
    }
}
