//! Which advisory index is asked, and whether it is recent enough.

use anyhow::{Context, ensure};
use breakwater_advisories::Index;
use chrono::{DateTime, TimeDelta, Utc};

use crate::arguments::Knowledge;
use crate::db::default_index;
use crate::terminal::count;

/// From this age on, an index is warned about.
const STALE: TimeDelta = TimeDelta::days(7);

/// Opens the index that was named, else the one of the cache directory if there is one.
pub(crate) fn open(knowledge: &Knowledge, now: DateTime<Utc>) -> anyhow::Result<Option<Index>> {
    let path = knowledge.db.clone().or_else(|| default_index().filter(|path| path.exists()));
    let Some(path) = path else { return Ok(None) };
    let index = Index::open(&path)?;
    let age = now - built(&index);
    let old = || format!("the advisory index {} is {} old", path.display(), days(age));
    match knowledge.max_db_age {
        Some(max) => {
            let max = TimeDelta::from_std(max).context("--max-db-age")?;
            ensure!(age <= max, "{}, --max-db-age allows {}; {MEND}", old(), days(max));
        }
        None if age > STALE => {
            eprintln!("breakwater: {}: what was published since is not found; {MEND}", old());
        }
        None => {}
    }
    Ok(Some(index))
}

const MEND: &str = "bring it up to date with `breakwater db build`";

pub(crate) fn built(index: &Index) -> DateTime<Utc> {
    DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default()
}

fn days(span: TimeDelta) -> String {
    match span.num_days() {
        0 => count(usize::try_from(span.num_hours()).unwrap_or(0), "hour"),
        days => count(usize::try_from(days).unwrap_or(0), "day"),
    }
}
