//! Rows by UID that follow one watch, also through its re-lists.

use std::collections::{HashMap, HashSet};

use kube::runtime::watcher::Event;

/// A watch's objects, pruned. Holds as many rows as the cluster has objects of the kind.
#[derive(Debug)]
pub(super) struct Table<V> {
    rows: HashMap<Box<str>, V>,
    /// UIDs met since a re-list began: what it did not name is gone.
    relisting: Option<HashSet<Box<str>>>,
    listed: bool,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), relisting: None, listed: false }
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
                let first = !std::mem::replace(&mut self.listed, true);
                first || self.rows.len() != before
            }
            Event::Apply(object) => read(object).is_some_and(|(uid, row)| self.put(uid, row)),
            Event::Delete(object) => {
                read(object).is_some_and(|(uid, _)| self.rows.remove(uid.as_str()).is_some())
            }
        }
    }

    fn put(&mut self, uid: String, row: V) -> bool {
        match self.rows.get_mut(uid.as_str()) {
            Some(known) if *known == row => false,
            Some(known) => {
                *known = row;
                true
            }
            None => {
                self.rows.insert(uid.into(), row);
                true
            }
        }
    }

    /// The row with its UID, as the table keeps it.
    pub(super) fn entry(&self, uid: &str) -> Option<(&str, &V)> {
        self.rows.get_key_value(uid).map(|(uid, row)| (uid.as_ref(), row))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.rows.iter().map(|(uid, row)| (uid.as_ref(), row))
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
