use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use breakwater_core::Digest;
use breakwater_crds::names::managers;
use k8s_openapi::{ByteString, api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams},
};

use super::{Key, Room, StoreError, Written, codec, key::prefix};
use crate::clock::Clock;

/// On every object: which room it belongs to. What is listed is selected by it.
const ROOM: &str = "breakwater.dev/room";
/// On further chunks: the head's name, shortened to fit a label (the first 52 characters of its leaf).
const CHUNK_OF: &str = "breakwater.dev/chunk-of";
/// On heads: digest of the raw content. Equal content is not written again.
const CONTENT: &str = "breakwater.dev/content";
/// On heads: how many chunks there are, the head included.
const CHUNKS: &str = "breakwater.dev/chunks";
/// On every object: bytes of its data.
const SIZE: &str = "breakwater.dev/size";
/// The one key of `binaryData`.
const DATA: &str = "zstd";

/// The most bytes of one object; the API server refuses ConfigMaps above 1 MiB.
const MAX_OBJECT: usize = 900 << 10;
/// The most bytes of all objects: what an etcd of 2 GiB hardly notices.
pub(super) const MAX_TOTAL: u64 = 64 << 20;
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// How long a counted total is believed; other replicas write as well. The total may be passed by what they write meanwhile.
const BELIEVED: Duration = Duration::from_secs(300);

/// Documents as ConfigMaps of one namespace: one per key, larger ones in chunks. Not watched; lists carry metadata only.
#[derive(Debug, Clone)]
pub(super) struct ConfigMaps {
    api: Api<ConfigMap>,
    clock: Clock,
    total: Arc<Mutex<Option<Total>>>,
}

#[derive(Debug, Clone, Copy)]
struct Total {
    bytes: u64,
    counted: Instant,
}

impl ConfigMaps {
    pub(super) fn new(client: Client, namespace: &str, clock: Clock) -> Self {
        Self { api: Api::namespaced(client, namespace), clock, total: Arc::default() }
    }

    pub(super) async fn put(&self, key: &Key, content: &[u8]) -> Result<Written, StoreError> {
        let digest = Digest::of(content);
        let stored = self.api.get_metadata_opt(&key.object_name()).await?;
        let annotation = |object: &PartialObjectMeta<ConfigMap>| object.annotations().get(CONTENT).cloned();
        if stored.as_ref().and_then(annotation) == Some(digest.to_string()) {
            return Ok(Written::Unchanged);
        }
        let packed = codec::pack(key, content)?;
        self.reserve(packed.len()).await?;
        // The head names its chunks by content and is written last: a reader sees the old or the new document, never a mixture.
        for object in objects(key, &digest, &packed).iter().rev() {
            let manager = PatchParams::apply(managers::CONTROLLER).force();
            self.api.patch(&object.name_any(), &manager, &Patch::Apply(object)).await?;
        }
        if stored.is_some() {
            self.delete_chunks(key, Some(&digest)).await?;
        }
        Ok(Written::Changed)
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let damaged = |reason: &str| StoreError::Damaged { key: key.clone(), reason: reason.to_owned() };
        let Some(head) = self.api.get_opt(&key.object_name()).await? else { return Ok(None) };
        let annotation = |name: &str| head.annotations().get(name).cloned().unwrap_or_default();
        let content: Digest =
            annotation(CONTENT).parse().map_err(|_| damaged("it does not name its content"))?;
        let chunks: usize =
            annotation(CHUNKS).parse().map_err(|_| damaged("it does not count its chunks"))?;
        if chunks > MAX_TOTAL as usize / MAX_OBJECT {
            return Err(damaged("it claims more chunks than the store may hold"));
        }
        let mut packed = data(head).ok_or_else(|| damaged("its data is missing"))?;
        for number in 1..chunks {
            let chunk = self.api.get_opt(&chunk_name(key, &content, number)).await?.and_then(data);
            packed.extend(chunk.ok_or_else(|| damaged("a chunk is missing"))?);
        }
        let raw = codec::unpack(key, &packed)?;
        if Digest::of(&raw) != content {
            return Err(damaged("its content has another digest"));
        }
        Ok(Some(raw))
    }

    pub(super) async fn list(&self, room: Room) -> Result<Vec<Key>, StoreError> {
        let prefix = prefix(room.name());
        let objects = self.pages(&format!("{ROOM}={},!{CHUNK_OF}", room.name())).await?;
        let key = |object: &PartialObjectMeta<ConfigMap>| room.key(object.name_any().strip_prefix(&prefix)?);
        Ok(objects.iter().filter_map(key).collect())
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.delete_object(&key.object_name()).await?;
        self.delete_chunks(key, None).await?;
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Removes chunks of `key` but those of `keep`.
    async fn delete_chunks(&self, key: &Key, keep: Option<&Digest>) -> Result<(), StoreError> {
        let keep = keep.map(|content| chunk_prefix(key, content));
        for chunk in self.pages(&format!("{CHUNK_OF}={}", chunk_label(key))).await? {
            let name = chunk.name_any();
            if keep.as_deref().is_none_or(|keep| !name.starts_with(keep)) {
                self.delete_object(&name).await?;
            }
        }
        Ok(())
    }

    async fn delete_object(&self, name: &str) -> Result<(), StoreError> {
        match self.api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes room for `size` bytes, or says that there is none. What is replaced counts twice until the next count.
    async fn reserve(&self, size: usize) -> Result<(), StoreError> {
        let now = self.clock.monotonic();
        let size = size as u64;
        let believed = *self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |total: &Total| {
            now.duration_since(total.counted) < BELIEVED && total.bytes.saturating_add(size) <= MAX_TOTAL
        };
        let total = match believed.filter(fits) {
            Some(total) => total,
            None => {
                let objects = self.pages(ROOM).await?;
                let sizes = objects.iter().filter_map(|o| o.annotations().get(SIZE)?.parse::<u64>().ok());
                Total { bytes: sizes.fold(0, u64::saturating_add), counted: now }
            }
        };
        let bytes = total.bytes.saturating_add(size);
        if bytes > MAX_TOTAL {
            return Err(StoreError::Full { used: total.bytes, limit: MAX_TOTAL });
        }
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) = Some(Total { bytes, ..total });
        Ok(())
    }

    async fn pages(&self, selector: &str) -> Result<Vec<PartialObjectMeta<ConfigMap>>, StoreError> {
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let page = self.api.list_metadata(&params).await?;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(objects),
            }
        }
    }
}

/// The head first, then its further chunks.
fn objects(key: &Key, content: &Digest, packed: &[u8]) -> Vec<ConfigMap> {
    let chunks: Vec<&[u8]> = packed.chunks(MAX_OBJECT).collect();
    let object = |(number, chunk): (usize, &&[u8])| {
        let mut labels = BTreeMap::from([(ROOM.to_owned(), key.room().to_owned())]);
        let mut annotations = BTreeMap::from([(SIZE.to_owned(), chunk.len().to_string())]);
        let name = if number == 0 {
            annotations.insert(CONTENT.into(), content.to_string());
            annotations.insert(CHUNKS.into(), chunks.len().to_string());
            key.object_name()
        } else {
            labels.insert(CHUNK_OF.into(), chunk_label(key));
            chunk_name(key, content, number)
        };
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name),
                labels: Some(labels),
                annotations: Some(annotations),
                ..ObjectMeta::default()
            },
            binary_data: Some(BTreeMap::from([(DATA.to_owned(), ByteString(chunk.to_vec()))])),
            ..ConfigMap::default()
        }
    };
    chunks.iter().enumerate().map(object).collect()
}

fn data(object: ConfigMap) -> Option<Vec<u8>> {
    object.binary_data?.remove(DATA).map(|ByteString(bytes)| bytes)
}

fn chunk_label(key: &Key) -> String {
    format!("{}-{}", key.room(), key.leaf().chars().take(52).collect::<String>())
}

fn chunk_prefix(key: &Key, content: &Digest) -> String {
    format!("{}-{}-", key.object_name(), content.short())
}

fn chunk_name(key: &Key, content: &Digest, number: usize) -> String {
    format!("{}{number}", chunk_prefix(key, content))
}
