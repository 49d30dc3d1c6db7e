//! What judging costs: an operator with its own store and index, a cluster of pods that only the API server knows (kwok), images of at least
//! 300 findings each, policies that all of them violate.
//!
//! `make bench`, or, with a cluster that is up and the product built (`make deploy`):
//!
//! ```text
//! eval "$(make -s cluster-env)"
//! BREAKWATER_BENCH_SIZE=small cargo bench --profile dev -p breakwater-e2e --features cluster --bench judging
//! ```
//!
//! `BREAKWATER_BENCH_SIZE` names the sizes, comma-separated: `small`, `medium`, `large`; all by default. `BREAKWATER_PROGRAMS` names the
//! directory of `breakwater` and `breakwater-operator` (default: where `make deploy` leaves them). The operator under test is a process of
//! the host with a namespace, a configuration and a directory of its own; an installed operator is scaled to zero meanwhile.
//!
//! One inventory is read from a real image; the others are that one with other digests, versions and some packages left out. "Judged anew"
//! means that the status of every policy counts the critical finding that only the new index knows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, and fails by what it relies on and does not get"
)]

mod advisories;
mod figures;
mod images;
mod objects;
mod operator;
mod size;
mod workspace;

use std::time::{Duration, Instant};

use breakwater_e2e::{Cluster, Layout, Progress};
use figures::Figures;
use images::Images;
use kube::Client;
use objects::Objects;
use operator::Operator;
use size::Size;
use workspace::Workspace;

/// From "all is judged" to the first figure: histories are stored once a minute.
const SETTLE: Duration = Duration::from_secs(75);
/// How long the idle operator is watched.
const IDLE: Duration = Duration::from_secs(60);
/// Single changes, and the time between two.
const CHANGES: usize = 20;
const APART: Duration = Duration::from_secs(2);
/// Changes at ten a second.
const BURST: usize = 300;
const EVERY: Duration = Duration::from_millis(100);
/// Pods on one kwok node; each takes 500.
const PODS_PER_NODE: usize = 400;

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        Client::try_default().await.expect("a cluster: make deploy, then eval \"$(make -s cluster-env)\"");
    let cluster = Cluster::new(Layout::from_environment().expect("a valid environment"));
    cluster.require().expect("the cluster is up");
    let workspace = Workspace::new(&cluster);
    let base = workspace.inventory();
    let _paused = workspace.pause_installed();
    for size in Size::chosen() {
        let figures = measure(&client, &cluster, &workspace, &base, size).await;
        figures.print(&size);
    }
}

async fn measure(
    client: &Client,
    cluster: &Cluster,
    workspace: &Workspace,
    base: &breakwater_core::Inventory,
    size: Size,
) -> Figures {
    let say = |what: &str| println!("{}: {what}", size.name);
    let images = Images::new(base, size.images);
    say(&format!("{} images, at least {} findings each", size.images, images.least_findings()));
    let directory = workspace.directory(size.name);
    images.store(&directory.join("store"));
    let indexes = workspace.indexes(&images);
    indexes.publish_first();

    set_nodes(cluster, size.pods / PODS_PER_NODE + 1).await;
    let objects = Objects::create(client, &size, &images).await;
    say("pods run");
    workspace.configure(&directory, indexes.published());
    let operator = Operator::start(workspace, &directory).await;
    objects.all_scanned(Duration::from_secs(600)).await;
    say("all is judged");
    tokio::time::sleep(SETTLE).await;

    let idle = over(&operator, IDLE).await;
    let memory = operator.anonymous_memory();
    say("idle is measured");
    let change = changes(&operator, &objects, 0, CHANGES, APART).await;
    let change = (change.cpu - idle.share() * change.wall).max(0.0) / CHANGES as f64;
    let burst = changes(&operator, &objects, CHANGES, BURST, EVERY).await;
    say("changes are measured");

    let before = operator.cpu();
    let watched = objects.watch_critical().await;
    let start = Instant::now();
    indexes.publish_second();
    watched.all(Duration::from_secs(600)).await;
    let swap = start.elapsed();
    let swap_cpu = operator.cpu() - before;
    let memory = memory.max(operator.anonymous_memory());
    say("all is judged anew");

    operator.stop().await;
    let operator = Operator::start(workspace, &directory).await;
    let ready = operator.ready_after();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let restarted = operator.anonymous_memory();
    drop(operator);
    objects.delete().await;
    set_nodes(cluster, 0).await;
    Figures { idle: idle.share(), change, burst: burst.share(), swap, swap_cpu, memory, restarted, ready }
}

/// Processor seconds in a time.
struct Spent {
    cpu: f64,
    wall: f64,
}

impl Spent {
    /// Of one processor.
    fn share(&self) -> f64 {
        self.cpu / self.wall
    }
}

async fn over(operator: &Operator, time: Duration) -> Spent {
    let (start, before) = (Instant::now(), operator.cpu());
    tokio::time::sleep(time).await;
    Spent { cpu: operator.cpu() - before, wall: start.elapsed().as_secs_f64() }
}

/// Changes `count` pods one after the other, a fixed time apart.
async fn changes(
    operator: &Operator,
    objects: &Objects,
    first: usize,
    count: usize,
    apart: Duration,
) -> Spent {
    let (start, before) = (Instant::now(), operator.cpu());
    let mut ticks = tokio::time::interval(apart);
    ticks.tick().await;
    for number in first..first + count {
        objects.change(number).await;
        ticks.tick().await;
    }
    Spent { cpu: operator.cpu() - before, wall: start.elapsed().as_secs_f64() }
}

async fn set_nodes(cluster: &Cluster, count: usize) {
    let cluster = cluster.clone();
    let count = u16::try_from(count).expect("few nodes");
    let set = move || cluster.kwok(count, &Progress::new()).expect("nodes can be set");
    tokio::task::spawn_blocking(set).await.expect("no panic");
}
