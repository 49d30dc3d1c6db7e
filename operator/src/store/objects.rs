use std::{fmt, sync::Arc};

use futures::TryStreamExt as _;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion, local::LocalFileSystem, path::Path,
};

use super::{
    Collection, Key, Quota, StoreError,
    backend::{Condition, Document, Entry, Previous, Version},
    codec,
};

/// Of the volume that holds a directory, the part that documents may use: a file system that is full to the last block is slow.
const VOLUME_PERCENT: u64 = 90;

/// Documents as objects `[<prefix>/]<collection>/<name>.zst` of a directory or of a bucket.
#[derive(Clone)]
pub(super) struct Objects {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Whether the place itself compares versions. A directory does not: its conditional writes are sound for one writer, the leader.
    compares: bool,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /{}", self.objects, self.prefix)
    }
}

const SUFFIX: &str = ".zst";

impl Objects {
    /// Opens a directory, for example of a PersistentVolumeClaim, and returns with it what its volume holds.
    pub(super) fn directory(directory: &str) -> Result<(Self, Quota), StoreError> {
        let files = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        let volume = rustix::fs::statvfs(directory)
            .map_err(|error| StoreError::Volume { directory: directory.to_owned(), cause: error.into() })?;
        let quota = Quota::of((volume.f_blocks / 100 * VOLUME_PERCENT).saturating_mul(volume.f_frsize));
        Ok((Self { objects: Arc::new(files), prefix: Path::default(), compares: false }, quota))
    }

    pub(super) fn bucket(bucket: impl ObjectStore, prefix: &str) -> Self {
        Self { objects: Arc::new(bucket), prefix: Path::from(prefix), compares: true }
    }

    pub(super) async fn previous(
        &self,
        key: &Key,
        document: &Document,
    ) -> Result<Option<Previous>, StoreError> {
        match self.objects.get(&self.path(key)).await {
            Ok(found) => {
                let size = found.meta.size;
                // Of another size it is another document; one of the same is compared.
                let is_same = size == document.size() && found.bytes().await? == document.packed;
                Ok(Some(Previous { size, is_same, chunks: Vec::new() }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn write(
        &self,
        key: &Key,
        document: &Document,
        condition: &Condition,
    ) -> Result<(), StoreError> {
        let path = self.path(key);
        let mode = match condition {
            Condition::Any => PutMode::Overwrite,
            Condition::Is(Version(None)) => PutMode::Create,
            Condition::Is(Version(Some(version))) if self.compares => {
                PutMode::Update(UpdateVersion { e_tag: Some(version.clone()), version: None })
            }
            Condition::Is(expected) => {
                if self.version(&path).await? != *expected {
                    return Err(StoreError::Conflict { key: key.clone() });
                }
                PutMode::Overwrite
            }
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.objects.put_opts(&path, document.packed.clone().into(), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Err(StoreError::Conflict { key: key.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn read(&self, key: &Key) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        match self.objects.get(&self.path(key)).await {
            Ok(found) => {
                let version = Version(found.meta.e_tag.clone());
                Ok((Some(codec::unpack(key, &found.bytes().await?)?), version))
            }
            Err(object_store::Error::NotFound { .. }) => Ok((None, Version(None))),
            Err(error) => Err(error.into()),
        }
    }

    /// Walks over a collection, page by page.
    pub(super) async fn each(
        &self,
        collection: Collection,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), StoreError> {
        let mut objects = self.objects.list(Some(&self.prefix.clone().join(collection.name())));
        while let Some(object) = objects.try_next().await? {
            let name = object.location.filename().and_then(|name| name.strip_suffix(SUFFIX));
            if let Some(key) = name.and_then(|name| collection.key(name)) {
                visit(Entry { key, size: object.size, version: Version(object.e_tag) });
            }
        }
        Ok(())
    }

    /// Deletes a document and returns its size.
    pub(super) async fn delete(&self, key: &Key) -> Result<u64, StoreError> {
        let path = self.path(key);
        let absent = |error| match error {
            object_store::Error::NotFound { .. } => Ok(0),
            error => Err(StoreError::from(error)),
        };
        let size = match self.objects.head(&path).await {
            Ok(object) => object.size,
            Err(error) => return absent(error),
        };
        self.objects.delete(&path).await.map_or_else(absent, |()| Ok(size))
    }

    async fn version(&self, path: &Path) -> Result<Version, StoreError> {
        match self.objects.head(path).await {
            Ok(object) => Ok(Version(object.e_tag)),
            Err(object_store::Error::NotFound { .. }) => Ok(Version(None)),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, key: &Key) -> Path {
        self.prefix.clone().join(key.collection()).join(format!("{}{SUFFIX}", key.leaf()))
    }
}
