//! OSV's `modified_id.csv`: every record of an ecosystem with the time of its last change, from which follows what a copy lacks.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::document::rows;

/// The longest id that becomes a file name, in bytes.
const MAX_ID: usize = 128;

/// What a list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    records: Vec<(DateTime<Utc>, String)>,
}

/// What has to be fetched and forgotten so that a copy is as the list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New and changed since, in no order.
    pub changed: Vec<String>,
    /// Held, but no longer listed.
    pub gone: Vec<String>,
}

impl Listing {
    /// Reads `time,id` lines; an id may stand behind its ecosystem (`npm/GHSA-…`). Lines of another shape and ids that cannot be file
    /// names are left out. `None`: no line is of the format.
    #[must_use]
    pub fn parse(csv: &[u8]) -> Option<Self> {
        let records = rows(csv).filter_map(|row| {
            let [time, id] = row[..] else { return None };
            let id = id.rsplit('/').next().filter(|id| is_id(id))?;
            Some((DateTime::parse_from_rfc3339(time).ok()?.to_utc(), id.to_owned()))
        });
        let records: Vec<_> = records.collect();
        (!records.is_empty()).then_some(Self { records })
    }

    /// The time of the last change.
    #[must_use]
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.records.iter().map(|(time, _)| *time).max()
    }

    /// What a copy that holds `held` as of `as_of` lacks.
    #[must_use]
    pub fn changes(&self, as_of: DateTime<Utc>, held: &HashSet<String>) -> Changes {
        let lacking = self.records.iter().filter(|(time, id)| *time > as_of || !held.contains(id));
        let listed: HashSet<&str> = self.records.iter().map(|(_, id)| id.as_str()).collect();
        let mut gone: Vec<String> = held.iter().filter(|id| !listed.contains(id.as_str())).cloned().collect();
        gone.sort_unstable();
        Changes { changed: lacking.map(|(_, id)| id.clone()).collect(), gone }
    }
}

/// Ids become file names and parts of addresses.
fn is_id(id: &str) -> bool {
    id.len() <= MAX_ID
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Changes, Listing};

    #[test]
    fn what_a_copy_lacks() {
        let csv = b"2026-08-03T00:00:00.123456Z,GHSA-new\n2026-08-02T00:00:00Z,npm/GHSA-changed\n\
            2026-08-01T00:00:00Z,GHSA-old\nnonsense\n2026-08-04T00:00:00Z,../../etc/passwd\n2026-08-04T00:00:00Z,a b\n";
        let listing = Listing::parse(csv).unwrap();
        let held: HashSet<String> =
            ["GHSA-changed", "GHSA-old", "GHSA-gone"].into_iter().map(str::to_owned).collect();
        let as_of = "2026-08-01T12:00:00Z".parse().unwrap();
        let changes = listing.changes(as_of, &held);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            changes,
            Changes { changed: names(&["GHSA-new", "GHSA-changed", "passwd"]), gone: names(&["GHSA-gone"]) }
        );
        assert_eq!(listing.newest().unwrap().to_rfc3339(), "2026-08-04T00:00:00+00:00");
        assert!(Listing::parse(b"<html>").is_none());
    }
}
