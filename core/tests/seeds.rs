//! The seeds of the fuzz targets about the domain's own texts, in every test run: nothing panics, and those named `good-…` are
//! understood.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use breakwater_core::{
    Digest, Inventory, Platform,
    glob::Glob,
    mitigation::Hold,
    schedule::{Recurrence, Schedule},
};
use chrono::{DateTime, TimeDelta};

/// Runs each seed of `target` through `is_understood`.
fn seeds(target: &str, is_understood: impl Fn(&str) -> bool) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_good = path.file_name().unwrap().to_str().unwrap().starts_with("good-");
        assert!(is_understood(&fs::read_to_string(&path).unwrap()) || !is_good, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{}", directory.display());
}

#[test]
fn names() {
    seeds("platform", |text| text.parse::<Platform>().is_ok());
    seeds("digest", |text| text.parse::<Digest>().is_ok() || Digest::from_compact(text).is_some());
    seeds("glob", |text| {
        let (pattern, name) = text.split_once('\n').unwrap();
        Glob::new(pattern).is_ok_and(|glob| glob.matches(name))
    });
}

#[test]
fn times() {
    let now = DateTime::UNIX_EPOCH;
    seeds("schedule", |text| {
        let mut lines = text.splitn(3, '\n');
        let (pattern, zone) = (lines.next().unwrap(), lines.next());
        let last = lines.next().and_then(|last| last.parse().ok());
        Recurrence::cron(pattern, zone).is_ok_and(|recurrence| {
            let schedule = Schedule { recurrence, jitter: TimeDelta::zero(), starting_deadline: None };
            schedule.due(last, now, "seed", now).next.is_some_and(|next| next > now)
        })
    });
    seeds("hold", |text| Hold::parse(text, now).is_ok_and(|hold| hold.is_some()));
}

#[test]
fn inventories() {
    seeds("inventory", |text| serde_json::from_str::<Inventory>(text).is_ok());
}
