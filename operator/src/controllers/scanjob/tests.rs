//! The controller against an API server in memory: one scan from creation to history, and what a second look must not write.

use std::{sync::Arc, time::Duration};

use breakwater_crds::{ScanJob, names::labels};
use k8s_openapi::api::{batch::v1::Job, core::v1::Node};
use kube::{
    Resource, ResourceExt as _,
    runtime::{reflector, watcher::Event},
};
use serde_json::{Value, json};

use super::{Controller, places::Places, reconcile, sweep};
use crate::{
    clock::Clock,
    config::Config,
    context::Context,
    intake::{
        fixtures as intake,
        record::{Ended, Offered, offer_patch, outcome_patch},
    },
    inventory::Images,
    kube::{
        events::Events,
        lease::{Leadership, Term},
    },
    store::{Domain, Key, Store, fake_api::FakeApi},
    workloads::Workloads,
};

const SCAN_JOB: &str = "/apis/breakwater.dev/v1alpha1/namespaces/shop/scanjobs/web";
const JOBS: &str = "/apis/batch/v1/namespaces/breakwater-system/jobs/";

/// A controller whose caches show what the API server holds, each time they are filled.
struct Bench {
    api: FakeApi,
    controller: Arc<Controller>,
    scan_jobs: reflector::store::Writer<ScanJob>,
    jobs: reflector::store::Writer<Job>,
    _term: tokio::sync::watch::Sender<Option<Term>>,
}

impl Bench {
    async fn new() -> Self {
        let api = FakeApi::default();
        let platform = json!({"metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}}});
        api.hold("/api/v1/nodes/n", serde_json::from_value::<Node>(platform).unwrap());
        let directory = std::env::temp_dir().join("breakwater-no-such-index");
        let mut config = Config::default();
        config.advisories.url = format!("file:{}", directory.join("index").display());
        config.advisories.directory = directory.display().to_string();
        config.scan.image = "scanner".into();
        let context = Context::new(api.client(), "breakwater-system", "test", config);
        let (term, leadership) = Leadership::new(Clock);
        term.send_replace(Some(Term { epoch: 1, until: Clock.monotonic() + Duration::from_secs(600) }));
        let workloads = Workloads::start(&context);
        let store = Store::of_config_maps(&api);
        let images = Images::start(&context, store.clone(), &workloads, leadership.clone());
        let (scan_jobs_reader, scan_jobs) = reflector::store();
        let (jobs_reader, jobs) = reflector::store();
        let places = Places::new(scan_jobs_reader, jobs_reader, context.namespace.clone());
        let events = Events::new(context.clone());
        let policies = crate::evaluate::PolicyStore::default();
        let controller =
            Controller { context, store, workloads, images, policies, leadership, events, places };
        let controller = Arc::new(controller);
        Self { api, controller, scan_jobs, jobs, _term: term }
    }

    fn fill(&mut self) {
        let objects: Vec<(String, Value)> = self
            .api
            .paths()
            .into_iter()
            .map(|path| (path.clone(), self.api.object(&path).unwrap()))
            .collect();
        refill(&mut self.scan_jobs, objects.iter().filter(|(path, _)| path.contains("/scanjobs/")));
        refill(&mut self.jobs, objects.iter().filter(|(path, _)| path.starts_with(JOBS)));
    }

    /// One look with fresh caches; what it wrote.
    async fn look(&mut self) -> Vec<String> {
        self.fill();
        self.api.take_writes();
        let scan_job = self.controller.places.scan_jobs.state().into_iter().next().unwrap();
        reconcile(scan_job, self.controller.clone()).await.unwrap();
        let own = |write: &String| !write.contains("/events");
        self.api.take_writes().into_iter().filter(own).collect()
    }

    fn status(&self) -> Value {
        self.api.object(SCAN_JOB).unwrap()["status"].clone()
    }

    fn job(&self) -> String {
        self.status()["jobRef"]["name"].as_str().unwrap().to_owned()
    }

    fn annotate(&self, patch: &Value) {
        let path = format!("{JOBS}{}", self.job());
        let mut job = self.api.object(&path).unwrap();
        for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
            let annotations = job["metadata"]["annotations"].as_object_mut().unwrap();
            if value.is_null() {
                annotations.remove(key);
            } else {
                annotations.insert(key.clone(), value.clone());
            }
        }
        self.api.hold(&path, job);
    }
}

fn refill<'a, K>(cache: &mut reflector::store::Writer<K>, objects: impl Iterator<Item = &'a (String, Value)>)
where
    K: Resource<DynamicType = ()> + serde::de::DeserializeOwned + Clone + 'static,
{
    cache.apply_watcher_event(&Event::Init);
    for (_, object) in objects {
        cache.apply_watcher_event(&Event::InitApply(serde_json::from_value(object.clone()).unwrap()));
    }
    cache.apply_watcher_event(&Event::InitDone);
}

fn scan_job(platforms: &[&str]) -> ScanJob {
    let mut scan_job = intake::scan_job();
    scan_job.status = None;
    scan_job.spec.platforms = platforms.iter().map(|platform| (*platform).to_owned()).collect();
    scan_job
}

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_scan_from_creation_to_history_and_no_write_twice() {
    let mut bench = Bench::new().await;
    bench.api.hold(SCAN_JOB, scan_job(&["linux/amd64"]));

    let writes = bench.look().await;
    let job = format!("{JOBS}{}", bench.job());
    assert_eq!(
        writes,
        ["POST /apis/batch/v1/namespaces/breakwater-system/jobs", &format!("PATCH {SCAN_JOB}/status")]
    );
    assert!(bench.api.object(&job).is_some());
    assert_eq!(bench.status()["result"], "Running");
    assert_eq!(bench.look().await, NOTHING, "running");

    // What intake leaves behind.
    let image = intake::IMAGE.parse().unwrap();
    let offered = Offered { absent: vec![], ..intake::offered("app") };
    let digest = offered.manifests[0].digest.clone();
    let document = serde_json::to_vec(&intake::inventory("app")).unwrap();
    bench.controller.store.put(&Key::Inventory(Domain::Everyone, digest), &document).await.unwrap();
    bench.annotate(&offer_patch(&image, &offered));
    assert_eq!(bench.look().await, NOTHING, "an offer is no answer");
    let ended = Ended { at: chrono::DateTime::UNIX_EPOCH, scanned: offered.scanned(), failure: None };
    bench.annotate(&outcome_patch(&image, &ended));

    assert_eq!(bench.look().await, [format!("PATCH {SCAN_JOB}/status")]);
    let status = bench.status();
    assert_eq!(status["result"], "Incomplete", "there are no advisories: {status}");
    assert_eq!(status["summary"]["packages"], 1);
    assert_eq!(status["scanner"]["name"], "breakwater");
    assert_eq!(bench.look().await, NOTHING, "history");

    // Somebody asks again: when the old pod has ended there is another run, another Job, and the old answer is gone.
    let mut ended = bench.api.object(&job).unwrap();
    ended["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    bench.api.hold(&job, ended);
    let mut again = bench.api.object(SCAN_JOB).unwrap();
    again["metadata"]["annotations"]["breakwater.dev/requested-at"] = json!("now");
    bench.api.hold(SCAN_JOB, again);
    assert_eq!(bench.look().await.len(), 2);
    assert_ne!(format!("{JOBS}{}", bench.job()), job);
    assert_eq!(bench.status()["lastHandledRequestAt"], "now");
}

#[tokio::test]
async fn killed_between_job_and_status_it_meets_the_same_job() {
    let mut bench = Bench::new().await;
    bench.api.hold(SCAN_JOB, scan_job(&["linux/amd64"]));
    bench.look().await;
    let job = bench.job();
    let mut forgotten = bench.api.object(SCAN_JOB).unwrap();
    forgotten["status"] = Value::Null;
    bench.api.hold(SCAN_JOB, forgotten);
    assert_eq!(bench.look().await, [format!("PATCH {SCAN_JOB}/status")], "adopted");
    assert_eq!(bench.job(), job);
}

#[tokio::test]
async fn a_registry_is_asked_as_its_policy_says() {
    let mut bench = Bench::new().await;
    let mut registry = scan_job(&["linux/amd64"]);
    registry.spec.image = None;
    registry.spec.registry =
        serde_json::from_value(json!({"policyRef": {"name": "nightly"}, "name": "main"})).ok();
    bench.api.hold(SCAN_JOB, registry);
    bench.look().await;
    let stalled = |bench: &Bench| {
        let conditions = bench.status()["conditions"].as_array().unwrap().clone();
        let stalled = conditions.into_iter().find(|condition| condition["type"] == "Stalled");
        stalled.map(|condition| (condition["reason"].clone(), condition["message"].clone()))
    };
    let (reason, message) = stalled(&bench).unwrap();
    assert_eq!(reason, "PolicyMissing");
    assert!(message.as_str().unwrap().contains("shop/nightly"), "{message}");
    assert_eq!(bench.look().await, NOTHING);

    let policy = |name: &str| {
        json!({
            "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
            "metadata": {"namespace": "shop", "name": "nightly", "uid": "nightly"},
            "spec": {"registries": [{
                "name": name, "url": "https://registry.test:5000", "maxImages": 7,
                "authSecretRef": {"name": "pull"}, "caSecretRef": {"name": "ca"},
                "repositories": [{"name": "team/app", "tags": {"include": ["1.*"], "semver": ">=1.2", "newest": 3}}],
            }]},
        })
    };
    let path = "/apis/breakwater.dev/v1alpha1/namespaces/shop/imagepolicies/nightly";
    bench.api.hold(path, policy("other"));
    bench.look().await;
    let (reason, message) = stalled(&bench).unwrap();
    assert_eq!(reason, "RegistryMissing");
    assert!(message.as_str().unwrap().ends_with("no registry main"), "{message}");

    let config = json!({"auths": {"registry.test:5000": {"auth": "YTpi"}}}).to_string();
    for (name, key, value) in [("pull", ".dockerconfigjson", config.as_str()), ("ca", "ca.crt", "PEM")] {
        let data = json!({key: k8s_openapi::ByteString(value.as_bytes().to_vec())});
        let secret = json!({"metadata": {"name": name}, "data": data});
        bench.api.hold(&format!("/api/v1/namespaces/shop/secrets/{name}"), secret);
    }
    bench.api.hold(path, policy("main"));
    bench.look().await;
    assert_eq!((stalled(&bench), &bench.status()["result"]), (None, &json!("Running")));
    let job: Job =
        serde_json::from_value(bench.api.object(&format!("{JOBS}{}", bench.job())).unwrap()).unwrap();
    let question = super::question(&job).unwrap();
    assert_eq!((question.images.len(), question.max_images), (0, 7));
    let repository = &question.repositories[0];
    assert_eq!((repository.name.as_str(), repository.newest), ("team/app", Some(3)));
    assert!(repository.selects("1.2.0") && !repository.selects("1.1.0") && !repository.selects("1.2.0.sig"));
    let path = format!("/api/v1/namespaces/breakwater-system/secrets/{}", bench.job());
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(bench.api.object(&path).unwrap()).unwrap();
    assert_eq!(secret.data.unwrap().into_keys().collect::<Vec<_>>(), ["ca.crt", "config.json"]);
    assert_eq!(bench.look().await, NOTHING);
}

#[tokio::test]
async fn a_cache_that_is_behind_makes_no_second_job() {
    let mut bench = Bench::new().await;
    bench.api.hold(SCAN_JOB, scan_job(&["linux/amd64"]));
    bench.fill();
    let stale = bench.controller.places.scan_jobs.state().into_iter().next().unwrap();
    for _ in 0..3 {
        reconcile(stale.clone(), bench.controller.clone()).await.unwrap();
    }
    assert_eq!(bench.api.paths().iter().filter(|path| path.starts_with(JOBS)).count(), 1);
}

#[tokio::test]
async fn an_invalid_spec_and_a_missing_secret_are_said_once() {
    let mut bench = Bench::new().await;
    let mut invalid = scan_job(&["linux/amd64"]);
    invalid.spec.image = Some("registry.test/UPPER".into());
    bench.api.hold(SCAN_JOB, invalid);
    bench.look().await;
    assert_eq!((&bench.status()["result"], bench.look().await.len()), (&json!("Failed"), 0));

    let mut secret = scan_job(&["linux/amd64"]);
    secret.spec.image_pull_secrets =
        vec![breakwater_crds::selector::LocalReference { name: "absent".into() }];
    bench.api.hold(SCAN_JOB, secret);
    bench.look().await;
    let reasons: Vec<_> =
        bench.status()["conditions"].as_array().unwrap().iter().map(|c| c["reason"].clone()).collect();
    assert!(reasons.contains(&json!("CredentialsMissing")), "{reasons:?}");
    assert_eq!(bench.look().await, NOTHING);
}

#[tokio::test]
async fn a_jobs_secret_is_its_own_and_holds_one_registry() {
    let mut bench = Bench::new().await;
    let mut with_secret = scan_job(&["linux/amd64"]);
    with_secret.spec.image_pull_secrets =
        vec![breakwater_crds::selector::LocalReference { name: "pull".into() }];
    bench.api.hold(SCAN_JOB, with_secret);
    let config = json!({"auths": {"registry.test:5000": {"auth": "YTpi"}, "other.test": {"auth": "canary"}}});
    let data = json!({".dockerconfigjson": k8s_openapi::ByteString(config.to_string().into_bytes())});
    bench
        .api
        .hold("/api/v1/namespaces/shop/secrets/pull", json!({"metadata": {"name": "pull"}, "data": data}));
    bench.look().await;
    let made =
        bench.api.object(&format!("/api/v1/namespaces/breakwater-system/secrets/{}", bench.job())).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "Job");
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(made).unwrap();
    let file = String::from_utf8(secret.data.unwrap()["config.json"].0.clone()).unwrap();
    assert!(file.contains("YTpi") && !file.contains("canary"));
    let job = bench.api.object(&format!("{JOBS}{}", bench.job())).unwrap().to_string();
    assert!(!job.contains("YTpi"));
    assert_eq!(bench.look().await, NOTHING);
}

#[tokio::test]
async fn two_hundred_scan_jobs_make_five_jobs() {
    let mut bench = Bench::new().await;
    for n in 0..200 {
        let mut one = scan_job(&["linux/amd64"]);
        one.metadata.name = Some(format!("web-{n}"));
        one.metadata.uid = Some(format!("uid-{n}"));
        bench.api.hold(&format!("/apis/breakwater.dev/v1alpha1/namespaces/shop/scanjobs/web-{n}"), one);
    }
    bench.fill();
    let all = bench.controller.places.scan_jobs.state();
    let looks = all.into_iter().map(|one| reconcile(one, bench.controller.clone()));
    for look in futures::future::join_all(looks).await {
        look.unwrap();
    }
    let jobs =
        |api: &FakeApi| api.paths().into_iter().filter(|path| path.starts_with(JOBS)).collect::<Vec<_>>();
    assert_eq!(jobs(&bench.api).len(), 5);

    // One ends: its place, and no other, is free.
    let path = jobs(&bench.api).remove(0);
    let mut ended = bench.api.object(&path).unwrap();
    ended["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    bench.api.hold(&path, &ended);
    bench.fill();
    let woken = bench.controller.woken_by(&serde_json::from_value(ended).unwrap());
    assert_eq!(woken.len(), 2, "its own ScanJob, and the next");
}

#[tokio::test]
async fn a_job_whose_scan_job_is_gone_is_removed_and_no_other() {
    let mut bench = Bench::new().await;
    bench.api.hold(SCAN_JOB, scan_job(&["linux/amd64"]));
    bench.look().await;
    bench.fill();
    sweep::once(&bench.controller).await.unwrap();
    let job = format!("{JOBS}{}", bench.job());
    assert!(bench.api.object(&job).is_some());
    let uid = bench.api.object(&job).unwrap()["metadata"]["labels"][labels::SCANJOB_UID].clone();
    assert_eq!(uid, json!(scan_job(&[]).uid().unwrap()));
    bench.api.forget(SCAN_JOB);
    bench.fill();
    sweep::once(&bench.controller).await.unwrap();
    assert!(bench.api.object(&job).is_none());
}
