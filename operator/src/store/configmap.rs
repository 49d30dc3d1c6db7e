use std::collections::BTreeMap;

use breakwater_core::Digest;
use breakwater_crds::names::managers;
use chrono::{DateTime, Utc};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};

use super::{
    Collection, Key, StoreError,
    backend::{Condition, Document, Entry, Previous, Version},
    codec,
    key::prefix,
};

/// On every object: which collection it belongs to. What is listed is selected by it.
const COLLECTION: &str = "breakwater.dev/collection";
/// On further chunks: that they are chunks. Lists leave them out.
const CHUNK: &str = "breakwater.dev/chunk";
/// On heads: digest of the raw content. Equal content is not written again.
const CONTENT: &str = "breakwater.dev/content";
/// On heads: how many chunks there are, the head included.
const CHUNKS: &str = "breakwater.dev/chunks";
/// On heads: bytes of the document, all chunks together.
const SIZE: &str = "breakwater.dev/size";
/// The one key of `binaryData`.
const DATA: &str = "zstd";

/// The most bytes of one object; the API server refuses ConfigMaps above 1 MiB.
const MAX_OBJECT: usize = 900 << 10;
/// The most bytes of all documents: what an etcd of 2 GiB hardly notices.
pub(super) const MAX_TOTAL: u64 = 64 << 20;
/// Seconds after which a chunk that no head names was not left by a write that goes on.
const ORPHANED: i64 = 24 * 3600;
/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Documents as ConfigMaps of one namespace: one per key, larger ones in chunks. Not watched; lists carry metadata only.
#[derive(Debug, Clone)]
pub(super) struct ConfigMaps {
    api: Api<ConfigMap>,
}

impl ConfigMaps {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    pub(super) async fn previous(
        &self,
        key: &Key,
        document: &Document,
    ) -> Result<Option<Previous>, StoreError> {
        let Some(head) = self.api.get_metadata_opt(&key.object_name()).await? else { return Ok(None) };
        Ok(Some(Previous {
            size: size(&head),
            is_same: head.annotations().get(CONTENT) == Some(&document.content.to_string()),
            chunks: chunk_names(&key.object_name(), &head).unwrap_or_default(),
        }))
    }

    pub(super) async fn write(
        &self,
        key: &Key,
        document: &Document,
        previous: Option<&Previous>,
        condition: &Condition,
    ) -> Result<(), StoreError> {
        let objects = objects(key, document);
        // The head names its chunks by content and is written last: a reader sees the old or the new document, never a mixture.
        for chunk in objects.iter().skip(1).rev() {
            self.apply(chunk).await?;
        }
        if let Some(head) = objects.first() {
            let written = match condition {
                Condition::Any => self.apply(head).await,
                Condition::Is(Version(None)) => {
                    let manager =
                        PostParams { field_manager: Some(managers::CONTROLLER.into()), ..Default::default() };
                    self.api.create(&manager, head).await.map(drop)
                }
                Condition::Is(Version(Some(version))) => {
                    let mut head = head.clone();
                    head.metadata.resource_version = Some(version.clone());
                    self.apply(&head).await
                }
            };
            written.map_err(|error| match error {
                // Both the version that changed and the object that is there already have this code.
                kube::Error::Api(status) if status.code == 409 => StoreError::Conflict { key: key.clone() },
                error => error.into(),
            })?;
        }
        for surplus in previous.into_iter().flat_map(|previous| &previous.chunks) {
            if !objects.iter().any(|object| object.metadata.name.as_ref() == Some(surplus)) {
                self.delete_object(surplus).await?;
            }
        }
        Ok(())
    }

    async fn apply(&self, object: &ConfigMap) -> Result<(), kube::Error> {
        let manager = PatchParams::apply(managers::CONTROLLER).force();
        self.api.patch(&object.name_any(), &manager, &Patch::Apply(object)).await.map(drop)
    }

    pub(super) async fn read(&self, key: &Key) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        let damaged = |reason: &str| StoreError::Damaged { key: key.clone(), reason: reason.to_owned() };
        let Some(head) = self.api.get_opt(&key.object_name()).await? else {
            return Ok((None, Version(None)));
        };
        let version = Version(head.metadata.resource_version.clone());
        let content = head.annotations().get(CONTENT).and_then(|content| content.parse::<Digest>().ok());
        let content = content.ok_or_else(|| damaged("it does not name its content"))?;
        let chunks =
            chunk_names(&key.object_name(), &head).ok_or_else(|| damaged("it does not count its chunks"))?;
        let mut packed = data(head).ok_or_else(|| damaged("its data is missing"))?;
        for name in chunks {
            let chunk = self.api.get_opt(&name).await?.and_then(data);
            packed.extend(chunk.ok_or_else(|| damaged("a chunk is missing"))?);
        }
        let raw = codec::unpack(key, &packed)?;
        if Digest::of(&raw) != content {
            return Err(damaged("its content has another digest"));
        }
        Ok((Some(raw), version))
    }

    /// Walks over a collection, page by page.
    pub(super) async fn each(
        &self,
        collection: Collection,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), StoreError> {
        let prefix = prefix(collection.name());
        let selector = format!("{COLLECTION}={},!{CHUNK}", collection.name());
        let mut params = ListParams::default().labels(&selector).limit(PAGE);
        loop {
            let page = self.api.list_metadata(&params).await?;
            for head in page.items {
                let key = head.name_any().strip_prefix(&prefix).and_then(|leaf| collection.key(leaf));
                if let Some(key) = key {
                    let size = size(&head);
                    visit(Entry { key, size, version: Version(head.metadata.resource_version) });
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Deletes a document and returns its size. The head goes first: what is left of an interrupted deletion is never read.
    pub(super) async fn delete(&self, key: &Key) -> Result<u64, StoreError> {
        let name = key.object_name();
        let Some(head) = self.api.get_metadata_opt(&name).await? else { return Ok(0) };
        self.delete_object(&name).await?;
        for chunk in chunk_names(&name, &head).unwrap_or_default() {
            self.delete_object(&chunk).await?;
        }
        Ok(size(&head))
    }

    /// Deletes chunks that no head names and that are older than a day: what interrupted writes and deletions left.
    pub(super) async fn delete_orphans(
        &self,
        may_write: &(impl Fn() -> bool + Sync),
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut params = ListParams::default().labels(CHUNK).limit(PAGE);
        loop {
            let page = self.api.list_metadata(&params).await?;
            for chunk in page.items {
                let created = chunk.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
                let is_old =
                    created.is_some_and(|created| now.timestamp().saturating_sub(created) > ORPHANED);
                if is_old && !self.is_named(&chunk.name_any()).await? && may_write() {
                    self.delete_object(&chunk.name_any()).await?;
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Reports whether the head of the document that `chunk` belongs to names it.
    async fn is_named(&self, chunk: &str) -> Result<bool, StoreError> {
        // `<head>-<content>-<number>`
        let Some(name) = chunk.rsplitn(3, '-').nth(2) else { return Ok(false) };
        let head = self.api.get_metadata_opt(name).await?;
        let chunks = head.and_then(|head| chunk_names(name, &head)).unwrap_or_default();
        Ok(chunks.iter().any(|named| named == chunk))
    }

    async fn delete_object(&self, name: &str) -> Result<(), StoreError> {
        match self.api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The head first, then its further chunks.
fn objects(key: &Key, document: &Document) -> Vec<ConfigMap> {
    let chunks: Vec<&[u8]> = document.packed.chunks(MAX_OBJECT).collect();
    let object = |(number, chunk): (usize, &&[u8])| {
        let mut labels = BTreeMap::from([(COLLECTION.to_owned(), key.collection().to_owned())]);
        let mut annotations = BTreeMap::new();
        let name = if number == 0 {
            annotations.insert(CONTENT.to_owned(), document.content.to_string());
            annotations.insert(CHUNKS.to_owned(), chunks.len().to_string());
            annotations.insert(SIZE.to_owned(), document.size().to_string());
            key.object_name()
        } else {
            labels.insert(CHUNK.to_owned(), "true".to_owned());
            chunk_name(&key.object_name(), &document.content, number)
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

fn size(head: &impl kube::ResourceExt) -> u64 {
    head.annotations().get(SIZE).and_then(|size| size.parse().ok()).unwrap_or_default()
}

/// The names of a document's further chunks, by its head; `None` if that does not name them, or more than the store may hold.
fn chunk_names(name: &str, head: &impl kube::ResourceExt) -> Option<Vec<String>> {
    let content: Digest = head.annotations().get(CONTENT)?.parse().ok()?;
    let chunks: usize = head.annotations().get(CHUNKS)?.parse().ok()?;
    let is_possible = chunks <= MAX_TOTAL as usize / MAX_OBJECT;
    is_possible.then(|| (1..chunks).map(|number| chunk_name(name, &content, number)).collect())
}

fn data(object: ConfigMap) -> Option<Vec<u8>> {
    object.binary_data?.remove(DATA).map(|ByteString(bytes)| bytes)
}

fn chunk_name(head: &str, content: &Digest, number: usize) -> String {
    format!("{head}-{}-{number}", content.short())
}
