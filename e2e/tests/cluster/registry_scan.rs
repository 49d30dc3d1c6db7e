//! Repositories of a registry are listed and scanned, by a schedule or because somebody asks.

use std::{collections::BTreeMap, time::Duration};

use breakwater_crds::{imagepolicy::ImagePolicy, scanjob::ScanJob};
use breakwater_e2e::{Cluster, Layout, Progress, Registry};
use chrono::{DateTime, TimeDelta, Utc};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::support::{
    client,
    namespace::with_namespace,
    objects::{condition, image_policy, now, scan_job},
    stock::{AccessLog, Stock},
    variable,
    wait::eventually,
};

/// Pushes images of one file each to these names of the open registry; digests by name.
async fn push(namespace: &str, names: &'static [&'static str]) -> BTreeMap<String, String> {
    let namespace = namespace.to_owned();
    let push = move || {
        let cluster = Cluster::new(Layout::from_environment().expect("a valid environment"));
        let place = tempfile::tempdir().expect("a directory");
        let mut digests = BTreeMap::new();
        for name in names {
            let directory = place.path().join(format!("listed-{}", name.replace([':', '/', '.'], "-")));
            std::fs::create_dir(&directory).expect("a directory");
            std::fs::write(directory.join("content"), name).expect("a file");
            std::fs::write(directory.join("Containerfile"), "FROM scratch\nCOPY content /content\n")
                .expect("a file");
            let built = cluster.images().build(&directory, &Progress::new()).expect("the image builds");
            let pushed = cluster.images().push(&built, Registry::Open, &format!("{namespace}/{name}"));
            let pushed = pushed.expect("it can be pushed");
            digests.insert(pushed.reference(), pushed.digest);
        }
        digests
    };
    tokio::task::spawn_blocking(push).await.expect("no panic")
}

fn registry(namespace: &str, repositories: &[&str]) -> Value {
    let repositories: Vec<Value> =
        repositories.iter().map(|name| json!({"name": format!("{namespace}/{name}")})).collect();
    json!({"name": "main", "url": format!("https://{}", variable("REGISTRY")), "repositories": repositories})
}

/// The ScanJob when it has come to its end, whichever.
async fn ended(client: &kube::Client, namespace: &str, name: &str) -> ScanJob {
    eventually(&format!("{name} ends"), Duration::from_secs(120), || async {
        let job: ScanJob = now(client, namespace, name).await;
        let ended = job.status.as_ref().is_some_and(|status| status.completion_time.is_some());
        if ended { Ok(job) } else { Err(job.status) }
    })
    .await
}

/// Reference → digest of what was scanned, and reference → reason of what was not.
fn images(job: &ScanJob) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let entries = job.status.iter().flat_map(|status| &status.images);
    let (mut scanned, mut failed) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        match (&entry.reason, &entry.digest) {
            (Some(reason), _) => failed.insert(entry.image.clone(), reason.clone()),
            (None, digest) => scanned.insert(entry.image.clone(), digest.clone().unwrap_or_default()),
        };
    }
    (scanned, failed)
}

#[tokio::test]
async fn a_schedule_scans_what_the_repositories_hold() {
    let client = client().await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let mut pushed = push(&namespace, &["one:1.0", "one:1.1", "two:2.0", "two:sha256-0.sig"]).await;
        pushed.retain(|name, _| !name.ends_with(".sig"));
        let registries = json!([registry(&namespace, &["one", "two"])]);
        let spec = json!({"registries": registries, "schedule": {"interval": "1h"}});
        image_policy(&client, &namespace, "nightly", spec).await;
        let scans: Api<ScanJob> = Api::namespaced(client.clone(), &namespace);
        let name = eventually("a ScanJob appears by itself", Duration::from_secs(30), || async {
            let all = scans.list(&Default::default()).await.expect("listed").items;
            all.first().map(ResourceExt::name_any).ok_or(all.len())
        })
        .await;
        let job = ended(&client, &namespace, &name).await;
        assert_eq!(job.labels()["breakwater.dev/trigger"], "Schedule");
        assert!(job.spec.ttl_after_finished.is_some(), "it goes away by itself");
        assert_eq!(condition(&job, "Complete"), Some(("True".into(), "Succeeded".into())));
        assert_eq!(images(&job), (pushed, BTreeMap::new()));
        let status = serde_json::to_value(&job.status).expect("JSON");
        assert_eq!(status["progress"], json!({"images": 3, "scanned": 3, "skipped": 0, "failed": 0}));
        assert_eq!(status["trigger"], "Schedule");

        let (last, next) = eventually("the policy says when", Duration::from_secs(30), || async {
            let status =
                serde_json::to_value(now::<ImagePolicy>(&client, &namespace, "nightly").await.status);
            let status = status.expect("JSON");
            let time = |field: &str| status[field].as_str()?.parse::<DateTime<Utc>>().ok();
            time("lastScanTime").zip(time("nextScanTime")).ok_or(status.clone())
        })
        .await;
        assert_eq!(next - last, TimeDelta::hours(1));
        let all = scans.list(&Default::default()).await.expect("listed").items;
        assert_eq!(all.len(), 1, "one run, one registry");
    })
    .await;
}

#[tokio::test]
async fn a_repository_that_does_not_exist_fails_alone() {
    let client = client().await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let pushed = push(&namespace, &["one:1.0"]).await;
        let registries = json!([registry(&namespace, &["missing", "one"])]);
        image_policy(&client, &namespace, "asked", json!({"registries": registries})).await;
        let target = |more: Value| {
            let mut target = json!({"policyRef": {"name": "asked"}, "name": "main"});
            target.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            json!({"registry": target, "attempts": 1})
        };
        scan_job(&client, &namespace, "all", target(json!({}))).await;
        let missing = format!("{namespace}/missing");
        scan_job(&client, &namespace, "none", target(json!({"repositories": [missing]}))).await;
        scan_job(&client, &namespace, "nowhere", target(json!({"policyRef": {"name": "absent"}}))).await;

        let job = ended(&client, &namespace, "all").await;
        assert_eq!(condition(&job, "Complete"), Some(("True".into(), "CompletedWithFailures".into())));
        let missing = format!("{}/{missing}", variable("REGISTRY"));
        assert_eq!(images(&job), (pushed, BTreeMap::from([(missing.clone(), "NotFound".into())])));
        let status = serde_json::to_value(&job.status).expect("JSON");
        assert_eq!(status["progress"], json!({"images": 2, "scanned": 1, "skipped": 0, "failed": 1}));

        let job = ended(&client, &namespace, "none").await;
        assert_eq!(condition(&job, "Failed"), Some(("True".into(), "NotFound".into())));
        assert_eq!(images(&job), (BTreeMap::new(), BTreeMap::from([(missing, "NotFound".into())])));

        let job: ScanJob = now(&client, &namespace, "nowhere").await;
        assert_eq!(condition(&job, "Stalled"), Some(("True".into(), "PolicyMissing".into())));
    })
    .await;
}

#[tokio::test]
async fn several_pods_read_each_layer_once_and_the_second_scan_reads_none() {
    let client = client().await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let stock = Stock {
            prefix: namespace.clone(),
            repositories: 2,
            tags: 12,
            architectures: &["amd64", "arm64", "s390x"],
        };
        let stocked = stock.push(&variable("REGISTRY_ADDRESS")).await;
        let mut registry = registry(&namespace, &["0", "1"]);
        registry["platforms"] = json!(["linux/amd64", "linux/arm64", "linux/s390x"]);
        image_policy(&client, &namespace, "asked", json!({"registries": [registry]})).await;
        let spec = json!({"registry": {"policyRef": {"name": "asked"}, "name": "main"}, "parallelism": 3});

        let log = AccessLog::begin(variable("REGISTRY_LOG"));
        scan_job(&client, &namespace, "first", spec.clone()).await;
        let job = ended(&client, &namespace, "first").await;
        assert_eq!(condition(&job, "Complete"), Some(("True".into(), "Succeeded".into())));
        let named = |name: &String| format!("{}/{name}", variable("REGISTRY"));
        let pushed: BTreeMap<String, String> =
            stocked.images.iter().map(|(name, digest)| (named(name), digest.to_string())).collect();
        assert_eq!(images(&job), (pushed.clone(), BTreeMap::new()));
        let status = serde_json::to_value(&job.status).expect("JSON");
        assert_eq!(status["progress"], json!({"images": 24, "scanned": 24, "skipped": 0, "failed": 0}));
        let reads = log.reads(&namespace);
        for own in &stocked.own {
            assert_eq!(reads.blobs.get(own), Some(&1), "{own}");
        }
        for base in &stocked.bases {
            let times = reads.blobs.get(base).copied().unwrap_or_default();
            assert!((1..=3).contains(&times), "{base} was read {times} times by three pods");
        }

        let log = AccessLog::begin(variable("REGISTRY_LOG"));
        scan_job(&client, &namespace, "second", spec).await;
        let job = ended(&client, &namespace, "second").await;
        assert_eq!(images(&job), (pushed, BTreeMap::new()));
        let reads = log.reads(&namespace);
        assert_eq!((reads.blobs, reads.manifests), (BTreeMap::new(), 0), "nothing is pulled again");
    })
    .await;
}
