use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, path::Path};

use super::{Key, Room, StoreError, Written, codec};

/// Documents as files: `<room>/<name>.zst`. Its bound is the volume's; a full volume is [`StoreError::Directory`].
#[derive(Debug, Clone)]
pub(super) struct Directory {
    files: Arc<LocalFileSystem>,
}

const SUFFIX: &str = ".zst";

impl Directory {
    pub(super) fn open(directory: &str) -> Result<Self, StoreError> {
        let files = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        Ok(Self { files: Arc::new(files) })
    }

    pub(super) async fn put(&self, key: &Key, content: &[u8]) -> Result<Written, StoreError> {
        if self.get(key).await.is_ok_and(|stored| stored.as_deref() == Some(content)) {
            return Ok(Written::Unchanged);
        }
        // Written beside and renamed: a reader sees the old or the new one.
        self.files.put(&path(key), codec::pack(key, content)?.into()).await?;
        Ok(Written::Changed)
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        match self.files.get(&path(key)).await {
            Ok(found) => codec::unpack(key, &found.bytes().await?).map(Some),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn list(&self, room: Room) -> Result<Vec<Key>, StoreError> {
        let files = self.files.list(Some(&Path::from(room.name())));
        let key = |file: object_store::ObjectMeta| room.key(file.location.filename()?.strip_suffix(SUFFIX)?);
        Ok(files.try_filter_map(async |file| Ok(key(file))).try_collect().await?)
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match self.files.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn path(key: &Key) -> Path {
    Path::from_iter([key.room(), &format!("{}{SUFFIX}", key.leaf())])
}
