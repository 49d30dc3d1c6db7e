//! The report store: inventories, resolutions and histories, compressed, bounded, shared by all replicas.
//!
//! Three places can hold it: ConfigMaps of the operator's namespace (nothing to install), a directory (a PersistentVolumeClaim) and a
//! bucket of an S3-compatible server. Every trust domain has a share ([`Quota`]); a full share is an error with a name, never an
//! eviction of what is in use. What nothing has named for a day is deleted ([`sweep`], [`maintain`]).

mod backend;
pub mod codec;
mod collector;
mod configmap;
mod domain;
#[cfg(test)]
pub(crate) mod fake_api;
mod key;
mod objects;
mod pins;
mod resolution;
mod s3;
pub mod sweep;
#[cfg(test)]
mod tests;
mod usage;

pub use backend::{Entry, Version};
pub use codec::MAX_DOCUMENT;
pub use collector::{Collected, Collector, maintain};
pub use domain::Domain;
pub use key::{Collection, Key};
pub use pins::Pins;
pub use resolution::{MAX_PLATFORMS, Resolution};
pub use usage::{Full, Quota};

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use breakwater_core::{Digest, Inventory, printable};
use tokio::sync::watch;

use self::{
    backend::{Backend, Condition, Document},
    usage::{Usage, UsageTracker},
};
use crate::{config, context::Context};

/// Where documents are kept. Cheap to clone; clones share one usage count.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Backend,
    tracker: Mutex<UsageTracker>,
    /// Held during a count.
    counting: tokio::sync::Mutex<()>,
    fullness: watch::Sender<u64>,
}

/// Whether a `put` changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Changed,
    /// The same content was there already; nothing was written.
    Unchanged,
}

/// Every way in which the store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{key} has {size} bytes; at most {MAX_DOCUMENT} are allowed for one document")]
    TooLarge { key: Key, size: usize },
    #[error(transparent)]
    Full(#[from] Full),
    /// What is stored is not what was written. It counts as absent once it is deleted.
    #[error("{key} is damaged in the store: {reason}")]
    Damaged { key: Key, reason: String },
    /// A conditional write met another version.
    #[error("{key} was changed by another replica at the same time")]
    Conflict { key: Key },
    #[error("the store's ConfigMaps: {0}")]
    Api(#[from] kube::Error),
    /// The text comes from a server: it is bounded, and shown on one line.
    #[error("the store's objects: {}", printable::line(&.0.to_string(), 300))]
    Objects(#[from] object_store::Error),
    #[error("the size of the volume of {directory} cannot be read: {cause}")]
    Volume { directory: String, cause: std::io::Error },
    #[error("the S3 credentials {} cannot be read: {cause}", path.display())]
    Credentials { path: PathBuf, cause: std::io::Error },
}

impl Store {
    /// Opens the store that the configuration names.
    ///
    /// # Errors
    /// As [`Self::directory`] and [`Self::s3`].
    pub fn open(context: &Context) -> Result<Self, StoreError> {
        match &context.config.load().store {
            config::Store::ConfigMap {} => Ok(Self::config_maps(context.client.clone(), &context.namespace)),
            config::Store::File { directory } => Self::directory(directory),
            config::Store::S3(config) => Self::s3(config),
        }
    }

    /// A store in ConfigMaps of `namespace`.
    #[must_use]
    pub fn config_maps(client: kube::Client, namespace: &str) -> Self {
        let maps = configmap::ConfigMaps::new(client, namespace);
        Self::new(Backend::ConfigMaps(Box::new(maps)), Quota::of(configmap::MAX_TOTAL))
    }

    /// A store in a directory. Its quota is nine tenths of the volume.
    ///
    /// # Errors
    /// [`StoreError::Objects`] and [`StoreError::Volume`] if the directory cannot be opened.
    pub fn directory(directory: &str) -> Result<Self, StoreError> {
        let (objects, quota) = objects::Objects::directory(directory)?;
        Ok(Self::new(Backend::Objects(objects), quota))
    }

    /// A store in a bucket. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// [`StoreError::Objects`] if what is configured makes no sense, [`StoreError::Credentials`] if the authority cannot be read.
    pub fn s3(config: &config::S3) -> Result<Self, StoreError> {
        let bucket = objects::Objects::bucket(s3::open(config)?, &config.prefix);
        Ok(Self::new(Backend::Objects(bucket), Quota::of(u64::from(config.quota_gib) << 30)))
    }

    fn new(backend: Backend, quota: Quota) -> Self {
        Self(Arc::new(Inner {
            backend,
            tracker: Mutex::new(UsageTracker::new(quota)),
            counting: tokio::sync::Mutex::default(),
            fullness: watch::Sender::default(),
        }))
    }

    /// Keeps `content` under `key`; replaces what was there, atomically for readers.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] above [`MAX_DOCUMENT`] raw bytes, [`StoreError::Full`] when the domain's share is used.
    pub async fn put(&self, key: &Key, content: &[u8]) -> Result<Written, StoreError> {
        self.write(key, content, &Condition::Any).await
    }

    /// Reads what is kept under `key`, with the version that [`Self::replace`] takes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn read(&self, key: &Key) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        self.0.backend.read(key).await
    }

    /// As [`Self::put`], if `read` is still the version that is kept.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not, and those of [`Self::put`].
    pub async fn replace(&self, key: &Key, content: &[u8], read: Version) -> Result<Written, StoreError> {
        self.write(key, content, &Condition::Is(read)).await
    }

    async fn write(&self, key: &Key, content: &[u8], condition: &Condition) -> Result<Written, StoreError> {
        if content.len() > MAX_DOCUMENT {
            return Err(StoreError::TooLarge { key: key.clone(), size: content.len() });
        }
        let document = Document::new(key, content)?;
        let previous = self.0.backend.previous(key, &document).await?;
        if previous.as_ref().is_some_and(|previous| previous.is_same) {
            return Ok(Written::Unchanged);
        }
        let (size, replaced) = (document.size(), previous.as_ref().map_or(0, |previous| previous.size));
        if let Some(domain) = key.domain() {
            self.count_once().await?;
            self.tracker(|tracker| tracker.reserve(domain, size, replaced))?;
        }
        let written = self.0.backend.write(key, &document, previous.as_ref(), condition).await;
        if let (Err(_), Some(domain)) = (&written, key.domain()) {
            self.tracker(|tracker| tracker.cancel(domain, size, replaced));
        }
        written.map(|()| Written::Changed)
    }

    /// Returns what is kept under `key`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the bytes are not those that were put.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(key).await?.0)
    }

    /// Walks over the documents of a collection in pages, in no particular order.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn each(
        &self,
        collection: Collection,
        mut visit: impl FnMut(Entry) + Send,
    ) -> Result<(), StoreError> {
        self.0.backend.each(collection, &mut visit).await
    }

    /// Forgets `key`; a key that is not there is fine.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let freed = self.0.backend.delete(key).await?;
        if let Some(domain) = key.domain() {
            self.tracker(|tracker| tracker.release(domain, freed));
        }
        Ok(())
    }

    /// Reports whether a domain has no room: for the last document that this replica refused, or for an ordinary one.
    ///
    /// Other replicas write as well: what they did is known after the next count, at most ten minutes later.
    #[must_use]
    pub fn full(&self, domain: &Domain) -> Option<Full> {
        self.tracker(|tracker| tracker.full(domain))
    }

    /// Counts up whenever another set of domains is full.
    #[must_use]
    pub fn fullness(&self) -> watch::Receiver<u64> {
        self.0.fullness.subscribe()
    }

    /// Counts what every domain uses, in pages, and shows every document to `visit`.
    ///
    /// # Errors
    /// Those of the place; then the previous count stays.
    pub async fn count_usage(&self, visit: impl FnMut(&Entry) + Send) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.counting.lock().await;
        self.count(visit).await
    }

    async fn count(&self, mut visit: impl FnMut(&Entry) + Send) -> Result<(), StoreError> {
        self.tracker(UsageTracker::begin_count);
        let mut usage = Usage::default();
        for collection in Collection::ALL {
            let count = |entry: Entry| {
                if let Some(domain) = entry.key.domain() {
                    usage.add(domain, entry.size);
                }
                visit(&entry);
            };
            self.each(collection, count).await?;
        }
        self.tracker(|tracker| tracker.finish_count(usage));
        Ok(())
    }

    /// Counts before the first write; afterwards what is used is known.
    async fn count_once(&self) -> Result<(), StoreError> {
        if self.tracker(|tracker| tracker.is_counted()) {
            return Ok(());
        }
        let _one_at_a_time = self.0.counting.lock().await;
        if self.tracker(|tracker| tracker.is_counted()) { Ok(()) } else { self.count(|_| ()).await }
    }

    fn tracker<T>(&self, work: impl FnOnce(&mut UsageTracker) -> T) -> T {
        let mut tracker = self.0.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = work(&mut tracker);
        if tracker.take_news() {
            self.0.fullness.send_modify(|version| *version = version.wrapping_add(1));
        }
        outcome
    }

    /// Returns the inventory of a manifest that is a fact in `domain`, if it is there: everyone's before the domain's own.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the document is not an inventory.
    pub async fn inventory(&self, domain: &Domain, digest: &Digest) -> Result<Option<Inventory>, StoreError> {
        let everyones = self.own_inventory(&Domain::Everyone, digest).await?;
        match domain {
            Domain::Namespace(_) if everyones.is_none() => self.own_inventory(domain, digest).await,
            _ => Ok(everyones),
        }
    }

    /// As [`Self::inventory`], without everyone's.
    ///
    /// # Errors
    /// As [`Self::inventory`].
    pub async fn own_inventory(
        &self,
        domain: &Domain,
        digest: &Digest,
    ) -> Result<Option<Inventory>, StoreError> {
        self.json(&Key::Inventory(domain.clone(), digest.clone())).await
    }

    /// Returns what an index or configuration digest resolves to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the document is not a resolution.
    pub async fn resolution(&self, digest: &Digest) -> Result<Option<Resolution>, StoreError> {
        self.json(&Key::Resolution(digest.clone())).await
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let Some(content) = self.get(key).await? else { return Ok(None) };
        let parsed = serde_json::from_slice(&content);
        parsed.map(Some).map_err(|e| StoreError::Damaged { key: key.clone(), reason: e.to_string() })
    }
}
