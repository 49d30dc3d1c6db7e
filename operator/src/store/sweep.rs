//! Decides which documents are deleted: those about digests that nothing has named for a day. Pure.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::Digest;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Key;

/// How long a digest has to be unreferenced before what is stored about it is deleted.
pub const GRACE: TimeDelta = TimeDelta::days(1);
/// The most documents that one sweep deletes; the next goes on.
pub const MAX_DELETIONS: usize = 5_000;
/// The most digests whose time is remembered; the time of the others begins when there is room.
pub const MAX_UNREFERENCED: usize = 100_000;

/// The time since which each stored digest has been unreferenced. Persisted, so that a restart neither starts the day anew nor deletes early.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Unreferenced(BTreeMap<Digest, DateTime<Utc>>);

/// By time, as one sweep finds thousands; digests in their compact form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    since: BTreeMap<DateTime<Utc>, Vec<String>>,
}

impl From<Stored> for Unreferenced {
    fn from(Stored { since }: Stored) -> Self {
        let digests = since.into_iter().flat_map(|(since, digests)| {
            // A digest that cannot be read begins its day anew.
            digests.into_iter().filter_map(move |text| Some((Digest::from_compact(&text)?, since)))
        });
        Self(digests.take(MAX_UNREFERENCED).collect())
    }
}

impl From<Unreferenced> for Stored {
    fn from(Unreferenced(digests): Unreferenced) -> Self {
        let mut since: BTreeMap<DateTime<Utc>, Vec<String>> = BTreeMap::new();
        for (digest, at) in digests {
            since.entry(at).or_default().push(digest.compact());
        }
        Self { since }
    }
}

impl Unreferenced {
    /// Forgets the time of a digest: if it is still unreferenced, its day begins at the next sweep.
    pub(super) fn forget(&mut self, digest: &Digest) {
        self.0.remove(digest);
    }
}

/// The decisions of a sweep.
#[derive(Debug, PartialEq, Eq)]
pub struct Swept {
    /// To delete: at most [`MAX_DELETIONS`].
    pub expired: Vec<Key>,
    /// To persist before anything is deleted.
    pub unreferenced: Unreferenced,
}

/// One walk over what is stored.
#[derive(Debug)]
pub struct Sweep<'a> {
    in_use: &'a BTreeSet<Digest>,
    before: &'a Unreferenced,
    now: DateTime<Utc>,
    expired: Vec<Key>,
    unreferenced: BTreeMap<Digest, DateTime<Utc>>,
    /// Expired, and beyond what one sweep deletes.
    left: BTreeSet<Digest>,
}

impl<'a> Sweep<'a> {
    #[must_use]
    pub fn new(in_use: &'a BTreeSet<Digest>, before: &'a Unreferenced, now: DateTime<Utc>) -> Self {
        let (expired, unreferenced, left) = Default::default();
        Self { in_use, before, now, expired, unreferenced, left }
    }

    /// Judges one stored document. Ledgers are never collected.
    pub fn visit(&mut self, key: &Key) {
        let Some(digest) = key.digest().filter(|digest| !self.in_use.contains(*digest)) else { return };
        // A time in the future is one of a clock that was set back since.
        let since = self.before.0.get(digest).copied().unwrap_or(self.now).min(self.now);
        if self.unreferenced.len() < MAX_UNREFERENCED || self.unreferenced.contains_key(digest) {
            self.unreferenced.insert(digest.clone(), since);
        }
        if self.now.signed_duration_since(since) < GRACE {
            return;
        }
        if self.expired.len() < MAX_DELETIONS {
            self.expired.push(key.clone());
        } else {
            self.left.insert(digest.clone());
        }
    }

    #[must_use]
    pub fn finish(self) -> Swept {
        let Self { expired, mut unreferenced, left, .. } = self;
        // What is deleted, and comes back, has a day of its own.
        for digest in expired.iter().filter_map(Key::digest).filter(|digest| !left.contains(*digest)) {
            unreferenced.remove(digest);
        }
        Swept { expired, unreferenced: Unreferenced(unreferenced) }
    }
}

/// Decides which of `stored` go at `now`: those whose digest `in_use` does not name, and has not since `before` says.
#[must_use]
pub fn collect<'a>(
    stored: impl IntoIterator<Item = &'a Key>,
    in_use: &BTreeSet<Digest>,
    before: &Unreferenced,
    now: DateTime<Utc>,
) -> Swept {
    let mut sweep = Sweep::new(in_use, before, now);
    stored.into_iter().for_each(|key| sweep.visit(key));
    sweep.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Domain;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    fn key(name: &str) -> Key {
        Key::Inventory(Domain::Everyone, Digest::of(name.as_bytes()))
    }

    fn names(names: &[&str]) -> BTreeSet<Digest> {
        names.iter().map(|name| Digest::of(name.as_bytes())).collect()
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn only_what_was_unreferenced_for_a_whole_day_goes() {
        let stored = [key("web"), key("old"), Key::History(Digest::of(b"old")), Key::Ledger("advisories")];
        let in_use = names(&["web"]);
        let first = collect(&stored, &in_use, &Unreferenced::default(), at(0));
        assert_eq!(first.expired, []);
        let before_the_day = collect(&stored, &in_use, &first.unreferenced, at(DAY - 1));
        assert_eq!((before_the_day.expired, &before_the_day.unreferenced), (vec![], &first.unreferenced));
        let after = collect(&stored, &in_use, &before_the_day.unreferenced, at(DAY));
        assert_eq!(after.expired, [stored[1].clone(), stored[2].clone()]);
        assert_eq!(after.unreferenced, Unreferenced::default(), "what comes back has a day of its own");
    }

    #[test]
    fn what_is_named_again_begins_anew() {
        let stored = [key("web")];
        let first = collect(&stored, &names(&[]), &Unreferenced::default(), at(0));
        let named = collect(&stored, &names(&["web"]), &first.unreferenced, at(DAY - 1));
        assert_eq!(named.unreferenced, Unreferenced::default());
        let again = collect(&stored, &names(&[]), &named.unreferenced, at(DAY));
        assert_eq!(again.expired, []);
        assert_eq!(collect(&stored, &names(&[]), &again.unreferenced, at(2 * DAY)).expired, stored);
    }

    #[test]
    fn the_times_survive_a_restart_and_a_clock_set_back() {
        let stored = [key("web")];
        let first = collect(&stored, &names(&[]), &Unreferenced::default(), at(0)).unreferenced;
        let text = serde_json::to_string(&first).unwrap();
        let read: Unreferenced = serde_json::from_str(&text).unwrap();
        assert_eq!(read, first);
        let earlier = collect(&stored, &names(&[]), &read, at(-DAY));
        assert_eq!((earlier.expired.len(), earlier.unreferenced.0[&Digest::of(b"web")]), (0, at(-DAY)));
    }

    #[test]
    fn a_sweep_is_bounded_and_the_next_goes_on() {
        let stored: Vec<Key> = (0..=MAX_DELETIONS).map(|n| key(&n.to_string())).collect();
        let first = collect(&stored, &names(&[]), &Unreferenced::default(), at(0));
        let swept = collect(&stored, &names(&[]), &first.unreferenced, at(DAY));
        assert_eq!((swept.expired.len(), swept.unreferenced.0.len()), (MAX_DELETIONS, 1));
        let rest = collect(&stored[MAX_DELETIONS..], &names(&[]), &swept.unreferenced, at(DAY));
        assert_eq!(rest.expired, stored[MAX_DELETIONS..]);
    }
}
