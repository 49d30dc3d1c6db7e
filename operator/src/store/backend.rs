//! The places that hold documents: ConfigMaps of the operator's namespace, or objects of a directory or a bucket.

use breakwater_core::Digest;
use bytes::Bytes;

use super::{Collection, Key, StoreError, codec, configmap::ConfigMaps, objects::Objects};

#[derive(Debug, Clone)]
pub(super) enum Backend {
    ConfigMaps(Box<ConfigMaps>),
    Objects(Objects),
}

/// A document on its way into the store.
#[derive(Debug)]
pub(super) struct Document {
    /// Of the raw content.
    pub(super) content: Digest,
    pub(super) packed: Bytes,
}

impl Document {
    pub(super) fn new(key: &Key, content: &[u8]) -> Result<Self, StoreError> {
        Ok(Self { content: Digest::of(content), packed: codec::pack(key, content)?.into() })
    }

    pub(super) fn size(&self) -> u64 {
        self.packed.len() as u64
    }
}

/// The document that a write replaces.
#[derive(Debug)]
pub(super) struct Previous {
    pub(super) size: u64,
    pub(super) is_same: bool,
    /// Names of the objects that hold its further chunks.
    pub(super) chunks: Vec<String>,
}

/// One version of a document, or its absence. Compared, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(super) Option<String>);

/// The version that a write requires to be there.
#[derive(Debug)]
pub(super) enum Condition {
    Any,
    Is(Version),
}

/// A document as lists have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Key,
    /// In bytes, compressed.
    pub size: u64,
    pub version: Version,
}

impl Backend {
    /// Returns what `document` would replace.
    pub(super) async fn previous(
        &self,
        key: &Key,
        document: &Document,
    ) -> Result<Option<Previous>, StoreError> {
        match self {
            Self::ConfigMaps(maps) => maps.previous(key, document).await,
            Self::Objects(objects) => objects.previous(key, document).await,
        }
    }

    /// Writes `document`; readers see the old or the new one, never a mixture.
    pub(super) async fn write(
        &self,
        key: &Key,
        document: &Document,
        previous: Option<&Previous>,
        condition: &Condition,
    ) -> Result<(), StoreError> {
        match self {
            Self::ConfigMaps(maps) => maps.write(key, document, previous, condition).await,
            Self::Objects(objects) => objects.write(key, document, condition).await,
        }
    }

    pub(super) async fn read(&self, key: &Key) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        match self {
            Self::ConfigMaps(maps) => maps.read(key).await,
            Self::Objects(objects) => objects.read(key).await,
        }
    }

    pub(super) async fn each(
        &self,
        collection: Collection,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), StoreError> {
        match self {
            Self::ConfigMaps(maps) => maps.each(collection, visit).await,
            Self::Objects(objects) => objects.each(collection, visit).await,
        }
    }

    /// Deletes a document and returns its size, 0 if there was none.
    pub(super) async fn delete(&self, key: &Key) -> Result<u64, StoreError> {
        match self {
            Self::ConfigMaps(maps) => maps.delete(key).await,
            Self::Objects(objects) => objects.delete(key).await,
        }
    }
}
