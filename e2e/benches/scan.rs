//! From `kubectl create` of a ScanJob to Complete, on the real cluster: ten images that no inventory exists of, one after the other.
//!
//! `make bench`. Prints the size of the image, each run, median and maximum, and the time that the same machine needs to start a pod that does
//! nothing, as the floor below which no Job can be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what a test relies on and does not get, fails it; a real cluster is waited for by the clock"
)]

use std::time::{Duration, Instant};

use breakwater_core::Digest;
use breakwater_crds::scanjob::ScanJob;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

const RUNS: usize = 10;
const NAMESPACE: &str = "default";

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_default()
        .await
        .expect("a cluster: make cluster-up deploy, then eval \"$(make -s cluster-env)\"");
    let variable = |name| std::env::var(name).expect("eval \"$(make -s cluster-env)\" first");
    let address = format!("http://{}", variable("REGISTRY_ADDRESS"));
    let http = reqwest::Client::new();
    let nonce = std::process::id();

    let floor = idle_pod(&client).await;
    let api: Api<ScanJob> = Api::namespaced(client.clone(), NAMESPACE);
    let mut times = Vec::new();
    let mut size = 0;
    for run in 0..RUNS {
        let tag = format!("bench-{nonce}-{run}");
        size = variant(&http, &address, "shop/app", "1.0", &tag).await;
        let name = format!("bench-{nonce}-{run}");
        let image = format!("{}/shop/app:{tag}", variable("REGISTRY"));
        let object = json!({
            "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob", "metadata": {"name": name}, "spec": {"image": image, "attempts": 1},
        });
        let object: ScanJob = serde_json::from_value(object).expect("valid");
        let start = Instant::now();
        api.create(&PostParams::default(), &object).await.expect("it can be made");
        let done = loop {
            let seen = api.get(&name).await.expect("it is there");
            let ended = |type_: &str| {
                seen.status.iter().flat_map(|s| &s.conditions).any(|c| c.type_ == type_ && c.status == "True")
            };
            assert!(!ended("Failed"), "{:#?}", seen.status);
            if ended("Complete") {
                break seen;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "{:#?}", seen.status);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let elapsed = start.elapsed();
        let status = done.status.expect("it has one");
        println!(
            "run {run}: {:.2} s, {} findings, {} shown",
            elapsed.as_secs_f64(),
            status.total_findings.unwrap_or_default(),
            status.top_findings.len()
        );
        times.push(elapsed);
        api.delete(&name, &DeleteParams::default()).await.expect("it can be removed");
    }
    times.sort_unstable();
    let median = times[RUNS / 2];
    let max = times[RUNS - 1];
    println!("image: {:.1} MB compressed", size as f64 / 1e6);
    println!("pod that does nothing, created to Running: {:.2} s", floor.as_secs_f64());
    println!(
        "ScanJob created to Complete: median {:.2} s, max {:.2} s (goal < 5 s)",
        median.as_secs_f64(),
        max.as_secs_f64()
    );
}

/// How long a pod of the smallest image takes from creation to Running.
async fn idle_pod(client: &Client) -> Duration {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let name = format!("bench-idle-{}", std::process::id());
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "idle", "image": "registry.test:5000/cluster/pause:1", "imagePullPolicy": "IfNotPresent"}]},
    }))
    .expect("valid");
    let start = Instant::now();
    pods.create(&PostParams::default(), &pod).await.expect("it can be made");
    loop {
        let phase = pods.get(&name).await.ok().and_then(|pod| pod.status).and_then(|status| status.phase);
        if phase.as_deref() == Some("Running") {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the idle pod does not start: {phase:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elapsed = start.elapsed();
    pods.delete(&name, &DeleteParams::default().grace_period(0)).await.expect("it can be removed");
    elapsed
}

/// Pushes the same layers under another configuration, so that the digest is one nobody has seen. Returns the layers' compressed size.
async fn variant(http: &reqwest::Client, registry: &str, repository: &str, from: &str, to: &str) -> u64 {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let base = format!("{registry}/v2/{repository}");
    let manifest = http
        .get(format!("{base}/manifests/{from}"))
        .header("accept", MANIFEST)
        .send()
        .await
        .expect("registry answers");
    let mut manifest: Value = serde_json::from_slice(&manifest.bytes().await.expect("a body"))
        .expect("a manifest: run make demo first");
    let digest = manifest["config"]["digest"].as_str().expect("a configuration").to_owned();
    let config = http.get(format!("{base}/blobs/{digest}")).send().await.expect("registry answers");
    let mut config: Value = serde_json::from_slice(&config.bytes().await.expect("a body")).expect("JSON");
    config["config"]["Labels"] = json!({"bench": to});
    let config = serde_json::to_vec(&config).expect("JSON");
    let digest = Digest::of(&config).to_string();
    let upload = http.post(format!("{base}/blobs/uploads/")).send().await.expect("registry answers");
    let location = upload.headers()["location"].to_str().expect("a place").to_owned();
    let location = if location.starts_with('/') { format!("{registry}{location}") } else { location };
    let separator = if location.contains('?') { '&' } else { '?' };
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(config.len());
    let stored = http
        .put(format!("{location}{separator}digest={digest}"))
        .body(config)
        .send()
        .await
        .expect("registry answers");
    assert!(stored.status().is_success(), "{}", stored.status());
    let stored = http
        .put(format!("{base}/manifests/{to}"))
        .header("content-type", manifest["mediaType"].as_str().unwrap_or(MANIFEST))
        .body(serde_json::to_vec(&manifest).expect("JSON"))
        .send()
        .await
        .expect("registry answers");
    assert!(stored.status().is_success(), "{}", stored.status());
    let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
    layers.iter().filter_map(|layer| layer["size"].as_u64()).sum()
}
