#![no_main]
//! The first line is a cron expression, the second a time zone, the third when it last ran.
use breakwater_core::schedule::{Recurrence, Schedule};
use chrono::{DateTime, TimeDelta, Utc};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (pattern, zone) = (lines.next().unwrap_or_default(), lines.next());
    let last: Option<DateTime<Utc>> = lines.next().and_then(|last| last.parse().ok());
    let start = DateTime::UNIX_EPOCH;
    let cron = Recurrence::cron(pattern, zone).ok();
    for recurrence in cron.into_iter().chain([Recurrence::Every(TimeDelta::hours(1))]) {
        for starting_deadline in [None, Some(TimeDelta::hours(2))] {
            let schedule = Schedule {
                recurrence: recurrence.clone(),
                jitter: TimeDelta::minutes(30),
                starting_deadline,
            };
            for last in [None, last] {
                let due = schedule.due(last, start, "fuzz", start);
                assert!(due.next.is_none_or(|next| next > start) || due.now);
            }
        }
    }
});
