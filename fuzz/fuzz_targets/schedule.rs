#![no_main]
//! The first line is a cron expression, the second a time zone.
use breakwater_core::schedule::{Recurrence, Schedule};
use chrono::{DateTime, TimeDelta};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (pattern, zone) = text.split_once('\n').map_or((text, None), |(pattern, zone)| (pattern, Some(zone)));
    if let Ok(recurrence) = Recurrence::cron(pattern, zone) {
        let schedule = Schedule { recurrence, jitter: TimeDelta::zero(), starting_deadline: None };
        let start = DateTime::UNIX_EPOCH;
        let due = schedule.due(None, start, "fuzz", start);
        assert!(due.next.is_none_or(|next| next > start));
    }
});
