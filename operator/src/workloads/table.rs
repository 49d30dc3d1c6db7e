//! Rows by UID that follow one watch, also through its re-lists.

use std::collections::{HashMap, HashSet};

use kube::runtime::watcher::Event;

/// A watch's objects, pruned. Holds as many rows as the cluster has objects of the kind.
#[derive(Debug)]
pub(super) struct Table<V> {
    rows: HashMap<Box<str>, Row<V>>,
    /// How many rows were put so far.
    revision: u64,
    /// UIDs met since a re-list began: what it did not name is gone.
    relisting: Option<HashSet<Box<str>>>,
    listed: bool,
}

/// A row and the number of the change that made it what it is: equal numbers are equal rows.
#[derive(Debug)]
struct Row<V> {
    value: V,
    revision: u64,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), revision: 0, relisting: None, listed: false }
    }
}

impl<V: PartialEq> Table<V> {
    /// Follows one event; `read` prunes an object to its UID and row, or says that it is of no interest. True if a row changed.
    pub(super) fn follow<K>(&mut self, event: Event<K>, read: impl FnOnce(K) -> Option<(String, V)>) -> bool {
        match event {
            Event::Init => {
                self.relisting = Some(HashSet::new());
                false
            }
            Event::InitApply(object) => {
                let Some((uid, row)) = read(object) else { return false };
                if let Some(met) = &mut self.relisting {
                    met.insert(uid.as_str().into());
                }
                self.put(uid, row)
            }
            Event::InitDone => {
                let before = self.rows.len();
                if let Some(met) = self.relisting.take() {
                    self.rows.retain(|uid, _| met.contains(uid));
                }
                self.revision = self.revision.wrapping_add(1);
                let first = !std::mem::replace(&mut self.listed, true);
                first || self.rows.len() != before
            }
            Event::Apply(object) => read(object).is_some_and(|(uid, row)| self.put(uid, row)),
            Event::Delete(object) => {
                let gone = read(object).is_some_and(|(uid, _)| self.rows.remove(uid.as_str()).is_some());
                self.revision = self.revision.wrapping_add(u64::from(gone));
                gone
            }
        }
    }

    fn put(&mut self, uid: String, value: V) -> bool {
        if self.rows.get(uid.as_str()).is_some_and(|known| known.value == value) {
            return false;
        }
        self.revision = self.revision.wrapping_add(1);
        self.rows.insert(uid.into(), Row { value, revision: self.revision });
        true
    }

    /// The row with its UID, as the table keeps it.
    pub(super) fn entry(&self, uid: &str) -> Option<(&str, &V)> {
        self.rows.get_key_value(uid).map(|(uid, row)| (uid.as_ref(), &row.value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.revised().map(|(uid, row, _)| (uid, row))
    }

    /// Every row with the number of its last change.
    pub(super) fn revised(&self) -> impl Iterator<Item = (&str, &V, u64)> {
        self.rows.iter().map(|(uid, row)| (uid.as_ref(), &row.value, row.revision))
    }

    /// The number of the last change of any row; a row that went away counts as well where a re-list or a deletion took it.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the first list is complete.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: (&str, u8)) -> Option<(String, u8)> {
        Some((object.0.to_owned(), object.1))
    }

    #[test]
    fn a_relist_removes_what_it_does_not_name() {
        let mut table = Table::default();
        assert!(!table.follow(Event::Init, read));
        assert!(table.follow(Event::InitApply(("a", 1)), read));
        assert!(table.follow(Event::InitApply(("b", 1)), read));
        assert!(!table.is_listed());
        assert!(table.follow(Event::InitDone, read) && table.is_listed());
        table.follow(Event::Init, read);
        assert!(!table.follow(Event::InitApply(("a", 1)), read), "nothing changed");
        assert_eq!(table.entry("b"), Some(("b", &1)), "rows stay until the list is complete");
        assert!(table.follow(Event::InitDone, read));
        assert_eq!((table.entry("a"), table.entry("b")), (Some(("a", &1)), None));
    }

    #[test]
    fn an_empty_first_list_is_news() {
        let mut table = Table::<u8>::default();
        table.follow(Event::<(&str, u8)>::Init, read);
        assert!(table.follow(Event::<(&str, u8)>::InitDone, read));
    }

    #[test]
    fn deletes_and_changes_are_told_apart_from_repetitions() {
        let mut table = Table::default();
        assert!(table.follow(Event::Apply(("a", 1)), read));
        assert!(!table.follow(Event::Apply(("a", 1)), read));
        assert!(table.follow(Event::Apply(("a", 2)), read));
        assert!(table.follow(Event::Delete(("a", 2)), read));
        assert!(!table.follow(Event::Delete(("a", 2)), read));
    }
}
