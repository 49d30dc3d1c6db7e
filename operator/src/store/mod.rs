//! The report store: inventories, resolutions and histories, compressed, bounded, shared by all replicas.
//!
//! Two places can hold it: ConfigMaps of the operator's namespace (nothing to install) and a directory (a PersistentVolumeClaim). A full
//! store is an error with a name, never an eviction of what is in use.

pub mod codec;
mod configmap;
mod domain;
#[cfg(test)]
pub(crate) mod fake_api;
mod file;
mod key;
mod resolution;
#[cfg(test)]
mod tests;

pub use codec::MAX_DOCUMENT;
pub use domain::Domain;
pub use key::{Key, Room};
pub use resolution::{MAX_PLATFORMS, Resolution};

use breakwater_core::{Digest, Inventory};

use crate::{config, context::Context};

/// Where documents are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Place);

#[derive(Debug, Clone)]
enum Place {
    ConfigMaps(Box<configmap::ConfigMaps>),
    Directory(file::Directory),
}

/// Whether a `put` changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Changed,
    /// The same content was there already; nothing was written.
    Unchanged,
}

/// What the store cannot do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{key} has {size} bytes; {MAX_DOCUMENT} are the most one document may have")]
    TooLarge { key: Key, size: usize },
    #[error(
        "the report store is full: {used} bytes are in use, {limit} are the most; use the file store, or delete what is not in use"
    )]
    Full { used: u64, limit: u64 },
    /// What is stored is not what was written. It counts as absent once it is deleted.
    #[error("{key} is damaged in the store: {reason}")]
    Damaged { key: Key, reason: String },
    #[error("the store's ConfigMaps: {0}")]
    Api(#[from] kube::Error),
    #[error("the store's directory: {0}")]
    Directory(#[from] object_store::Error),
}

impl Store {
    /// The store that the configuration names.
    ///
    /// # Errors
    /// [`StoreError::Directory`] if the directory cannot be opened.
    pub fn open(context: &Context) -> Result<Self, StoreError> {
        Ok(Self(match &context.config.load().store {
            config::Store::ConfigMap {} => Place::ConfigMaps(Box::new(configmap::ConfigMaps::new(
                context.client.clone(),
                &context.namespace,
                context.clock,
            ))),
            config::Store::File { directory } => Place::Directory(file::Directory::open(directory)?),
        }))
    }

    /// Keeps `content` under `key`; replaces what was there, atomically for readers.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] above [`MAX_DOCUMENT`] raw bytes, [`StoreError::Full`] when the place has no room.
    pub async fn put(&self, key: &Key, content: &[u8]) -> Result<Written, StoreError> {
        if content.len() > MAX_DOCUMENT {
            return Err(StoreError::TooLarge { key: key.clone(), size: content.len() });
        }
        match &self.0 {
            Place::ConfigMaps(place) => place.put(key, content).await,
            Place::Directory(place) => place.put(key, content).await,
        }
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the bytes are not those that were put.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.0 {
            Place::ConfigMaps(place) => place.get(key).await,
            Place::Directory(place) => place.get(key).await,
        }
    }

    /// Every key of a room, sorted.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn list(&self, room: Room) -> Result<Vec<Key>, StoreError> {
        let mut keys = match &self.0 {
            Place::ConfigMaps(place) => place.list(room).await?,
            Place::Directory(place) => place.list(room).await?,
        };
        keys.sort_unstable();
        Ok(keys)
    }

    /// Forgets `key`; a key that is not there is fine.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match &self.0 {
            Place::ConfigMaps(place) => place.delete(key).await,
            Place::Directory(place) => place.delete(key).await,
        }
    }

    /// The inventory of a manifest that is a fact in `domain`, if it is there: everyone's before the domain's own.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the document is no inventory.
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

    /// What an index or configuration digest resolves to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the document is no resolution.
    pub async fn resolution(&self, digest: &Digest) -> Result<Option<Resolution>, StoreError> {
        self.json(&Key::Resolution(digest.clone())).await
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let Some(content) = self.get(key).await? else { return Ok(None) };
        let parsed = serde_json::from_slice(&content);
        parsed.map(Some).map_err(|e| StoreError::Damaged { key: key.clone(), reason: e.to_string() })
    }
}
