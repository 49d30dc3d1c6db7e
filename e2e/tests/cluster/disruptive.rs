//! What breaks the installation that others use; runs alone.

use std::time::{Duration, Instant};

use breakwater_crds::{imagepolicy::ImagePolicy, scanjob::ScanJob};
use breakwater_e2e::{Cluster, Layout};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::support::{
    audit::{Mark, OPERATOR},
    client,
    namespace::with_namespace,
    objects::{condition, deployment, image_policy, now, scan_job},
    product::{NAMESPACE, breakwater, image, publish_for_lodash},
    wait::eventually,
};

const OPERATOR_PODS: &str = "app.kubernetes.io/name=breakwater-operator";

/// Ends the operator's process with SIGKILL, as a crash would: the kubelet starts it again in its pod.
async fn crash(client: &Client, pod: Option<&str>) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let name = match pod {
        Some(name) => name.to_owned(),
        None => {
            let list =
                pods.list(&ListParams::default().labels(OPERATOR_PODS)).await.expect("pods can be listed");
            list.items.into_iter().find_map(|pod| pod.metadata.name).expect("an operator pod is there")
        }
    };
    let crash = move || {
        Cluster::new(Layout::from_environment().expect("a valid environment")).crash_pod(NAMESPACE, &name)
    };
    let ended = tokio::task::spawn_blocking(crash).await.expect("no panic").expect("it can be ended");
    eprintln!("{ended} processes ended");
}

/// The advisory index that the operator's pod keeps, as the node sees it. `None` while its container is not there to look through.
async fn kept_index(client: &Client) -> Option<std::path::PathBuf> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let list = pods.list(&ListParams::default().labels(OPERATOR_PODS)).await.expect("pods can be listed");
    let uid = list.items.into_iter().find_map(|pod| pod.metadata.uid).expect("an operator pod is there");
    let pids = move || Cluster::new(Layout::from_environment().expect("a valid environment")).pod_pids(&uid);
    let pids = tokio::task::spawn_blocking(pids).await.expect("no panic").expect("its processes can be seen");
    let kept =
        pids.iter().map(|pid| std::path::PathBuf::from(format!("/proc/{pid}/root/var/lib/breakwater")));
    let files = kept.filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    files.map(|entry| entry.path()).find(|path| path.ends_with("advisories.index"))
}

#[tokio::test]
async fn disruptive_a_damaged_index_is_refused_and_fetched_anew() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let place = kept_index(&client).await.expect("an operator keeps an index");
        let good = std::fs::read(&place).expect("it can be read");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0xff;
        // Another file in its place: what is mapped by the running process stays whole, as with a disk that lies after a restart.
        let beside = place.with_extension("damaged");
        std::fs::write(&beside, &bad).expect("it can be written");
        std::fs::rename(&beside, &place).expect("it can be replaced");
        crash(&client, None).await;
        eventually("a whole index is kept again", Duration::from_secs(90), || async {
            let now = tokio::time::timeout(Duration::from_secs(5), kept_index(&client)).await;
            match now.ok().flatten().and_then(|place| std::fs::read(place).ok()) {
                Some(kept) if kept != bad => Ok(()),
                other => Err(other.map(|kept| kept.len())),
            }
        })
        .await;
        scan_job(&client, &namespace, "after", json!({"image": app})).await;
        eventually("a scan is matched with it", Duration::from_secs(60), || async {
            let job: ScanJob = now(&client, &namespace, "after").await;
            let revision = job.status.as_ref().and_then(|status| status.scanner.as_ref()?.advisories.clone());
            match (condition(&job, "Complete"), revision) {
                (Some((complete, _)), Some(_)) if complete == "True" => Ok(()),
                _ => Err(job.status),
            }
        })
        .await;
    })
    .await;
}

async fn holder(client: &Client) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    leases.get("breakwater-operator").await.ok()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

async fn scale_operator(client: &Client, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments
        .patch("breakwater-operator", &PatchParams::default(), &patch)
        .await
        .expect("it can be scaled");
    eventually("as many operators are ready", Duration::from_secs(60), || async {
        let seen = deployments.get("breakwater-operator").await.map_err(|error| error.to_string())?;
        let status = seen.status.unwrap_or_default();
        let (ready, all) = (status.ready_replicas.unwrap_or(0), status.replicas.unwrap_or(0));
        if ready == replicas && all == replicas { Ok(()) } else { Err(format!("{ready} of {all} ready")) }
    })
    .await;
}

#[tokio::test]
async fn killed_at_twenty_moments_it_converges_without_doing_anything_twice() {
    let client = client().await;
    let app = image("demo-app").await;
    let tiny = image("tiny-app").await;
    with_namespace(&client, &[("breakwater.dev/remediation", "enabled")], |namespace| async move {
        let client = super::support::client().await;
        let id = format!("BWTEST-{}", namespace.to_uppercase());
        let rules = json!({"vulnerabilities": {"deny": [id]}, "image": {"incomplete": "Allow"}});
        let remediation = json!({
            "mode": "Enforce",
            "triggers": [{"when": {"rules": ["vulnerabilities.deny"]}, "action": "ScaleToZero", "gracePeriod": "1s"}],
        });
        image_policy(&client, &namespace, "deny", json!({"rules": rules, "remediation": remediation})).await;
        deployment(&client, &namespace, "app", &app, 3).await;
        let mark = Mark::now();
        for round in 0..20_u32 {
            scan_job(&client, &namespace, &format!("scan-{round}"), json!({"image": tiny})).await;
            if round == 8 {
                publish_for_lodash(&id).await;
            }
            // Odd waits, so that the blow falls at different places of the loop.
            tokio::time::sleep(Duration::from_millis(u64::from(round * 397 % 1_900) + 100)).await;
            crash(&client, None).await;
        }
        eventually("every ScanJob is complete", Duration::from_secs(180), || async {
            let api: Api<ScanJob> = Api::namespaced(client.clone(), &namespace);
            let list = api.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
            if list.is_empty() {
                return Err(vec![]);
            }
            let open: Vec<_> = list
                .iter()
                .filter(|job| condition(*job, "Complete").is_none_or(|(status, _)| status != "True"))
                .map(|job| (job.metadata.name.clone(), job.status.clone()))
                .collect();
            if open.is_empty() { Ok(()) } else { Err(open) }
        })
        .await;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        eventually("the workload is scaled to zero", Duration::from_secs(60), || async {
            let replicas = deployments.get("app").await.ok().and_then(|found| found.spec).and_then(|spec| spec.replicas);
            if replicas == Some(0) { Ok(()) } else { Err((replicas, now::<ImagePolicy>(&client, &namespace, "deny").await.status)) }
        })
        .await;
        let requests = mark.requests_of(OPERATOR);
        let scaled = requests.iter().filter(|request| {
            request.resource() == "apps/deployments/scale"
                && request.verb == "update"
                && request.object_ref.namespace == namespace
                && request.response_status.code == 200
        });
        assert_eq!(scaled.count(), 1, "one action, however often it was killed");
        let jobs: Api<Job> = Api::namespaced(client.clone(), NAMESPACE);
        let api: Api<ScanJob> = Api::namespaced(client.clone(), &namespace);
        for scan in api.list(&ListParams::default()).await.expect("listed") {
            let attempts = scan.status.as_ref().and_then(|status| status.attempts).unwrap_or_default();
            let selector = format!("breakwater.dev/scanjob-uid={}", scan.metadata.uid.clone().unwrap_or_default());
            let found = jobs.list(&ListParams::default().labels(&selector)).await.expect("listed").items.len();
            assert!(found <= usize::try_from(attempts.max(1)).expect("small"), "{found} Jobs for {attempts} attempts");
        }
        let undone = std::process::Command::new(breakwater()).args(["undo", "deployment/app", "-n", &namespace]).status();
        assert!(undone.expect("the command line runs").success());
        eventually("three replicas are back", Duration::from_secs(60), || async {
            let replicas = deployments.get("app").await.ok().and_then(|found| found.spec).and_then(|spec| spec.replicas);
            if replicas == Some(3) { Ok(()) } else { Err(replicas) }
        })
        .await;
    })
    .await;
}

/// The API server takes JSON that is nested deeper than our parser goes, in a field for anything.
#[tokio::test]
async fn one_odd_policy_keeps_nobody_from_being_judged() {
    let client = client().await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let template = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        let odd = format!(
            "{{\"apiVersion\":\"breakwater.dev/v1alpha1\",\"kind\":\"ImagePolicy\",\"metadata\":{{\"name\":\"odd\",\"namespace\":\"{namespace}\"}},\
             \"spec\":{{\"rules\":{{\"image\":{{\"allowRootUser\":false}}}},\"postDeploy\":{{\"jobTemplate\":{template}}}}}}}"
        );
        let kubectl = |words: &'static [&'static str], input: String| async move {
            let run = move || Cluster::new(Layout::from_environment().expect("a valid environment")).kubectl().output_of(words.iter().copied(), &input);
            tokio::task::spawn_blocking(run).await.expect("no panic")
        };
        kubectl(&["create", "-f", "-"], odd.clone()).await.expect("the API server takes it");
        // It lists all policies anew.
        crash(&client, None).await;
        let rules = json!({"rules": {"image": {"allowRootUser": false}}});
        image_policy(&client, &namespace, "other", rules).await;
        eventually("the other one is read", Duration::from_secs(90), || async {
            let policy: ImagePolicy = now(&client, &namespace, "other").await;
            condition(&policy, "Ready").filter(|(status, _)| status != "Unknown").ok_or(policy.status)
        })
        .await;
        kubectl(&["delete", "--wait=false", "-f", "-"], odd).await.expect("it can be deleted");
    })
    .await;
}

#[tokio::test]
async fn of_two_replicas_one_acts_and_the_other_takes_over() {
    let client = client().await;
    scale_operator(&client, 2).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    for (grace, bound) in [(30_u32, Duration::from_secs(2)), (0, Duration::from_secs(20))] {
        eventually("both are there", Duration::from_secs(60), || async {
            let list = pods
                .list(&ListParams::default().labels(OPERATOR_PODS))
                .await
                .map_err(|error| error.to_string())?;
            let ready = list.items.iter().filter(|pod| is_ready(pod)).count();
            if ready == 2 { Ok(()) } else { Err(format!("{ready}")) }
        })
        .await;
        let leader = eventually("somebody leads", Duration::from_secs(30), || async {
            holder(&client).await.ok_or(())
        })
        .await;
        let start = Instant::now();
        if grace > 0 {
            pods.delete(&leader_pod(&leader), &Default::default()).await.expect("it can be deleted");
        } else {
            crash(&client, Some(&leader_pod(&leader))).await;
            // Without this the crashed one may come back in time and lead again.
            let _ =
                pods.delete(&leader_pod(&leader), &kube::api::DeleteParams::default().grace_period(0)).await;
        }
        let next = eventually("the other leads", bound, || async {
            holder(&client).await.filter(|holder| *holder != leader).ok_or(())
        })
        .await;
        eprintln!("take-over from {leader} to {next} after {:?} (bound {bound:?})", start.elapsed());
    }
    scale_operator(&client, 1).await;
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// Identities are the pod's name, maybe with more behind it.
fn leader_pod(identity: &str) -> String {
    identity.split('_').next().unwrap_or(identity).to_owned()
}

/// Five minutes without a write but the lease; `BREAKWATER_IDLE_SECONDS` shortens it.
#[tokio::test]
async fn at_rest_nothing_is_written_but_the_lease() {
    let seconds =
        std::env::var("BREAKWATER_IDLE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let client = client().await;
    let app = image("demo-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        image_policy(
            &client,
            &namespace,
            "calm",
            json!({"rules": {"image": {"allowRootUser": false, "incomplete": "Allow"}}}),
        )
        .await;
        deployment(&client, &namespace, "app", &app, 1).await;
        eventually("it is judged", Duration::from_secs(90), || async {
            let policy: ImagePolicy = now(&client, &namespace, "calm").await;
            condition(&policy, "Compliant").filter(|(status, _)| status == "False").ok_or(policy.status)
        })
        .await;
        // The ledger is written at most once a minute: let what the judging left behind settle.
        tokio::time::sleep(Duration::from_secs(70)).await;
        let mark = Mark::now();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let writes: Vec<_> = mark
            .requests_of(OPERATOR)
            .into_iter()
            .filter(|request| request.is_write() && request.object_ref.resource != "leases")
            // A review is a question: nothing is stored.
            .filter(|request| request.object_ref.api_group != "authorization.k8s.io")
            .map(|request| (request.verb.clone(), request.request_uri.clone()))
            .collect();
        assert!(writes.is_empty(), "{writes:#?}");
    })
    .await;
}
