//! Which advisory index is asked, and whether it is recent enough.

use std::time::Duration;

use anyhow::{Context, ensure};
use breakwater_advisories::Index;
use chrono::{DateTime, TimeDelta, Utc};

use crate::arguments::Knowledge;
use crate::db::{MAKING_AN_INDEX, default_index};

/// From this age on, an index is warned about.
const STALE: TimeDelta = TimeDelta::days(7);

/// Opens the index that was named, else the one of the cache directory if there is one. Who demands a recent one demands one.
pub(crate) fn open(knowledge: &Knowledge, now: DateTime<Utc>) -> anyhow::Result<Option<Index>> {
    let path = knowledge.db.clone().or_else(|| default_index().filter(|path| path.exists()));
    let Some(path) = path else {
        ensure!(
            knowledge.max_db_age.is_none(),
            "--max-db-age demands an advisory index, and there is none: {MAKING_AN_INDEX}"
        );
        return Ok(None);
    };
    let index = crate::db::open(&path)?;
    if let Some(fault) = fault(now - built(&index), knowledge.max_db_age)? {
        let said = format!("the advisory index {} {fault}", path.display());
        ensure!(knowledge.max_db_age.is_none(), said);
        eprintln!("breakwater: {said}");
    }
    Ok(Some(index))
}

/// What is wrong with an index of this age, if anything.
fn fault(age: TimeDelta, max: Option<Duration>) -> anyhow::Result<Option<String>> {
    let asked = max.map(TimeDelta::from_std).transpose().context("--max-db-age")?;
    let allowed = asked.unwrap_or(STALE);
    let mend = "bring it up to date with `breakwater db update`";
    Ok((age > allowed).then(|| match asked {
        Some(allowed) => format!("is {} old, and --max-db-age allows {}: {mend}", span(age), span(allowed)),
        None => format!("is {} old, and what was published since is not found: {mend}", span(age)),
    }))
}

pub(crate) fn built(index: &Index) -> DateTime<Utc> {
    DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default()
}

/// Of days nobody wants to know the minutes.
fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().unsigned_abs();
    let whole = if seconds >= 86_400 { seconds - seconds % 86_400 } else { seconds };
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::fault;

    #[test]
    fn old_indexes_are_warned_about_or_refused() {
        let said =
            |age, max: Option<u64>| fault(age, max.map(Duration::from_secs)).unwrap().unwrap_or_default();
        assert_eq!(said(TimeDelta::days(7), None), "");
        assert!(said(TimeDelta::hours(8 * 24 + 5), None).starts_with("is 8days old, and what was published"));
        assert_eq!(said(TimeDelta::days(30), Some(31 * 86_400)), "", "what was asked for counts");
        assert!(said(TimeDelta::hours(2), Some(3600)).starts_with("is 2h old, and --max-db-age allows 1h"));
        assert_eq!(said(TimeDelta::seconds(-5), Some(0)), "", "a clock that lags is no fault of the index");
    }
}
