//! The report store in a bucket of a real S3 server, which is killed and started again while it is written, read and collected.
//!
//! `BREAKWATER_INVENTORIES` is their number (default 400; 20,000 take minutes). No cluster is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what a test relies on and does not get, fails it; a real server is waited for by the clock"
)]

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use breakwater_core::{Digest, Platform};
use breakwater_e2e::{Layout, ObjectServer, Progress};
use breakwater_operator::{
    config,
    store::{Collection, Collector, Domain, Key, Resolution, Store, StoreError, Version, Written},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use serde_json::json;
use tokio::sync::Notify;

/// Writers at the same time: intake lets in two large bodies for each replica.
const WRITERS: usize = 4;
/// How long the server is away: longer than the store tries again.
const AWAY: Duration = Duration::from_secs(8);
/// What the process may grow by from a tenth of the inventories to all of them, in KiB.
const GROWTH: u64 = 16 << 10;

struct Bench {
    server: ObjectServer,
    store: Store,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::from_environment().unwrap();
        let server = ObjectServer::start(&layout, directory.path(), &Progress::new()).unwrap();
        let credentials = directory.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        std::fs::write(credentials.join("accessKeyId"), ObjectServer::KEY_ID).unwrap();
        std::fs::write(credentials.join("secretAccessKey"), format!("{}\n", ObjectServer::SECRET_KEY))
            .unwrap();
        let mut bench = Self { store: Store::s3(&settings(&server, &directory)).unwrap(), server, directory };
        bench.reopen();
        bench
    }

    /// As after a restart of the operator.
    fn reopen(&mut self) {
        self.store = Store::s3(&settings(&self.server, &self.directory)).unwrap();
    }
}

fn settings(server: &ObjectServer, directory: &tempfile::TempDir) -> config::S3 {
    config::S3 {
        endpoint: server.endpoint(),
        bucket: ObjectServer::BUCKET.into(),
        region: "us-east-1".into(),
        prefix: "clusters/e2e".into(),
        allow_http: true,
        credentials: directory.path().join("credentials").display().to_string(),
        quota_gib: 10,
    }
}

fn digest(number: usize) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn key(number: usize) -> Key {
    Key::Inventory(Domain::Everyone, digest(number))
}

/// An inventory of 90 packages whose names no other image has: about 5 KB compressed.
fn inventory(number: usize) -> Vec<u8> {
    let packages = (0..90).map(|package| {
        let name = Digest::of(format!("{number}/{package}").as_bytes()).short();
        json!({"name": name, "version": "1.2.3-4+deb12u1", "ecosystem": "Debian:12", "purl": format!("pkg:deb/debian/{name}@1.2.3-4"),
            "path": "var/lib/dpkg/status"})
    });
    serde_json::to_vec(
        &json!({"schemaVersion": 1, "digest": digest(number), "packages": packages.collect::<Vec<_>>()}),
    )
    .unwrap()
}

fn number() -> usize {
    std::env::var("BREAKWATER_INVENTORIES").map_or(400, |number| number.parse().expect("a number"))
}

/// Anonymous resident memory, in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Writes until the server has taken it, as a scan Job does. Returns how often that failed.
async fn written(store: &Store, number: usize) -> usize {
    let content = inventory(number);
    for failures in 0..60 {
        match store.put(&key(number), &content).await {
            Ok(_) => return failures,
            Err(StoreError::Objects(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("inventory {number} could not be written in half a minute");
}

async fn keys(store: &Store) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    store.each(Collection::Inventory, |entry| _ = keys.insert(entry.key)).await.unwrap();
    keys
}

async fn write(store: &Store, numbers: std::ops::Range<usize>) -> usize {
    stream::iter(numbers)
        .map(|number| written(store, number))
        .buffer_unordered(WRITERS)
        .fold(0, async |all, n| all + n)
        .await
}

fn at(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(day)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_is_killed_and_memory_stays_flat() {
    let all = number();
    let mut bench = Bench::new();
    let start = Instant::now();
    let lap = |what: &str| {
        let memory = memory(std::process::id());
        eprintln!("{:7.1} s  {memory:>6} KiB  {what}", start.elapsed().as_secs_f64());
        memory
    };
    lap("start");
    write(&bench.store, 0..all / 10).await;
    let before = lap(&format!("{} written", all / 10));

    // Killed while writes are on their way.
    let store = bench.store.clone();
    let writer = tokio::spawn(async move { write(&store, all / 10..all).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    bench.server.kill();
    tokio::time::sleep(AWAY).await;
    bench.server.restart().unwrap();
    let failures = writer.await.unwrap();
    lap(&format!("{all} written; {failures} attempts failed while the server was away"));
    assert_eq!(bench.store.put(&key(all / 2), &inventory(all / 2)).await.unwrap(), Written::Unchanged);

    // Another process of the operator, and of the server.
    bench.server.restart().unwrap();
    bench.reopen();
    let expected: BTreeSet<Key> = (0..all).map(key).collect();
    assert_eq!(keys(&bench.store).await, expected);
    lap("listed");
    let reads = stream::iter(0..all).map(|number| {
        let store = bench.store.clone();
        async move { store.get(&key(number)).await.unwrap() == Some(inventory(number)) }
    });
    let whole = reads.buffer_unordered(WRITERS).fold(0, async |whole, same| whole + usize::from(same)).await;
    assert_eq!(whole, all);
    lap("read back, each as it was written");

    // Half of them are in use, one of these through an index.
    let index = Digest::of(b"index");
    let resolution = Resolution { platforms: vec![(Platform::linux("amd64"), digest(0))] };
    bench
        .store
        .put(&Key::Resolution(index.clone()), &serde_json::to_vec(&resolution).unwrap())
        .await
        .unwrap();
    let in_use = || (1..all / 2).map(digest).chain([index.clone()]).collect::<BTreeSet<_>>();
    let first = Collector::new(bench.store.clone()).run(Some(in_use()), &|| true, at(0)).await.unwrap();
    assert_eq!(first.deleted, 0);
    bench.server.restart().unwrap();
    bench.reopen();
    let mut collector = Collector::new(bench.store.clone());
    let (mut deleted, mut failed, mut runs) = (0, 0, 0);
    while keys(&bench.store).await.len() > all / 2 {
        runs += 1;
        assert!(runs < 50, "{deleted} were deleted");
        // The first run meets a server that dies after a few deletions; nothing that is in use may suffer.
        let (writes, begun) = (AtomicUsize::new(0), Notify::new());
        let may_write = || {
            if writes.fetch_add(1, Ordering::Relaxed) == 20 {
                begun.notify_one();
            }
            true
        };
        let run = collector.run(Some(in_use()), &may_write, at(runs));
        let outcome = if runs == 1 {
            let server = &mut bench.server;
            let kill = async {
                begun.notified().await;
                server.kill();
                tokio::time::sleep(AWAY).await;
                server.restart().unwrap();
            };
            tokio::join!(run, kill).0
        } else {
            run.await
        };
        match outcome {
            Ok(collected) => (deleted, failed) = (deleted + collected.deleted, failed + collected.failed),
            Err(error) => eprintln!("           a run failed: {error}"),
        }
    }
    let expected: BTreeSet<Key> = (0..all / 2).map(key).collect();
    assert_eq!(keys(&bench.store).await, expected, "all that is in use is there, and nothing else");
    let after = lap(&format!("{deleted} collected in {runs} runs, {failed} deletions tried again"));
    if let Some(pid) = bench.server.pid() {
        eprintln!("           {:>6} KiB  the server", memory(pid));
    }
    assert!(after < before + GROWTH, "the process grew from {before} to {after} KiB");
}

#[tokio::test]
async fn of_two_leaders_one_writes_the_ledger() {
    let bench = Bench::new();
    let (one, other) = (&bench.store, Store::s3(&settings(&bench.server, &bench.directory)).unwrap());
    let ledger = Key::Ledger("advisories");
    let (content, absent) = one.read(&ledger).await.unwrap();
    assert_eq!((content, absent == other.read(&ledger).await.unwrap().1), (None, true));
    one.replace(&ledger, b"5", absent.clone()).await.unwrap();
    assert!(matches!(other.replace(&ledger, b"4", absent).await, Err(StoreError::Conflict { .. })));
    let version = |read: (Option<Vec<u8>>, Version)| read.1;
    let (of_one, of_other) =
        (version(one.read(&ledger).await.unwrap()), version(other.read(&ledger).await.unwrap()));
    other.replace(&ledger, b"6", of_other).await.unwrap();
    assert!(matches!(one.replace(&ledger, b"5", of_one).await, Err(StoreError::Conflict { .. })));
    assert_eq!(one.get(&ledger).await.unwrap().unwrap(), b"6");
}

#[tokio::test]
async fn rotated_credentials_are_used_at_once_and_wrong_ones_are_told() {
    let bench = Bench::new();
    let secret = bench.directory.path().join("credentials/secretAccessKey");
    std::fs::write(&secret, "wrong").unwrap();
    let refused = bench.store.put(&key(1), b"x").await.unwrap_err().to_string();
    assert!(!refused.contains(ObjectServer::SECRET_KEY) && refused.contains("store's objects"), "{refused}");
    std::fs::remove_file(&secret).unwrap();
    let missing = bench.store.put(&key(1), b"x").await.unwrap_err().to_string();
    assert!(missing.contains("secretAccessKey cannot be read"), "{missing}");
    std::fs::write(&secret, ObjectServer::SECRET_KEY).unwrap();
    bench.store.put(&key(1), b"x").await.unwrap();
}
