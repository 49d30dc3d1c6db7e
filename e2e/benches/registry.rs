//! A registry of 500 images of three platforms, scanned by four pods, twice: how long it takes, and what the registry was asked for.
//!
//! `make bench`. Goals: each image's own layers are read once, a shared base at most once by each pod, and nothing the second time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark measures time on a real cluster, and stops where it cannot"
)]

use std::time::{Duration, Instant};

use breakwater_crds::{ImagePolicy, scanjob::ScanJob};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

#[path = "../tests/cluster/support/stock.rs"]
mod stock;

use stock::{AccessLog, Stock};

const PODS: usize = 4;

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        Client::try_default().await.expect("a cluster: make deploy, then eval \"$(make -s cluster-env)\"");
    let variable = |name| std::env::var(name).expect("eval \"$(make -s cluster-env)\" first");
    let namespace = format!("bench-registry-{}", std::process::id());
    let stock = Stock {
        prefix: namespace.clone(),
        repositories: 5,
        tags: 100,
        architectures: &["amd64", "arm64", "s390x"],
    };
    let start = Instant::now();
    let stocked = stock.push(&variable("REGISTRY_ADDRESS")).await;
    println!(
        "pushed {} images of 3 platforms in {:.0} s",
        stocked.images.len(),
        start.elapsed().as_secs_f64()
    );

    let namespaces: Api<Namespace> = Api::all(client.clone());
    let object = json!({"metadata": {"name": namespace}});
    namespaces.create(&PostParams::default(), &from(object)).await.expect("it can be made");
    let repositories: Vec<_> = (0..5).map(|n| json!({"name": format!("{namespace}/{n}")})).collect();
    let policy = json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "all"},
        "spec": {"registries": [{"name": "main", "url": format!("https://{}", variable("REGISTRY")),
            "repositories": repositories, "platforms": ["linux/amd64", "linux/arm64", "linux/s390x"]}]},
    });
    let policies: Api<ImagePolicy> = Api::namespaced(client.clone(), &namespace);
    policies.create(&PostParams::default(), &from(policy)).await.expect("it can be made");

    println!(
        "{:<8} {:>8} {:>8} {:>10} {:>12} {:>16} {:>12}",
        "scan", "seconds", "images", "manifests", "own layers", "base reads, max", "other blobs"
    );
    for name in ["first", "second"] {
        let log = AccessLog::begin(variable("REGISTRY_LOG"));
        let start = Instant::now();
        let done = scan(&client, &namespace, name).await;
        let seconds = start.elapsed().as_secs_f64();
        let reads = log.reads(&namespace);
        let own = stocked.own.iter().filter_map(|own| reads.blobs.get(own));
        let (own, twice) = own.fold((0, 0), |(sum, twice), times| (sum + times, twice.max(*times)));
        let bases = stocked.bases.iter().filter_map(|base| reads.blobs.get(base)).max().copied().unwrap_or(0);
        let is_layer = |digest: &&_| stocked.own.contains(digest) || stocked.bases.contains(digest);
        let others: usize =
            reads.blobs.iter().filter(|(digest, _)| !is_layer(digest)).map(|(_, times)| times).sum();
        println!(
            "{name:<8} {seconds:>8.1} {done:>8} {:>10} {own:>7} (≤{twice}) {bases:>16} {others:>12}",
            reads.manifests
        );
    }
    println!("goals: own layers {} and none; base reads ≤ {PODS} and none", stocked.own.len());
    namespaces.delete(&namespace, &DeleteParams::default()).await.expect("it can be removed");
}

/// How many images it scanned.
async fn scan(client: &Client, namespace: &str, name: &str) -> i32 {
    let api: Api<ScanJob> = Api::namespaced(client.clone(), namespace);
    let object = json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob", "metadata": {"name": name},
        "spec": {"registry": {"policyRef": {"name": "all"}, "name": "main"}, "parallelism": PODS, "attempts": 1, "timeout": "30m"},
    });
    api.create(&PostParams::default(), &from(object)).await.expect("it can be made");
    let start = Instant::now();
    loop {
        let status = api.get(name).await.expect("it is there").status.unwrap_or_default();
        if status.completion_time.is_some() {
            let progress = status.progress.unwrap_or_default();
            assert_eq!((progress.failed, progress.skipped), (0, 0), "{:#?}", status.conditions);
            return progress.scanned;
        }
        assert!(start.elapsed() < Duration::from_secs(1_800), "{status:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn from<K: serde::de::DeserializeOwned>(object: serde_json::Value) -> K {
    serde_json::from_value(object).expect("valid")
}
