//! Histories of repositories: read when an image is matched, written in batches, at most one a minute, and before the process ends.

use std::collections::HashMap;

use breakwater_core::{
    Digest, Finding, ImageReference,
    history::{ImageHistory, RepositoryHistory},
};
use chrono::{DateTime, Utc};

use crate::store::{Domain, Key, Store, StoreError};

/// Histories that were read or changed since the last batch was written.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<Digest, Entry>);

#[derive(Debug)]
struct Entry {
    history: RepositoryHistory,
    is_unwritten: bool,
    /// Being written: until it is, the store has an older one.
    is_in_flight: bool,
}

/// With so many unwritten the batch is written early.
pub(super) const MAX_UNWRITTEN: usize = 1_000;

/// Names the history of the repository of `reference` in a trust domain. What is not a reference is a repository of its own.
pub(super) fn repository(domain: &Domain, reference: &str) -> Digest {
    let name =
        reference.parse().map_or_else(|_| reference.to_owned(), |parsed: ImageReference| parsed.name());
    let domain = match domain {
        Domain::Everyone => "",
        Domain::Namespace(namespace) => namespace,
    };
    Digest::of(format!("{domain}\n{name}").as_bytes())
}

impl Histories {
    /// Changes the history of a repository, which `kept`, what the store has, stands for where it is not in memory. `None`: it is
    /// in neither, and has to be read first.
    pub(super) fn change<T>(
        &mut self,
        repository: &Digest,
        kept: Option<RepositoryHistory>,
        change: impl FnOnce(&mut RepositoryHistory) -> (bool, T),
    ) -> Option<T> {
        if let Some(history) = kept {
            let entry = Entry { history, is_unwritten: false, is_in_flight: false };
            self.0.entry(repository.clone()).or_insert(entry);
        }
        let entry = self.0.get_mut(repository)?;
        let (is_changed, value) = change(&mut entry.history);
        entry.is_unwritten |= is_changed;
        Some(value)
    }

    pub(super) fn unwritten(&self) -> usize {
        self.0.values().filter(|entry| entry.is_unwritten).count()
    }

    /// Returns what is to be written, and forgets what the store has already. To be followed by [`Self::written`] for each.
    pub(super) fn begin_writing(&mut self) -> Vec<(Digest, RepositoryHistory)> {
        self.0.retain(|_, entry| entry.is_unwritten || entry.is_in_flight);
        let unwritten = self.0.iter_mut().filter(|(_, entry)| entry.is_unwritten);
        unwritten
            .map(|(repository, entry)| {
                (entry.is_unwritten, entry.is_in_flight) = (false, true);
                (repository.clone(), entry.history.clone())
            })
            .collect()
    }

    /// Takes in whether a history was written; one that was not is written with the next batch.
    pub(super) fn written(&mut self, repository: &Digest, is_written: bool) {
        let Some(entry) = self.0.get_mut(repository) else { return };
        entry.is_in_flight = false;
        entry.is_unwritten |= !is_written;
        if !entry.is_unwritten {
            self.0.remove(repository);
        }
    }

    /// Forgets everything: another replica writes.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The history of one image after a match at `matched_at`, if it was matched.
pub(super) fn observed(
    history: &mut RepositoryHistory,
    findings: &[Finding],
    matched_at: Option<DateTime<Utc>>,
) -> (bool, ImageHistory) {
    let is_changed = matched_at.is_some_and(|now| history.observe(findings, now));
    (is_changed, history.of_image(findings))
}

/// Reads one history. What cannot be read is as good as new: grace begins again.
pub(super) async fn read(store: &Store, repository: &Digest) -> Result<RepositoryHistory, StoreError> {
    match store.get(&Key::History(repository.clone())).await {
        Ok(content) => Ok(content.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()),
        Err(StoreError::Damaged { .. }) => Ok(RepositoryHistory::default()),
        Err(error) => Err(error),
    }
}

/// Writes one history; equal content is not written again.
pub(super) async fn write(
    store: &Store,
    repository: &Digest,
    history: &RepositoryHistory,
) -> Result<(), StoreError> {
    let Ok(content) = serde_json::to_vec(history) else { return Ok(()) };
    store.put(&Key::History(repository.clone()), &content).await.map(|_| ())
}
