//! One suite for all places.

use std::collections::BTreeSet;

use breakwater_core::{Digest, Platform};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Collected, Collection, Collector, Domain, Key, MAX_DOCUMENT, Quota, Resolution, Store, StoreError,
    Version, Written, backend::Backend, configmap::MAX_TOTAL, fake_api::FakeApi, objects::Objects,
};

impl Store {
    pub(crate) fn of_config_maps(api: &FakeApi) -> Self {
        Self::config_maps(api.client(), "breakwater-system")
    }

    fn of_directory(directory: &tempfile::TempDir) -> Self {
        Self::directory(directory.path().to_str().unwrap()).unwrap()
    }

    /// A bucket in memory. What a server does is tested with one, in `e2e/tests/store.rs`.
    fn of_bucket(quota: u64) -> Self {
        let bucket = Objects::bucket(object_store::memory::InMemory::new(), "clusters/a");
        Self::new(Backend::Objects(bucket), Quota::of(quota))
    }

    async fn keys(&self, collection: Collection) -> Vec<Key> {
        let mut keys = Vec::new();
        self.each(collection, |entry| keys.push(entry.key)).await.unwrap();
        keys.sort();
        keys
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

    // Collections are apart, and ledgers are not listed.
    store.put(&Key::History(a.clone()), b"h").await.unwrap();
    store.put(&Key::Inventory(Domain::Everyone, b.clone()), b"b").await.unwrap();
    store.put(&Key::Ledger("revision"), b"7").await.unwrap();
    let mut both =
        vec![Key::Inventory(Domain::Everyone, a.clone()), Key::Inventory(Domain::Everyone, b.clone())];
    both.sort();
    assert_eq!(store.keys(Collection::Inventory).await, both);
    assert_eq!(store.keys(Collection::Resolution).await, []);
    assert_eq!(store.get(&Key::Ledger("revision")).await.unwrap().unwrap(), b"7");

    // Larger than one object, then smaller again.
    for content in [noise(2_500_000), noise(2_600_000), noise(1_000)] {
        assert_eq!(store.put(&key, &content).await.unwrap(), Written::Changed);
        assert_eq!(store.get(&key).await.unwrap().unwrap(), content);
        assert_eq!(store.keys(Collection::Inventory).await, both, "chunks are not listed");
    }

    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(store.keys(Collection::Inventory).await, [Key::Inventory(Domain::Everyone, b)]);

    let too_large = store.put(&key, &vec![0; MAX_DOCUMENT + 1]).await;
    assert!(matches!(too_large, Err(StoreError::TooLarge { .. })));
    store.put(&Key::Inventory(Domain::Everyone, a), b"no inventory").await.unwrap();
    let damaged = store.inventory(&Domain::Everyone, &Digest::of(b"a")).await;
    assert!(matches!(damaged, Err(StoreError::Damaged { .. })));
}

/// Of two that read the same version, one writes.
async fn conditional(store: Store) {
    let key = Key::Ledger("advisories");
    let (content, absent) = store.read(&key).await.unwrap();
    assert_eq!((content, &absent), (None, &Version(None)));
    assert_eq!(store.replace(&key, b"5", absent.clone()).await.unwrap(), Written::Changed);
    let again = store.replace(&key, b"6", absent).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    let (_, version) = store.read(&key).await.unwrap();
    store.replace(&key, b"77", version.clone()).await.unwrap();
    let again = store.replace(&key, b"8", version).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    assert_eq!(store.get(&key).await.unwrap().unwrap(), b"77");
}

fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::hours(hour)
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn names(names: &[&str]) -> Option<BTreeSet<Digest>> {
    Some(names.iter().map(|name| digest(name)).collect())
}

/// What nothing names goes after a day, over restarts; what stands behind a name stays.
async fn collected(store: Store) {
    let resolves = |manifest: &str| {
        let platforms = vec![(Platform::linux("amd64"), digest(manifest))];
        serde_json::to_vec(&Resolution { platforms }).unwrap()
    };
    let team = Domain::namespace("team");
    for name in ["web", "behind", "old"] {
        store.put(&Key::Inventory(Domain::Everyone, digest(name)), name.as_bytes()).await.unwrap();
        store.put(&Key::History(digest(name)), name.as_bytes()).await.unwrap();
    }
    store.put(&Key::Inventory(team.clone(), digest("old")), b"team").await.unwrap();
    // The node names an index; the configuration of what is behind it is named by nothing today.
    store.put(&Key::Resolution(digest("index")), &resolves("behind")).await.unwrap();
    store.put(&Key::Resolution(digest("config")), &resolves("behind")).await.unwrap();
    store.put(&Key::Resolution(digest("old index")), &resolves("old")).await.unwrap();
    store.put(&Key::Ledger("advisories"), b"7").await.unwrap();

    let in_use = || names(&["web", "index"]);
    let run = async |names, hour| {
        // A new process each time: nothing rests on memory.
        Collector::new(store.clone()).run(names, &|| true, at(hour)).await.unwrap()
    };
    assert_eq!(run(in_use(), 0).await, Collected::default());
    assert_eq!(run(in_use(), 23).await, Collected::default(), "a restart deletes nothing early");
    assert_eq!(
        run(None, 24).await,
        Collected::default(),
        "as long as it is not known what is in use, nothing is deleted"
    );
    let follower = Collector::new(store.clone()).run(in_use(), &|| false, at(24)).await.unwrap();
    assert_eq!(follower, Collected::default());
    assert_eq!(
        run(in_use(), 24).await,
        Collected { deleted: 4, failed: 0 },
        "a restart does not start the day anew"
    );
    let left = |name: &str| Key::Inventory(Domain::Everyone, digest(name));
    let mut inventories = vec![left("web"), left("behind")];
    inventories.sort();
    assert_eq!(store.keys(Collection::Inventory).await, inventories);
    assert_eq!(store.keys(Collection::History).await.len(), 2);
    let mut resolutions = vec![Key::Resolution(digest("index")), Key::Resolution(digest("config"))];
    resolutions.sort();
    assert_eq!(store.keys(Collection::Resolution).await, resolutions);
    assert_eq!(
        store.get(&Key::Ledger("advisories")).await.unwrap().unwrap(),
        b"7",
        "a ledger is never collected"
    );

    assert_eq!(run(names(&[]), 30).await.deleted, 0);
    assert_eq!(run(names(&[]), 54).await.deleted, 5 + 1);
    assert_eq!(store.keys(Collection::Inventory).await, []);
}

#[tokio::test]
async fn in_a_bucket() {
    suite(Store::of_bucket(1 << 30)).await;
    conditional(Store::of_bucket(1 << 30)).await;
    collected(Store::of_bucket(1 << 30)).await;
}

#[tokio::test]
async fn a_damaged_ledger_begins_every_day_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::of_directory(&directory);
    let key = Key::History(digest("old"));
    store.put(&key, b"old").await.unwrap();
    let mut collector = Collector::new(store.clone());
    collector.run(names(&[]), &|| true, at(0)).await.unwrap();
    std::fs::write(directory.path().join("ledger/unreferenced.zst"), b"damage").unwrap();
    assert_eq!(collector.run(names(&[]), &|| true, at(24)).await.unwrap().deleted, 0);
    assert_eq!(collector.run(names(&[]), &|| true, at(48)).await.unwrap().deleted, 1);
}

#[tokio::test]
async fn in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    suite(Store::of_directory(&directory)).await;
    conditional(Store::of_directory(&directory)).await;
    collected(Store::of_directory(&tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn in_config_maps() {
    let api = FakeApi::default();
    suite(Store::of_config_maps(&api)).await;
    let sizes = api.paths().iter().map(|path| api.object(path).unwrap().to_string().len()).max();
    assert!(sizes.unwrap() < 1 << 20);
    conditional(Store::of_config_maps(&FakeApi::default())).await;
    collected(Store::of_config_maps(&FakeApi::default())).await;
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

#[tokio::test]
async fn chunks_that_no_head_names_go_after_a_day() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let key = Key::Inventory(Domain::Everyone, digest("x"));
    store.put(&key, &noise(2_500_000)).await.unwrap();
    let directory = "/api/v1/namespaces/breakwater-system/configmaps";
    let orphan = format!("{directory}/{}-0123456789ab-1", key.object_name());
    for path in api.paths().into_iter().filter(|path| path.ends_with("-1")).chain([orphan.clone()]) {
        let mut object = api.object(&path).unwrap_or_else(|| {
            json!({"metadata": {
            "name": path.rsplit('/').next().unwrap(), "labels": {"breakwater.dev/chunk": "true"}}})
        });
        object["metadata"]["creationTimestamp"] = json!(at(0));
        api.hold(&path, object);
    }
    let mut collector = Collector::new(store.clone());
    collector.run(names(&["x"]), &|| true, at(24)).await.unwrap();
    assert!(api.object(&orphan).is_some());
    collector.run(names(&["x"]), &|| true, at(25)).await.unwrap();
    assert!(api.object(&orphan).is_none());
    assert_eq!(store.get(&key).await.unwrap().unwrap(), noise(2_500_000));
}

/// An object that claims `size` bytes, as other replicas may have written it.
fn hold(api: &FakeApi, key: &Key, size: u64) {
    let path = format!("/api/v1/namespaces/breakwater-system/configmaps/{}", key.object_name());
    let metadata = json!({
        "name": key.object_name(),
        "labels": {"breakwater.dev/collection": key.collection()},
        "annotations": {"breakwater.dev/size": size.to_string()},
    });
    api.hold(&path, json!({"metadata": metadata}));
}

#[tokio::test]
async fn a_full_share_is_reported_until_something_is_deleted() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let (large, small) = (
        Key::Inventory(Domain::Everyone, digest("large")),
        Key::Inventory(Domain::Everyone, digest("small")),
    );
    let share = MAX_TOTAL / 4 * 3;
    hold(&api, &large, share - 1_000);
    let fullness = store.fullness();
    match store.put(&small, &noise(2_000)).await {
        Err(StoreError::Full(full)) => assert_eq!((full.used, full.allowed), (share - 1_000, share)),
        other => panic!("{other:?}"),
    }
    assert!(fullness.has_changed().unwrap());
    assert_eq!(store.full(&Domain::Everyone).unwrap().used, share - 1_000);
    assert_eq!(store.full(&Domain::namespace("team")), None);
    // The shares of others, and the operator's ledgers, are as they were.
    store.put(&Key::Inventory(Domain::namespace("team"), digest("x")), &noise(2_000)).await.unwrap();
    store.put(&Key::Ledger("advisories"), &noise(2_000)).await.unwrap();
    assert_eq!(store.put(&small, &noise(500)).await.unwrap(), Written::Changed);
    assert!(matches!(store.put(&small, &noise(1_900)).await, Err(StoreError::Full(_))));
    store.delete(&large).await.unwrap();
    assert_eq!(store.full(&Domain::Everyone), None);
    assert_eq!(store.put(&small, &noise(2_000)).await.unwrap(), Written::Changed);
}

#[tokio::test]
async fn a_write_lists_nothing() {
    let api = FakeApi::default();
    let store = Store::of_config_maps(&api);
    let key = |n: u32| Key::History(Digest::of(&n.to_be_bytes()));
    store.put(&key(0), b"first").await.unwrap();
    // Written by another replica: seen by the next count, and by no write before.
    hold(&api, &key(1), MAX_TOTAL);
    for n in 2..5 {
        store.put(&key(n), &noise(1_500_000)).await.unwrap();
        store.put(&key(n), &noise(1_000)).await.unwrap();
        store.delete(&key(n)).await.unwrap();
    }
    store.count_usage(|_| ()).await.unwrap();
    assert!(matches!(store.put(&key(2), b"more").await, Err(StoreError::Full(_))));
}

#[tokio::test]
async fn a_write_that_fails_takes_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let (objects, _) = Objects::directory(directory.path().to_str().unwrap()).unwrap();
    let store = Store::new(Backend::Objects(objects), Quota::of(4 << 20));
    let key = Key::History(digest("x"));
    // A directory where the file should be.
    std::fs::create_dir_all(directory.path().join(format!("history/{}.zst", digest("x").hex()))).unwrap();
    for _ in 0..4 {
        assert!(store.put(&key, &noise(2 << 20)).await.is_err());
    }
    store.put(&Key::History(digest("y")), &noise(2 << 20)).await.unwrap();
}

#[tokio::test]
async fn a_list_goes_on_over_pages() {
    let api = FakeApi::default();
    for n in 0..1_100_u32 {
        hold(&api, &Key::History(Digest::of(&n.to_be_bytes())), 10);
    }
    assert_eq!(Store::of_config_maps(&api).keys(Collection::History).await.len(), 1_100);
}
