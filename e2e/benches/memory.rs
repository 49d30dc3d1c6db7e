//! What the operator takes with 10,000 pods of 1,000 workloads: anonymous memory, file-backed memory apart, and seconds until ready after
//! a restart.
//!
//! The pods are the API server's only (kwok); everything else is real. `make bench`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, and fails by what it relies on and does not get"
)]

use std::time::{Duration, Instant};

use breakwater_e2e::{Cluster, Layout, Progress};
use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

const WORKLOADS: usize = 1_000;
const REPLICAS: usize = 10;
const NODES: u16 = 25;
const NAMESPACE: &str = "bench-memory";
const PRODUCT: &str = "breakwater-system";

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        Client::try_default().await.expect("a cluster: make deploy, then eval \"$(make -s cluster-env)\"");
    let cluster = || Cluster::new(Layout::from_environment().expect("a valid environment"));
    let nodes = move |count| {
        tokio::task::spawn_blocking(move || {
            cluster().kwok(count, &Progress::new()).expect("nodes can be set")
        })
    };
    nodes(NODES).await.expect("no panic");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).expect("valid");
    namespaces.create(&PostParams::default(), &namespace).await.expect("it can be made");

    populate(&client).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    wait("the pods run", Duration::from_secs(600), || async {
        // A list by a selector does not say how many remain: the Deployments count their pods.
        let list = deployments.list(&ListParams::default()).await.ok()?;
        let ready = list.items.iter().filter_map(|deployment| deployment.status.as_ref()?.ready_replicas);
        let ready: usize = ready.filter_map(|count| usize::try_from(count).ok()).sum();
        (ready >= WORKLOADS * REPLICAS).then_some(())
    })
    .await;
    // The watch has seen them all when the memory does not grow any more.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (anonymous, file) = memory(&client).await;
    println!("running: RssAnon {anonymous:.1} MB, RssFile {file:.1} MB (goal: RssAnon < 64 MB)");

    let ready = restart(&client).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (anonymous, file) = memory(&client).await;
    println!("after a restart: RssAnon {anonymous:.1} MB, RssFile {file:.1} MB");
    println!("process start to ready: {:.1} s (goal < 5 s)", ready.as_secs_f64());

    namespaces.delete(NAMESPACE, &DeleteParams::background()).await.expect("it can be removed");
    wait("the pods are gone", Duration::from_secs(600), || async {
        pods.list(&ListParams::default().limit(1)).await.ok().filter(|list| list.items.is_empty()).map(drop)
    })
    .await;
    nodes(0).await.expect("no panic");
}

async fn populate(client: &Client) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    futures::stream::iter(0..WORKLOADS)
        .for_each_concurrent(20, |number| {
            let deployments = &deployments;
            async move {
                let name = format!("workload-{number}");
                let object = json!({
                    "metadata": {"name": name, "labels": {"app": name}},
                    "spec": {
                        "replicas": REPLICAS,
                        "selector": {"matchLabels": {"app": name}},
                        "template": {
                            "metadata": {"labels": {"app": name}},
                            "spec": {
                                "nodeSelector": {"kwok.x-k8s.io/node": "fake"},
                                "tolerations": [{"operator": "Exists"}],
                                "containers": [{"name": "app", "image": format!("registry.test:5000/bench/{name}:1.0")}],
                            },
                        },
                    },
                });
                let object: Deployment = serde_json::from_value(object).expect("valid");
                deployments.create(&PostParams::default(), &object).await.expect("it can be made");
            }
        })
        .await;
}

async fn operator_pod(client: &Client) -> Pod {
    let pods: Api<Pod> = Api::namespaced(client.clone(), PRODUCT);
    let list = pods.list(&ListParams::default().labels("app.kubernetes.io/name=breakwater-operator")).await;
    list.expect("pods can be listed").items.into_iter().next().expect("one operator runs")
}

/// Megabytes of anonymous and of file-backed memory of the operator's process.
async fn memory(client: &Client) -> (f64, f64) {
    let uid = operator_pod(client).await.metadata.uid.expect("it has one");
    let pids = Cluster::new(Layout::from_environment().expect("a valid environment"))
        .pod_pids(&uid)
        .expect("its processes can be seen");
    let mut found = (0.0, 0.0);
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if !status.starts_with("Name:\tbreakwater") {
            continue;
        }
        let value = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        found = (
            value("RssAnon:").unwrap_or(0.0) * 1_024.0 / 1e6,
            value("RssFile:").unwrap_or(0.0) * 1_024.0 / 1e6,
        );
    }
    assert!(found.0 > 0.0, "the operator's process was not found");
    found
}

/// Ends the process and waits until it is ready again; counts from the start of the new one.
async fn restart(client: &Client) -> Duration {
    let pod = operator_pod(client).await;
    let name = pod.metadata.name.clone().expect("it has one");
    let before = restarts(&pod);
    let crashed = name.clone();
    let crash = move || {
        Cluster::new(Layout::from_environment().expect("a valid environment")).crash_pod(PRODUCT, &crashed)
    };
    tokio::task::spawn_blocking(crash).await.expect("no panic").expect("it can be ended");
    let address = wait("it runs again", Duration::from_secs(60), || async {
        let pod = operator_pod(client).await;
        (restarts(&pod) > before).then(|| pod.status.and_then(|status| status.pod_ip)).flatten()
    })
    .await;
    let start = Instant::now();
    let url = format!("http://{address}:8080/readyz");
    wait("it is ready", Duration::from_secs(60), || async {
        reqwest::get(&url).await.ok().filter(|answer| answer.status().is_success()).map(drop)
    })
    .await;
    start.elapsed()
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses
        .filter(|status| status.started == Some(true) || status.state.is_some())
        .map(|status| status.restart_count)
        .sum()
}

async fn wait<T, F: Future<Output = Option<T>>>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
