//! The garbage collector: every replica counts what is used; the leader deletes what nothing names.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use breakwater_core::Digest;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};

use super::{
    Collection, Key, Store, StoreError, Version,
    backend::Backend,
    sweep::{Sweep, Swept, Unreferenced},
};
use crate::{context::Context, kube::lease::Leadership};

/// How often the store is counted and swept.
const EVERY: Duration = Duration::from_secs(600);
/// Documents deleted, or read, at the same time.
const AT_ONCE: usize = 4;

/// The ledger of what is unreferenced. Outside of the quota, and never collected.
const LEDGER: Key = Key::Ledger("unreferenced");

/// Counts and collects `store` for as long as the process lives. `in_use` returns every digest that a template, a pod, a mitigation record or an open
/// question names, or `None` as long as that is not known: then nothing is deleted.
pub async fn maintain(
    context: Context,
    store: Store,
    leadership: Leadership,
    in_use: impl Fn(DateTime<Utc>) -> Option<BTreeSet<Digest>> + Send,
) {
    let mut collector = Collector::new(store);
    let mut interval = tokio::time::interval(EVERY);
    loop {
        interval.tick().await;
        let now = context.clock.now();
        let names = in_use(now).filter(|_| leadership.is_current());
        match collector.run(names, &|| leadership.is_current(), now).await {
            Ok(Collected { deleted: 0, failed: 0 }) => {}
            Ok(Collected { deleted, failed }) => {
                tracing::info!(deleted, failed, "documents that nothing has named for a day were deleted");
            }
            Err(error) => {
                tracing::warn!(%error, "the report store could not be counted or collected and is tried again")
            }
        }
    }
}

/// The outcome of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub deleted: usize,
    /// Deletions that the place did not carry out; they are tried again after another day.
    pub failed: usize,
}

/// Decides and deletes, run by run; the times that matter are in the store.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    /// The manifests behind the index and configuration digests in use: read again when their document changes.
    manifests: HashMap<Digest, (Version, Vec<Digest>)>,
}

impl Collector {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, manifests: HashMap::new() }
    }

    /// Counts, and, where `names` is known, deletes what it has not named for a day. `may_write` is asked before every write.
    ///
    /// # Errors
    /// Those of the store. Nothing is deleted that was not persisted as unreferenced a day before.
    pub async fn run(
        &mut self,
        names: Option<BTreeSet<Digest>>,
        may_write: &(impl Fn() -> bool + Sync),
        now: DateTime<Utc>,
    ) -> Result<Collected, StoreError> {
        let Some(names) = names else {
            self.store.count_usage(|_| ()).await?;
            return Ok(Collected::default());
        };
        let in_use = self.with_manifests(names).await?;
        let (before, version) = self.unreferenced().await?;
        let mut sweep = Sweep::new(&in_use, &before, now);
        self.store.count_usage(|entry| sweep.visit(&entry.key)).await?;
        let Swept { expired, mut unreferenced } = sweep.finish();
        let expired = self.without_used_resolutions(expired, &in_use, &mut unreferenced).await?;
        if !may_write() {
            return Ok(Collected::default());
        }
        if unreferenced != before {
            let content = serde_json::to_vec(&unreferenced).unwrap_or_default();
            self.store.replace(&LEDGER, &content, version).await?;
        }
        let store = &self.store;
        let deletions = expired.into_iter().map(|key| async move {
            if !may_write() {
                return Ok(false);
            }
            let deleted = store.delete(&key).await;
            deleted.map(|()| true).inspect_err(|error| {
                tracing::warn!(%key, %error, "an unreferenced document could not be deleted");
            })
        });
        let count = |mut collected: Collected, outcome: Result<bool, StoreError>| async move {
            match outcome {
                Ok(deleted) => collected.deleted += usize::from(deleted),
                Err(_) => collected.failed += 1,
            }
            collected
        };
        let collected =
            stream::iter(deletions).buffer_unordered(AT_ONCE).fold(Collected::default(), count).await;
        if let Backend::ConfigMaps(maps) = &self.store.0.backend {
            maps.delete_orphans(may_write, now).await?;
        }
        Ok(collected)
    }

    /// Adds the manifests that stand behind the index and configuration digests among `names`.
    async fn with_manifests(&mut self, names: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, StoreError> {
        let mut stored = Vec::new();
        let note = |entry: super::Entry| match entry.key {
            Key::Resolution(digest) if names.contains(&digest) => stored.push((digest, entry.version)),
            _ => {}
        };
        self.store.each(Collection::Resolution, note).await?;
        self.manifests.retain(|digest, _| names.contains(digest));
        let known = &self.manifests;
        let is_news = |(digest, version): &(Digest, Version)| {
            known.get(digest).is_none_or(|(known, _)| known != version)
        };
        let store = &self.store;
        let reads = stored.into_iter().filter(is_news).map(|(digest, version)| async move {
            let manifests = manifests(store, &digest).await?;
            Ok::<_, StoreError>((digest, (version, manifests)))
        });
        let read: Vec<_> = stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        for outcome in read {
            let (digest, behind) = outcome?;
            self.manifests.insert(digest, behind);
        }
        let mut in_use = names;
        in_use.extend(self.manifests.values().flat_map(|(_, manifests)| manifests).cloned());
        Ok(in_use)
    }

    /// Leaves out resolutions of what is in use: a node that reports the configuration's digest alone needs them. They get another day.
    async fn without_used_resolutions(
        &self,
        expired: Vec<Key>,
        in_use: &BTreeSet<Digest>,
        unreferenced: &mut Unreferenced,
    ) -> Result<Vec<Key>, StoreError> {
        let judged = expired.into_iter().map(|key| async move {
            let is_used = match &key {
                Key::Resolution(digest) => {
                    manifests(&self.store, digest).await?.iter().any(|manifest| in_use.contains(manifest))
                }
                _ => false,
            };
            Ok::<_, StoreError>((key, is_used))
        });
        let judged: Vec<_> = stream::iter(judged).buffered(AT_ONCE).collect().await;
        let mut expired = Vec::new();
        for outcome in judged {
            match outcome? {
                (key, true) => key.digest().into_iter().for_each(|digest| unreferenced.forget(digest)),
                (key, false) => expired.push(key),
            }
        }
        Ok(expired)
    }

    async fn unreferenced(&self) -> Result<(Unreferenced, Version), StoreError> {
        match self.store.read(&LEDGER).await {
            // What cannot be read begins every day anew: that errs towards keeping.
            Ok((content, version)) => {
                let read = content.and_then(|content| serde_json::from_slice(&content).ok());
                Ok((read.unwrap_or_default(), version))
            }
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%error, "the ledger of unreferenced documents is started anew");
                self.store.delete(&LEDGER).await?;
                Ok((Unreferenced::default(), Version(None)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the manifests of a resolution. A damaged one names none: the next scan of the image writes it again, long before a day is over.
async fn manifests(store: &Store, digest: &Digest) -> Result<Vec<Digest>, StoreError> {
    match store.resolution(digest).await {
        Ok(resolution) => {
            let platforms = resolution.map(|resolution| resolution.platforms).unwrap_or_default();
            Ok(platforms.into_iter().map(|(_, manifest)| manifest).collect())
        }
        Err(error @ StoreError::Damaged { .. }) => {
            tracing::warn!(%error, "a resolution cannot be read");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
