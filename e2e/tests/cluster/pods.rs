//! Scan pods: what they may, and how many there are.

use std::time::Duration;

use breakwater_crds::scanjob::ScanJob;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

use super::support::{
    client,
    namespace::with_namespace,
    objects::{condition, now, scan_job},
    product::{NAMESPACE, image},
    wait::eventually,
};

const SCANS: &str = "breakwater.dev/scanjob-uid";

#[tokio::test]
async fn a_scan_pod_can_do_nothing_but_scan() {
    let client = client().await;
    let tiny = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let mut stream = watcher(pods, watcher::Config::default().labels(SCANS)).applied_objects().boxed();
        let job = scan_job(&client, &namespace, "one", json!({"image": tiny})).await;
        let uid = job.metadata.uid.expect("the API server gives one");
        let pod = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let pod = stream.try_next().await.expect("the watch works").expect("it does not end");
                if pod.metadata.labels.as_ref().and_then(|labels| labels.get(SCANS)) == Some(&uid) {
                    return pod;
                }
            }
        })
        .await
        .expect("a scan pod appears");
        let pod = serde_json::to_value(pod).expect("JSON");
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["restartPolicy"], "Never");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(spec["containers"].as_array().map(Vec::len), Some(1));
        let container = &spec["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        for bound in ["cpu", "memory"] {
            assert!(container["resources"]["limits"][bound].is_string(), "{bound} is limited");
        }
        let audiences: Vec<&str> = spec["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|volume| volume["projected"]["sources"].as_array().cloned().unwrap_or_default())
            .filter_map(|source| {
                source["serviceAccountToken"]["audience"].as_str().map(|_| "breakwater-intake")
            })
            .collect();
        assert_eq!(audiences, ["breakwater-intake"], "one token, for one audience");
        for volume in spec["volumes"].as_array().into_iter().flatten() {
            assert!(volume["hostPath"].is_null(), "{volume}");
        }
    })
    .await;
}

#[tokio::test]
async fn two_hundred_waiting_images_never_mean_more_jobs_than_allowed() {
    const LIMIT: usize = 5;
    let client = client().await;
    let tiny = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let jobs: Api<Job> = Api::namespaced(client.clone(), NAMESPACE);
        let api: Api<ScanJob> = Api::namespaced(client.clone(), &namespace);
        let most = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counting = tokio::spawn({
            let most = most.clone();
            async move {
                loop {
                    if let Ok(list) = jobs.list(&ListParams::default().labels(SCANS)).await {
                        let active = list.items.iter().filter(|job| {
                            let conditions =
                                job.status.as_ref().and_then(|status| status.conditions.as_ref());
                            !conditions.is_some_and(|all| {
                                all.iter().any(|c| matches!(c.type_.as_str(), "Complete" | "Failed"))
                            })
                        });
                        most.fetch_max(active.count(), std::sync::atomic::Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        futures::stream::iter(0..200)
            .for_each_concurrent(20, |number| {
                let (api, tiny) = (api.clone(), &tiny);
                async move {
                    let object = json!({
                        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob",
                        "metadata": {"name": format!("scan-{number}")}, "spec": {"image": tiny},
                    });
                    let object: ScanJob = serde_json::from_value(object).expect("valid");
                    api.create(&PostParams::default(), &object).await.expect("it can be made");
                }
            })
            .await;
        let jobs =
            eventually("some are complete, the rest waits in order", Duration::from_secs(180), || async {
                let list = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
                let complete = list
                    .items
                    .iter()
                    .filter(|job| condition(*job, "Complete").is_some_and(|(status, _)| status == "True"));
                let complete = complete.count();
                if complete >= 30 { Ok(list) } else { Err(format!("{complete} complete")) }
            })
            .await;
        counting.abort();
        let most = most.load(std::sync::atomic::Ordering::Relaxed);
        assert!((1..=LIMIT).contains(&most), "{most} Jobs at a time");
        let waiting = jobs
            .items
            .iter()
            .find(|job| condition(*job, "Complete").is_none())
            .map(|job| job.metadata.name.clone());
        if let Some(Some(name)) = waiting {
            let job: ScanJob = now(&client, &namespace, &name).await;
            assert!(
                condition(&job, "Failed").is_none_or(|(status, _)| status != "True"),
                "waiting is not failing"
            );
        }
    })
    .await;
}
