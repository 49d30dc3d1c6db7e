//! Facts through the life of an index, of ScanJobs and of what runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use breakwater_core::{
    Digest, Platform,
    history::RepositoryHistory,
    inventory::{ImageConfig, ImageIdentity as Described, Inventory, Package, ScannerIdentity},
    policy::ImageFacts,
    scan::FailureReason,
    workload::{ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};
use chrono::{DateTime, Utc};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::{
    Highest, Images,
    keeper::{IndexRefused, Keeper},
    scans::{Outcome, Scans},
};
use crate::{
    clock::Clock,
    config::{self, Config},
    context::Context,
    kube::lease::{Leadership, Term},
    store::{Domain, Key, Resolution, Store, fake_api::FakeApi},
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn amd64() -> Platform {
    Platform::linux("amd64")
}

fn inventory(name: &str) -> Inventory {
    let package = Package {
        name: "lodash".into(),
        version: "4.17.0".into(),
        ecosystem: "npm".into(),
        purl: "pkg:npm/lodash@4.17.0".into(),
        source: None,
        licenses: vec![],
        imports: vec![],
        layer: None,
        path: "package.json".into(),
    };
    Inventory {
        schema_version: 1,
        image: Described {
            reference: format!("r.test/{name}:1"),
            digest: digest(name),
            config_digest: digest("config"),
            platform: amd64(),
            created: None,
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: "0".into() },
        os: None,
        base: None,
        layers: vec![],
        packages: vec![package],
        software: vec![],
        files: vec![],
        secrets: vec![],
        config: ImageConfig::default(),
        unanalysed: vec![],
    }
}

/// Writes an index about `packages` to `out`.
fn build(directory: &Path, packages: &[&str], revision: u64, out: &Path) {
    let source = directory.join("osv");
    let _ = std::fs::remove_dir_all(&source);
    std::fs::create_dir_all(&source).unwrap();
    for package in packages {
        let record = json!({
            "schema_version": "1.7.0", "id": format!("GHSA-{package}"), "modified": "2026-01-01T00:00:00Z",
            "affected": [{"package": {"ecosystem": "npm", "name": package},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.21"}]}]}],
        });
        std::fs::write(source.join(format!("{package}.json")), record.to_string()).unwrap();
    }
    let input = breakwater_advisories::BuildInput::new(&source, out);
    breakwater_advisories::build(input, revision, at(0)).unwrap();
}

struct Story {
    images: Images,
    store: Store,
    directory: tempfile::TempDir,
}

impl Story {
    fn new(url: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.advisories.url = url(directory.path());
        config.advisories.directory = directory.path().join("kept").display().to_string();
        config.store =
            config::Store::File { directory: directory.path().join("store").display().to_string() };
        std::fs::create_dir_all(directory.path().join("store")).unwrap();
        std::fs::create_dir_all(directory.path().join("kept")).unwrap();
        let context = Context::new(FakeApi::default().client(), "breakwater-system", "pod-1", config);
        let store = Store::open(&context).unwrap();
        Self { images: Images::new(&context, store.clone()), store, directory }
    }

    fn quiet() -> Self {
        Self::new(|directory| format!("file:{}", directory.join("index").display()))
    }

    async fn keep(&self, name: &str) {
        let content = serde_json::to_vec(&inventory(name)).unwrap();
        self.store.put(&Key::Inventory(Domain::Everyone, digest(name)), &content).await.unwrap();
    }

    async fn run(&self, identities: Vec<ImageIdentity>) {
        let running = identities.into_iter().map(|identity| RunningImage {
            container: "app".into(),
            image: "r.test/app:1".into(),
            identity,
            platform: amd64(),
        });
        let workload = Workload {
            id: WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() },
            uid: "u".into(),
            labels: Default::default(),
            annotations: Default::default(),
            namespace_labels: Default::default(),
            replicas: Some(1),
            running_pods: 1,
            injected: vec![],
            namespace_paused: false,
            finished: false,
            controlled_by: None,
            containers: vec![],
            pull_secrets: vec![],
            running: running.collect(),
        };
        self.images.hold(|held| held.want(&[Arc::new(workload)], &[amd64()], "breakwater-system"));
        self.images.load_lacking().await;
    }

    /// Puts an index in use, as a fetch does.
    async fn index(&self, packages: &[&str], revision: u64) -> Result<bool, IndexRefused> {
        build(self.directory.path(), packages, revision, &self.images.0.keeper.incoming());
        let adopted = self.images.0.keeper.adopt(Some(revision))?;
        self.images.index_changed().await;
        Ok(adopted)
    }

    fn findings(&self, identity: &ImageIdentity) -> Option<usize> {
        match self.images.facts(identity, &amd64()) {
            ImageFacts::Scanned(image) => image.matched.map(|_| image.findings.len()),
            other => panic!("{other:?}"),
        }
    }
}

fn pullable(name: &str) -> ImageIdentity {
    ImageIdentity::Pullable { repository: "r.test/app".into(), digest: digest(name) }
}

fn leader() -> (tokio::sync::watch::Sender<Option<Term>>, Leadership) {
    let (term, leadership) = Leadership::new(Clock);
    term.send_replace(Some(Term { epoch: 1, until: Clock.monotonic() + Duration::from_secs(60) }));
    (term, leadership)
}

#[tokio::test]
async fn what_runs_is_matched_again_by_every_index() {
    let story = Story::quiet();
    story.keep("web").await;
    story.run(vec![pullable("web")]).await;
    assert_eq!(story.findings(&pullable("web")), None, "there is no index yet");
    story.index(&["left-pad"], 1).await.unwrap();
    assert_eq!(story.findings(&pullable("web")), Some(0));
    story.index(&["lodash"], 2).await.unwrap();
    assert_eq!(story.findings(&pullable("web")), Some(1));
}

#[tokio::test]
async fn an_index_and_a_configuration_digest_lead_to_the_manifest() {
    let story = Story::quiet();
    story.keep("web").await;
    let resolution = Resolution { platforms: vec![(amd64(), digest("web"))] };
    let content = serde_json::to_vec(&resolution).unwrap();
    for name in ["index", "config"] {
        story.store.put(&Key::Resolution(digest(name)), &content).await.unwrap();
    }
    let imported = ImageIdentity::Imported { config_digest: digest("config") };
    let stranger = ImageIdentity::Imported { config_digest: digest("stranger") };
    story.run(vec![pullable("index"), imported.clone(), stranger.clone()]).await;
    assert_eq!((story.findings(&pullable("index")), story.findings(&imported)), (None, None));
    assert!(matches!(story.images.facts(&stranger, &amd64()), ImageFacts::Unreadable { .. }));
    assert_eq!(story.images.facts(&pullable("other"), &amd64()), ImageFacts::NeverScanned);
    let windows = "windows/amd64".parse().unwrap();
    assert!(matches!(story.images.facts(&pullable("index"), &windows), ImageFacts::Unreadable { .. }));
}

#[tokio::test]
async fn only_what_runs_is_held_and_the_rest_is_loaded_when_asked_for() {
    let story = Story::quiet();
    story.keep("web").await;
    story.keep("old").await;
    story.run(vec![pullable("web")]).await;
    assert!(story.images.load(&Domain::Everyone, &digest("old")).await.unwrap().is_some());
    assert!(story.images.load(&Domain::Everyone, &digest("nothing")).await.unwrap().is_none());
    assert_eq!(story.images.held(|held| held.scanned.len()), 1);
    story.run(vec![]).await;
    assert_eq!(story.images.held(|held| held.scanned.len()), 0);
}

#[tokio::test]
async fn what_a_scan_brought_is_loaded_when_the_scan_job_names_it() {
    let story = Story::quiet();
    story.run(vec![pullable("web")]).await;
    assert_eq!(story.images.facts(&pullable("web"), &amd64()), ImageFacts::NeverScanned);
    story.keep("web").await;
    assert!(!story.images.load_lacking().await, "nobody said that there is anything new");
    story.images.scanned(Event::Apply(scan("a", "web", json!({"target": {"reference": "r.test/app", "platforms": [{"platform": "linux/amd64", "digest": digest("web")}]}}))));
    assert!(story.images.load_lacking().await);
    assert_eq!(story.findings(&pullable("web")), None);
}

fn history_of(repository: &str) -> Key {
    Key::History(super::history::repository(&Domain::Everyone, repository))
}

#[tokio::test]
async fn a_rebuild_of_a_repository_starts_no_grace_anew() {
    let story = Story::quiet();
    story.keep("web").await;
    story.run(vec![pullable("web")]).await;
    story.index(&["lodash"], 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut rebuilt = inventory("web-2");
    rebuilt.image.reference = "r.test/web:2".into();
    rebuilt.packages[0].version = "4.17.1".into();
    let content = serde_json::to_vec(&rebuilt).unwrap();
    story.store.put(&Key::Inventory(Domain::Everyone, digest("web-2")), &content).await.unwrap();
    let seen = |image: &super::ScannedImage| image.history.first_seen(&image.findings[0]).unwrap();
    let before = story.images.load(&Domain::Everyone, &digest("web")).await.unwrap().unwrap();
    let after = story.images.load(&Domain::Everyone, &digest("web-2")).await.unwrap().unwrap();
    assert_eq!(seen(&after), seen(&before));
    let mut other = inventory("web-3");
    other.image.reference = "r.test/other:1".into();
    let content = serde_json::to_vec(&other).unwrap();
    story.store.put(&Key::Inventory(Domain::Everyone, digest("web-3")), &content).await.unwrap();
    let elsewhere = story.images.load(&Domain::Everyone, &digest("web-3")).await.unwrap().unwrap();
    assert!(seen(&elsewhere) > seen(&before), "another repository");
}

#[tokio::test]
async fn matching_again_makes_nothing_fresh() {
    let story = Story::quiet();
    story.keep("web").await;
    story.run(vec![pullable("web")]).await;
    story.index(&["lodash"], 1).await.unwrap();
    let restarted = Images::new(&story.images.0.context, story.store.clone());
    assert!(restarted.0.keeper.reopen().unwrap());
    let image = restarted.load(&Domain::Everyone, &digest("web")).await.unwrap().unwrap();
    let matched = image.matched.unwrap();
    assert_eq!(
        (matched.at, matched.carries),
        (at(0), Default::default()),
        "the index was built at that time"
    );
}

#[tokio::test]
async fn a_finding_keeps_the_time_it_was_first_seen_over_a_restart() {
    let story = Story::quiet();
    story.keep("web").await;
    story.run(vec![pullable("web")]).await;
    story.index(&["left-pad"], 1).await.unwrap();
    story.index(&["lodash"], 2).await.unwrap();
    let seen = |images: &Images| match images.facts(&pullable("web"), &amd64()) {
        ImageFacts::Scanned(image) => image.history.first_seen(&image.findings[0]).unwrap(),
        other => panic!("{other:?}"),
    };
    let first = seen(&story.images);
    let (_term, leadership) = leader();
    story.images.flush(&leadership).await;
    let kept = story.store.get(&history_of("r.test/web")).await.unwrap().unwrap();
    assert!(!serde_json::from_slice::<RepositoryHistory>(&kept).unwrap().is_empty());

    tokio::time::sleep(Duration::from_millis(20)).await;
    let again = Story { images: Images::new(&story.images.0.context, story.store.clone()), ..story };
    assert!(again.images.0.keeper.reopen().unwrap(), "the index of the last run is there");
    again.run(vec![pullable("web")]).await;
    assert_eq!(seen(&again.images), first);
}

#[tokio::test]
async fn a_follower_writes_nothing() {
    let story = Story::quiet();
    story.keep("web").await;
    story.run(vec![pullable("web")]).await;
    story.index(&["lodash"], 1).await.unwrap();
    let (_term, follower) = Leadership::new(Clock);
    story.images.flush(&follower).await;
    story.images.keep_revisions(&follower).await.unwrap();
    assert_eq!(story.store.get(&history_of("r.test/web")).await.unwrap(), None);
    assert_eq!(story.store.get(&Key::Ledger("advisories")).await.unwrap(), None);
}

#[tokio::test]
async fn an_index_below_the_highest_ever_used_is_behind() {
    let story = Story::quiet();
    story.index(&["lodash"], 5).await.unwrap();
    assert!(story.images.index().is_behind(), "nothing is concluded before the ledger is read");
    let (_term, leadership) = leader();
    story.images.keep_revisions(&leadership).await.unwrap();
    assert!(!story.images.index().is_behind());
    let other = Story::quiet();
    let other = Story { images: Images::new(&other.images.0.context, story.store.clone()), ..other };
    other.index(&["lodash"], 4).await.unwrap();
    other.images.keep_revisions(&leadership).await.unwrap();
    assert!(other.images.index().is_behind());
    assert_eq!(other.images.index().highest, Highest::Known(5));
}

#[tokio::test]
async fn a_highest_revision_that_cannot_be_read_is_not_zero() {
    let story = Story::quiet();
    story.index(&["lodash"], 5).await.unwrap();
    assert_eq!(story.images.index().highest, Highest::NotRead);
    let ledger = story.directory.path().join("store/ledger/advisories.zst");
    std::fs::create_dir_all(ledger.parent().unwrap()).unwrap();
    let (_term, leadership) = leader();
    let mut changed = story.images.changed();
    for damage in [b"not a frame".to_vec(), zstd::bulk::compress(br#"{"highest": "many"}"#, 1).unwrap()] {
        std::fs::write(&ledger, &damage).unwrap();
        changed.mark_unchanged();
        story.images.keep_revisions(&leadership).await.unwrap();
        let state = story.images.index();
        assert!(matches!(state.highest, Highest::Unreadable(_)), "{state:?}");
        assert!(state.is_behind(), "nothing is mitigated or restored");
        assert!(changed.has_changed().unwrap(), "those that judge hear of it");
        assert_eq!(std::fs::read(&ledger).unwrap(), damage, "it is not overwritten");
    }
    // Deleted by a person: what this process used before still counts.
    std::fs::remove_file(&ledger).unwrap();
    story.images.keep_revisions(&leadership).await.unwrap();
    assert_eq!(story.images.index().highest, Highest::Known(5));
    assert!(!story.images.index().is_behind() && ledger.exists());
}

#[test]
fn a_damaged_or_older_index_is_refused_and_the_old_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(directory.path().to_owned());
    let incoming = |revision| build(directory.path(), &["lodash"], revision, &keeper.incoming());
    incoming(2);
    assert!(keeper.adopt(Some(2)).unwrap());
    incoming(1);
    assert!(matches!(keeper.adopt(None), Err(IndexRefused::Older { found: 1, current: 2 })));
    incoming(3);
    assert!(matches!(keeper.adopt(Some(4)), Err(IndexRefused::OtherRevision { announced: 4, found: 3 })));
    let mut bytes = std::fs::read(keeper.incoming()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(keeper.incoming(), &bytes).unwrap();
    assert!(matches!(keeper.adopt(Some(3)), Err(IndexRefused::Unusable(_))));
    std::fs::write(keeper.incoming(), b"<html>").unwrap();
    assert!(matches!(keeper.adopt(None), Err(IndexRefused::Unusable(_))));
    assert_eq!(keeper.state().revision, Some(2));
    assert!(Keeper::new(directory.path().to_owned()).reopen().unwrap());
}

fn scan(uid: &str, image: &str, status: Value) -> super::scans::ScanObject {
    serde_json::from_value(json!({
        "metadata": {"name": uid, "namespace": "breakwater-system", "uid": uid, "labels": {"breakwater.dev/trigger": "NewImage"}},
        "spec": {"image": format!("r.test/app@{}", digest(image)), "platforms": ["linux/amd64"]},
        "status": status,
    }))
    .unwrap()
}

fn ended(kind: &str, reason: &str, second: i64) -> Value {
    json!({"completionTime": at(second), "conditions": [{"type": kind, "status": "True", "reason": reason,
        "message": "why", "lastTransitionTime": at(second)}]})
}

#[test]
fn the_newest_scan_of_an_image_says_whether_it_failed() {
    let mut scans = Scans::default();
    let failure = |scans: &Scans| scans.failure(&digest("web"), &amd64()).map(|(failure, _)| failure.reason);
    assert_eq!(failure(&scans), None);
    scans.follow(Event::Apply(scan("a", "web", json!({}))));
    assert_eq!((failure(&scans), &scans.all()[0].outcome), (None, &Outcome::Unfinished));
    scans.follow(Event::Apply(scan("a", "web", ended("Failed", "Unauthorized", 1))));
    assert_eq!(failure(&scans), Some(FailureReason::Unauthorized));
    scans.follow(Event::Apply(scan("b", "web", ended("Failed", "SomethingNew", 2))));
    assert_eq!(failure(&scans), Some(FailureReason::ScannerDied), "a reason this version does not know");
    scans.follow(Event::Apply(scan("c", "web", ended("Complete", "Succeeded", 3))));
    assert_eq!(failure(&scans), None);
    scans.follow(Event::Delete(scan("c", "web", json!({}))));
    scans.follow(Event::Init);
    scans.follow(Event::InitApply(scan("a", "web", ended("Failed", "Unauthorized", 1))));
    scans.follow(Event::InitDone);
    assert_eq!((failure(&scans), scans.all().len()), (Some(FailureReason::Unauthorized), 1));
    let mut own = scan("d", "web", ended("Failed", "Forbidden", 9));
    own = serde_json::from_value({
        let mut value = json!({"metadata": {"name": "d", "namespace": "shop", "uid": "d"}});
        value["spec"] = json!({"image": format!("r.test/app@{}", digest("web"))});
        value["status"] = ended("Failed", "Forbidden", 9);
        let _ = own;
        value
    })
    .unwrap();
    scans.follow(Event::Apply(own));
    assert_eq!(
        failure(&scans),
        Some(FailureReason::Unauthorized),
        "what people's own scans meet says nothing"
    );
}

#[test]
fn a_scan_job_names_a_digest_once_and_once_more_at_its_end() {
    let mut scans = Scans::default();
    let target = json!({"target": {"reference": "r.test/app", "indexDigest": digest("index"), "platforms": [{"platform": "linux/amd64", "digest": digest("web")}]}});
    assert_eq!(scans.follow(Event::Apply(scan("a", "index", json!({})))), [digest("index")]);
    assert_eq!(scans.follow(Event::Apply(scan("a", "index", target.clone()))), [digest("web")]);
    assert_eq!(scans.follow(Event::Apply(scan("a", "index", target.clone()))), []);
    let mut done = target;
    done.as_object_mut().unwrap().extend(ended("Complete", "Succeeded", 1).as_object().unwrap().clone());
    assert_eq!(scans.follow(Event::Apply(scan("a", "index", done))).len(), 3);
}

/// What the server of these tests answers, by how often it was asked.
#[derive(Clone)]
struct Server {
    index: PathBuf,
    asked: Arc<std::sync::Mutex<Vec<String>>>,
}

async fn serve(State(server): State<Server>, uri: axum::http::Uri) -> impl IntoResponse {
    let times = {
        let mut asked = server.asked.lock().unwrap();
        asked.push(uri.query().unwrap_or_default().to_owned());
        asked.len()
    };
    let bytes = std::fs::read(&server.index).unwrap();
    let sum = Digest::of(&bytes).hex();
    let headers = |revision: &str, sum: String| {
        [("x-breakwater-revision", revision.to_owned()), ("x-breakwater-sha256", sum)]
    };
    match times {
        1 => StatusCode::BAD_GATEWAY.into_response(),
        2 => (headers("7", "00".repeat(32)), bytes).into_response(),
        3 => (headers("8", sum), bytes).into_response(),
        4 => (headers("7", sum), bytes).into_response(),
        _ => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            StatusCode::NOT_MODIFIED.into_response()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_fetched_by_revision_and_taken_only_if_it_is_the_one_announced() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let story = Story::new(|_| url);
    let index = story.directory.path().join("served");
    build(story.directory.path(), &["lodash"], 7, &index);
    let server = Server { index, asked: Arc::default() };
    let router = Router::new().route("/v1/index", get(serve)).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    // Before anything is fetched: a problem that nobody listens to is one that this test would miss.
    let mut changed = story.images.changed();
    super::fetch::spawn(&story.images);
    let mut problems = Vec::new();
    let state = loop {
        tokio::time::timeout(Duration::from_secs(40), changed.changed()).await.unwrap().unwrap();
        let state = story.images.index();
        problems.extend(state.problem.clone());
        if state.revision.is_some() && state.problem.is_none() {
            break state;
        }
    };
    problems.dedup();
    let said =
        |text: &str| assert!(problems.iter().any(|problem| problem.contains(text)), "{text}: {problems:?}");
    said("502");
    said("sha256 differs");
    said("announced as revision 8");
    assert_eq!(state.revision, Some(7));
    tokio::time::sleep(Duration::from_millis(200)).await;
    story.images.0.context.stop.cancel();
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked.len() > 4 && asked[0] == "after=0&wait=25" && asked[4] == "after=7&wait=25", "{asked:?}");
}
