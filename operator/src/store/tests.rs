//! One suite for both places.

use breakwater_core::Digest;
use serde_json::json;

use super::{
    Domain, Key, MAX_DOCUMENT, Place, Room, Store, StoreError, Written,
    configmap::{ConfigMaps, MAX_TOTAL},
    fake_api::FakeApi,
    file::Directory,
};
use crate::clock::Clock;

impl Store {
    pub(crate) fn of_config_maps(api: &FakeApi) -> Self {
        Self(Place::ConfigMaps(Box::new(ConfigMaps::new(api.client(), "breakwater-system", Clock))))
    }

    fn of_directory(directory: &tempfile::TempDir) -> Self {
        Self(Place::Directory(Directory::open(directory.path().to_str().unwrap()).unwrap()))
    }
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    (0..len).map(|_| next()).collect()
}

async fn suite(store: Store) {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let key = Key::Inventory(Domain::Everyone, a.clone());
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(store.put(&key, b"one").await.unwrap(), Written::Changed);
    assert_eq!(store.put(&key, b"one").await.unwrap(), Written::Unchanged);
    assert_eq!(store.get(&key).await.unwrap().unwrap(), b"one");
    assert_eq!(store.put(&key, b"two").await.unwrap(), Written::Changed);
    assert_eq!(store.get(&key).await.unwrap().unwrap(), b"two");

    // Rooms are apart, and ledgers are not listed.
    store.put(&Key::History(a.clone()), b"h").await.unwrap();
    store.put(&Key::Inventory(Domain::Everyone, b.clone()), b"b").await.unwrap();
    store.put(&Key::Ledger("revision"), b"7").await.unwrap();
    let mut both =
        vec![Key::Inventory(Domain::Everyone, a.clone()), Key::Inventory(Domain::Everyone, b.clone())];
    both.sort();
    assert_eq!(store.list(Room::Inventory).await.unwrap(), both);
    assert_eq!(store.list(Room::Resolution).await.unwrap(), []);
    assert_eq!(store.get(&Key::Ledger("revision")).await.unwrap().unwrap(), b"7");

    // Larger than one object, then smaller again.
    for content in [noise(2_500_000), noise(2_600_000), noise(1_000)] {
        assert_eq!(store.put(&key, &content).await.unwrap(), Written::Changed);
        assert_eq!(store.get(&key).await.unwrap().unwrap(), content);
        assert_eq!(store.list(Room::Inventory).await.unwrap(), both, "chunks are not listed");
    }

    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(store.list(Room::Inventory).await.unwrap(), [Key::Inventory(Domain::Everyone, b)]);

    let too_large = store.put(&key, &vec![0; MAX_DOCUMENT + 1]).await;
    assert!(matches!(too_large, Err(StoreError::TooLarge { .. })));
    store.put(&Key::Inventory(Domain::Everyone, a), b"no inventory").await.unwrap();
    let damaged = store.inventory(&Domain::Everyone, &Digest::of(b"a")).await;
    assert!(matches!(damaged, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    suite(Store::of_directory(&directory)).await;
}

#[tokio::test]
async fn in_config_maps() {
    let api = FakeApi::default();
    suite(Store::of_config_maps(&api)).await;
    let sizes = api.paths().iter().map(|path| api.object(path).unwrap().to_string().len()).max();
    assert!(sizes.unwrap() < 1 << 20);
}

#[tokio::test]
async fn surplus_chunks_go_away_and_equal_content_is_not_written() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let key = Key::Inventory(Domain::Everyone, Digest::of(b"x"));
    store.put(&key, &noise(2_500_000)).await.unwrap();
    assert_eq!(api.paths().len(), 3);
    store.put(&key, b"small").await.unwrap();
    assert_eq!(api.paths().len(), 1);
    api.take_writes();
    store.put(&key, b"small").await.unwrap();
    assert_eq!(api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_chunk_is_damage_and_not_content() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let key = Key::Inventory(Domain::Everyone, Digest::of(b"x"));
    store.put(&key, &noise(2_500_000)).await.unwrap();
    let chunk = api.paths().into_iter().find(|path| path.ends_with("-2")).unwrap();
    api.forget(&chunk);
    assert!(matches!(store.get(&key).await, Err(StoreError::Damaged { .. })));
}

/// An object that claims `size` bytes, as other replicas may have written it.
fn hold(api: &FakeApi, key: &Key, size: u64) {
    let path = format!("/api/v1/namespaces/breakwater-system/configmaps/{}", key.object_name());
    let metadata = json!({
        "name": key.object_name(),
        "labels": {"breakwater.dev/room": key.room()},
        "annotations": {"breakwater.dev/size": size.to_string()},
    });
    api.hold(&path, json!({"metadata": metadata}));
}

#[tokio::test]
async fn a_full_store_says_so_until_something_is_deleted() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let (large, small) = (
        Key::Inventory(Domain::Everyone, Digest::of(b"large")),
        Key::Inventory(Domain::Everyone, Digest::of(b"small")),
    );
    hold(&api, &large, MAX_TOTAL - 1_000);
    match store.put(&small, &noise(2_000)).await {
        Err(StoreError::Full { used, limit }) => assert_eq!((used, limit), (MAX_TOTAL - 1_000, MAX_TOTAL)),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.put(&small, &noise(500)).await.unwrap(), Written::Changed);
    assert!(matches!(store.put(&small, &noise(900)).await, Err(StoreError::Full { .. })));
    store.delete(&large).await.unwrap();
    assert_eq!(store.put(&small, &noise(2_000)).await.unwrap(), Written::Changed);
}

#[tokio::test]
async fn a_list_goes_on_over_pages() {
    let api = FakeApi::default();
    for n in 0..1_100_u32 {
        hold(&api, &Key::History(Digest::of(&n.to_be_bytes())), 10);
    }
    assert_eq!(Store::of_config_maps(&api).list(Room::History).await.unwrap().len(), 1_100);
}
