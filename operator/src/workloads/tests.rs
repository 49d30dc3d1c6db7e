//! From Kubernetes objects, as the API server sends them, to workloads.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use breakwater_core::{
    Digest, Platform,
    workload::{Container, ContainerKind, ImageIdentity, Workload, WorkloadKind, WorkloadRef},
};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::{
    Workloads,
    cluster::{Cluster, ORPHAN_WAIT},
    images::TemplateFacts,
    objects::{CronJobObject, DeploymentObject, JobObject, NamespaceObject, NodeObject, PodObject, PodSpec},
    rows::{self, Pool},
};
use crate::changes::Changed;

#[derive(Default)]
struct World {
    cluster: Cluster,
    pool: Pool,
}

/// When a test looks at the cluster.
#[allow(clippy::disallowed_methods, reason = "any instant does, and there is no other way to make one")]
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

impl World {
    /// A node, a labelled namespace `shop`, everything listed.
    fn new() -> Self {
        let mut world = Self::default();
        let node = json!({"metadata": {"name": "n1", "uid": "node-1"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}});
        let node: NodeObject = serde_json::from_value(node).unwrap();
        world.cluster.nodes.follow(Event::Apply(node), |o| rows::node(o, &mut world.pool));
        let namespace = json!({"metadata": {"name": "shop", "uid": "ns-1", "labels": {"team": "a"}}});
        let namespace: NamespaceObject = serde_json::from_value(namespace).unwrap();
        world.cluster.namespaces.follow(Event::Apply(namespace), rows::namespace);
        world
    }

    fn pod_event(&mut self, event: fn(PodObject) -> Event<PodObject>, pod: Value) {
        let pod = serde_json::from_value(pod).unwrap();
        self.cluster.pods.follow(event(pod), |o| rows::pod(o, &mut self.pool));
    }

    fn pod(&mut self, pod: Value) {
        self.pod_event(Event::Apply, pod);
    }

    fn deployment(&mut self, object: Value) {
        let object: DeploymentObject = serde_json::from_value(object).unwrap();
        self.cluster.deployments.follow(Event::Apply(object), |o| {
            rows::owner(
                WorkloadKind::Deployment,
                o.metadata,
                o.spec.replicas,
                Some(&o.spec.template.spec),
                &mut self.pool,
            )
        });
    }

    fn replica_set(&mut self, name: &str, owner: Option<Value>) {
        let metadata = json!({"name": name, "namespace": "shop", "uid": format!("rs-{name}"), "ownerReferences": owner.into_iter().collect::<Vec<_>>()});
        let metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta =
            serde_json::from_value(metadata).unwrap();
        self.cluster
            .replica_sets
            .follow(Event::Apply(metadata), |metadata| rows::replica_set(metadata, &mut self.pool));
    }

    fn job(&mut self, object: Value) {
        let object: JobObject = serde_json::from_value(object).unwrap();
        self.cluster.jobs.follow(Event::Apply(object), |o| rows::job(o, &mut self.pool));
    }

    fn cron_job(&mut self, object: Value) {
        let object: CronJobObject = serde_json::from_value(object).unwrap();
        self.cluster.cron_jobs.follow(Event::Apply(object), |o| {
            let template = &o.spec.job_template.spec.template.spec;
            rows::owner(WorkloadKind::CronJob, o.metadata.clone(), None, Some(template), &mut self.pool)
        });
    }

    fn at(&self, now: Instant) -> std::collections::BTreeMap<WorkloadRef, Workload> {
        let assembled = self.cluster.workloads(&Default::default(), now).into_values();
        assembled.map(|one| (one.workload.id.clone(), (*one.workload).clone())).collect()
    }

    fn get(&self, kind: WorkloadKind, name: &str) -> Option<Workload> {
        let id = WorkloadRef { kind, namespace: "shop".into(), name: name.into() };
        self.at(*NOW).remove(&id)
    }

    fn names(&self) -> Vec<String> {
        self.at(*NOW).keys().map(ToString::to_string).collect()
    }
}

fn controller(api: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true})
}

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn running_pod(name: &str, owner: Option<Value>, image: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("pod-{name}"), "labels": {"app": "web"},
            "annotations": {"breakwater.dev/undo": "x", "other": "y"}, "ownerReferences": owner.into_iter().collect::<Vec<_>>()},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "image": image, "imageID": format!("r.test/app@{}", digest(image))}]},
    })
}

fn deployment(template: Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "dep-1", "labels": {"app": "web"},
            "annotations": {"breakwater.dev/owner": "team-a", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "spec": {"replicas": 3, "template": {"spec": template}},
    })
}

fn simple_template() -> Value {
    json!({"containers": [{"name": "app", "image": "r.test/app:1"}], "imagePullSecrets": [{"name": "pull"}]})
}

fn web() -> World {
    let mut world = World::new();
    world.deployment(deployment(simple_template()));
    world.replica_set("web-1", Some(controller("apps/v1", "Deployment", "web", "dep-1")));
    for pod in ["a", "b", "c"] {
        let owner = controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1");
        world.pod(running_pod(pod, Some(owner), "r.test/app:1"));
    }
    world
}

#[test]
fn a_deployment_knows_its_pods_through_its_replica_set() {
    let world = web();
    assert_eq!(world.names(), ["Deployment/shop/web"]);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((web.replicas, web.running_pods, web.controlled_by.as_deref()), (Some(3), 3, None));
    assert_eq!(web.uid, "dep-1");
    assert_eq!(web.namespace_labels["team"], "a");
    assert_eq!(web.pull_secrets, ["pull"]);
    assert_eq!(web.annotations.keys().collect::<Vec<_>>(), ["breakwater.dev/owner"]);
    let [image] = web.running.as_slice() else { panic!("{:?}", web.running) };
    assert_eq!(
        image.identity,
        ImageIdentity::Pullable { repository: "r.test/app".into(), digest: digest("r.test/app:1") }
    );
    assert_eq!((image.container.as_str(), image.image.as_str()), ("app", "r.test/app:1"));
    assert_eq!(image.platform, Platform::linux("amd64"));
}

#[test]
fn a_deleted_pod_and_a_terminating_one_run_nothing() {
    let mut world = web();
    let owner = || Some(controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1"));
    world.pod_event(Event::Delete, running_pod("a", owner(), "r.test/app:1"));
    let mut leaving = running_pod("b", owner(), "r.test/old:1");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    world.pod(leaving);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((web.running_pods, web.running.len()), (1, 1));
    assert_eq!(web.running[0].image, "r.test/app:1");
}

#[test]
fn two_digests_under_one_tag_are_two_running_images() {
    let mut world = web();
    let mut other =
        running_pod("a", Some(controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1")), "r.test/app:1");
    other["status"]["containerStatuses"][0]["imageID"] = json!(format!("r.test/app@{}", digest("moved")));
    world.pod(other);
    assert_eq!(world.get(WorkloadKind::Deployment, "web").unwrap().running.len(), 2);
}

#[test]
fn foreign_controllers_are_named_and_never_become_workloads() {
    let mut world = World::new();
    world.replica_set("roll-1", Some(controller("argoproj.io/v1alpha1", "Rollout", "roll", "ro-1")));
    world.pod(running_pod(
        "r",
        Some(controller("apps/v1", "ReplicaSet", "roll-1", "rs-roll-1")),
        "r.test/app:1",
    ));
    world.pod(running_pod("k", Some(controller("kafka.test/v1", "Kafka", "bus", "k-1")), "r.test/app:1"));
    world.pod(running_pod(
        "d",
        Some(controller("other.test/v1", "Deployment", "odd", "o-1")),
        "r.test/app:1",
    ));
    assert_eq!(world.names(), ["ReplicaSet/shop/roll-1", "Pod/shop/d", "Pod/shop/k"]);
    let above = |kind, name| world.get(kind, name).unwrap().controlled_by.unwrap();
    assert_eq!(above(WorkloadKind::ReplicaSet, "roll-1"), "Rollout/roll");
    assert_eq!(above(WorkloadKind::Pod, "k"), "Kafka/bus");
    assert_eq!(above(WorkloadKind::Pod, "d"), "Deployment/odd");
    let rollout = world.get(WorkloadKind::ReplicaSet, "roll-1").unwrap();
    assert_eq!(rollout.containers[0].image, "r.test/app:1", "the template is read from its pods");
}

#[test]
fn a_bare_pod_is_its_own_workload() {
    let mut world = World::new();
    world.pod(running_pod("solo", None, "r.test/app:1"));
    let solo = world.get(WorkloadKind::Pod, "solo").unwrap();
    assert_eq!((solo.running_pods, solo.replicas, solo.uid.as_str()), (1, None, "pod-solo"));
    assert_eq!(solo.labels["app"], "web");
    assert_eq!(solo.annotations.keys().collect::<Vec<_>>(), ["breakwater.dev/undo"]);
}

#[test]
fn what_is_orphaned_waits_for_its_owner_or_the_garbage_collector() {
    let mut world = World::new();
    world.pod(running_pod("x", Some(controller("apps/v1", "ReplicaSet", "gone", "rs-gone")), "r.test/app:1"));
    assert!(world.names().is_empty());
    world.replica_set("gone", None);
    assert_eq!(world.names(), ["ReplicaSet/shop/gone"]);
}

#[test]
fn a_recreated_owner_of_the_same_name_does_not_inherit_pods() {
    let mut world = web();
    let mut again = deployment(simple_template());
    again["metadata"]["uid"] = json!("dep-2");
    let old: DeploymentObject = serde_json::from_value(deployment(simple_template())).unwrap();
    world.cluster.deployments.follow(Event::Delete(old), |o| {
        rows::owner(WorkloadKind::Deployment, o.metadata, None, None, &mut world.pool)
    });
    world.deployment(again);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((web.uid.as_str(), web.running_pods), ("dep-2", 0));
}

#[test]
fn a_cron_job_is_told_by_what_its_jobs_ran() {
    let mut world = World::new();
    let template = json!({"spec": {"template": {"spec": simple_template()}}});
    world.cron_job(json!({"metadata": {"name": "tick", "namespace": "shop", "uid": "cj"}, "spec": {"jobTemplate": template}}));
    world.job(json!({
        "metadata": {"name": "tick-1", "namespace": "shop", "uid": "j1", "ownerReferences": [controller("batch/v1", "CronJob", "tick", "cj")]},
        "spec": {"template": {"spec": simple_template()}},
    }));
    let mut done = running_pod("p", Some(controller("batch/v1", "Job", "tick-1", "j1")), "r.test/app:1");
    done["status"]["phase"] = json!("Succeeded");
    world.pod(done);
    assert_eq!(world.names(), ["CronJob/shop/tick"]);
    let tick = world.get(WorkloadKind::CronJob, "tick").unwrap();
    assert_eq!((tick.running_pods, tick.running.len()), (0, 1));
}

#[test]
fn an_evicted_pod_of_a_deployment_tells_nothing() {
    let mut world = web();
    let mut failed =
        running_pod("a", Some(controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1")), "r.test/old:1");
    failed["status"]["phase"] = json!("Failed");
    world.pod(failed);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((web.running_pods, web.running.len()), (2, 1));
}

#[test]
fn images_hide_in_four_places_and_none_is_missed() {
    // Written by the typed API, so that a field that moved or a name that is misspelt here shows.
    let container = |name: &str, image: &str| k8s_openapi::api::core::v1::Container {
        name: name.into(),
        image: Some(image.into()),
        ..Default::default()
    };
    let spec = k8s_openapi::api::core::v1::PodSpec {
        containers: vec![container("app", "r.test/app:1")],
        init_containers: Some(vec![container("init", "r.test/init:1")]),
        ephemeral_containers: Some(vec![k8s_openapi::api::core::v1::EphemeralContainer {
            name: "debug".into(),
            image: Some("r.test/debug:1".into()),
            ..Default::default()
        }]),
        volumes: Some(vec![k8s_openapi::api::core::v1::Volume {
            name: "data".into(),
            image: Some(k8s_openapi::api::core::v1::ImageVolumeSource {
                reference: Some("r.test/data:1".into()),
                pull_policy: None,
            }),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let spec: PodSpec = serde_json::from_value(serde_json::to_value(spec).unwrap()).unwrap();
    let found: Vec<_> = TemplateFacts::of(&spec).containers.into_iter().map(|c| (c.kind, c.image)).collect();
    assert_eq!(
        found,
        [
            (ContainerKind::App, "r.test/app:1".to_owned()),
            (ContainerKind::Init, "r.test/init:1".to_owned()),
            (ContainerKind::Ephemeral, "r.test/debug:1".to_owned()),
            (ContainerKind::Volume, "r.test/data:1".to_owned()),
        ]
    );
}

#[test]
fn statuses_of_every_kind_of_container_are_read() {
    let mut world = World::new();
    let id = |name: &str| format!("r.test/{name}@{}", digest(name));
    let mut pod = running_pod("p", None, "r.test/app:1");
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "r.test/init:1"}]);
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "r.test/debug:1"}]);
    pod["status"]["initContainerStatuses"] = json!([{"name": "init", "imageID": id("init")}]);
    pod["status"]["ephemeralContainerStatuses"] =
        json!([{"name": "debug", "imageID": digest("debug").to_string()}]);
    world.pod(pod);
    let running = world.get(WorkloadKind::Pod, "p").unwrap().running;
    let identities: Vec<_> = running.iter().map(|r| (r.container.as_str(), &r.identity)).collect();
    assert_eq!(identities.len(), 3);
    assert!(identities.contains(&("debug", &ImageIdentity::Imported { config_digest: digest("debug") })));
}

#[test]
fn the_containers_rights_win_over_the_pods() {
    let spec = json!({
        "securityContext": {"runAsUser": 0, "runAsNonRoot": false},
        "containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b", "securityContext": {"runAsUser": 5, "runAsNonRoot": true}}],
    });
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    let rights: Vec<_> =
        TemplateFacts::of(&spec).containers.iter().map(|c| (c.run_as_user, c.run_as_non_root)).collect();
    assert_eq!(rights, [(Some(0), Some(false)), (Some(5), Some(true))]);
}

#[test]
fn a_debugger_attached_to_a_pod_belongs_to_its_deployment() {
    let mut world = web();
    let mut pod =
        running_pod("a", Some(controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1")), "r.test/app:1");
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "r.test/debug:1"}]);
    let id = format!("r.test/debug@{}", digest("debug"));
    pod["status"]["ephemeralContainerStatuses"] = json!([{"name": "debug", "imageID": id}]);
    world.pod(pod);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((names(&web.containers), names(&web.injected)), (vec!["app"], vec!["debug"]));
    let running: Vec<_> = web.running.iter().map(|image| image.container.as_str()).collect();
    assert_eq!(running, ["app", "debug"], "what the debugger runs is told as well");
}

fn names(containers: &[Container]) -> Vec<&str> {
    containers.iter().map(|container| container.name.as_str()).collect()
}

#[test]
fn a_side_car_and_a_renamed_container_are_told_apart_from_the_template() {
    let mut world = web();
    let owner = controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1");
    let mut pod = running_pod("a", Some(owner), "r.test/app:1");
    pod["spec"]["containers"] =
        json!([{"name": "proxy", "image": "r.test/proxy:1"}, {"name": "old", "image": "r.test/app:0"}]);
    world.pod(pod);
    let web = world.get(WorkloadKind::Deployment, "web").unwrap();
    assert_eq!((names(&web.containers), names(&web.injected)), (vec!["app"], vec!["old", "proxy"]));
}

#[test]
fn a_bare_pods_debugger_is_no_part_of_its_template() {
    let mut world = World::new();
    let mut pod = running_pod("solo", None, "r.test/app:1");
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "r.test/debug:1"}]);
    world.pod(pod);
    let solo = world.get(WorkloadKind::Pod, "solo").unwrap();
    assert_eq!((names(&solo.containers), names(&solo.injected)), (vec!["app"], vec!["debug"]));
}

#[test]
fn an_owner_counts_only_if_it_is_there_and_makes_such_objects() {
    let claims = [
        ("a Deployment makes no pods", controller("apps/v1", "Deployment", "web", "dep-1"), true),
        ("the UID is that of another kind", controller("apps/v1", "ReplicaSet", "web", "dep-1"), true),
        ("a CronJob makes no pods", controller("batch/v1", "CronJob", "tick", "cj"), true),
        ("a ReplicaSet makes pods", controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1"), false),
    ];
    for (why, claim, itself) in claims {
        let mut world = web();
        world.pod(running_pod("x", Some(claim), "r.test/x:1"));
        let x = world.get(WorkloadKind::Pod, "x");
        assert_eq!(x.is_some(), itself, "{why}");
        assert_eq!(x.and_then(|x| x.controlled_by), None, "{why}");
    }
}

#[test]
fn an_owner_in_another_namespace_does_not_count() {
    let mut world = web();
    let claim = controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1");
    let mut pod = running_pod("x", Some(claim), "r.test/x:1");
    pod["metadata"]["namespace"] = json!("other");
    world.pod(pod);
    assert_eq!(world.names(), ["Deployment/shop/web", "Pod/other/x"]);
}

#[test]
fn owners_in_a_circle_are_judged_as_themselves() {
    let mut world = World::new();
    world.replica_set("a", Some(controller("apps/v1", "ReplicaSet", "b", "rs-b")));
    world.replica_set("b", Some(controller("apps/v1", "ReplicaSet", "a", "rs-a")));
    world.replica_set("self", Some(controller("apps/v1", "ReplicaSet", "self", "rs-self")));
    for name in ["a", "b", "self"] {
        let owner = controller("apps/v1", "ReplicaSet", name, &format!("rs-{name}"));
        world.pod(running_pod(name, Some(owner), "r.test/app:1"));
    }
    assert_eq!(world.names(), ["ReplicaSet/shop/a", "ReplicaSet/shop/b", "ReplicaSet/shop/self"]);
}

#[test]
fn a_forged_owner_hides_a_pod_for_a_moment_only() {
    let mut world = World::new();
    world.pod(running_pod("x", Some(controller("apps/v1", "ReplicaSet", "no", "rs-no")), "r.test/app:1"));
    assert!(world.cluster.note_orphans(*NOW), "it is held back");
    assert!(world.names().is_empty());
    let later = *NOW + ORPHAN_WAIT;
    assert!(!world.cluster.note_orphans(later), "the first sight counts, not the last");
    let found: Vec<_> = world.at(later).into_values().collect();
    let [x] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((x.id.name.as_str(), x.labels["app"].as_str(), x.running.len()), ("x", "web", 1));
    world.replica_set("no", None);
    // The same UID as the claim: from now on it is the owner.
    assert!(!world.cluster.note_orphans(later + Duration::from_secs(1)));
    assert_eq!(world.names(), ["ReplicaSet/shop/no"]);
}

#[test]
fn a_job_is_finished_once_its_controller_says_so() {
    for (kind, status, finished) in [
        ("Complete", "True", true),
        ("Failed", "True", true),
        ("Complete", "False", false),
        ("Suspended", "True", false),
    ] {
        let mut world = World::new();
        world.job(json!({
            "metadata": {"name": "once", "namespace": "shop", "uid": "j1"},
            "spec": {"template": {"spec": simple_template()}},
            "status": {"conditions": [{"type": kind, "status": status}]},
        }));
        assert_eq!(world.get(WorkloadKind::Job, "once").unwrap().finished, finished, "{kind} {status}");
    }
}

#[test]
fn odd_objects_are_read_as_far_as_they_go() {
    let mut world = World::new();
    world.pod(json!({"metadata": {"name": "p", "namespace": "shop", "uid": "u", "ownerReferences": null, "labels": null},
        "spec": {"containers": [{"name": "a"}], "initContainers": null, "volumes": [{"name": "v", "emptyDir": {}}]}, "status": {}}));
    let pod = world.get(WorkloadKind::Pod, "p").unwrap();
    assert!(pod.containers.is_empty() && pod.running.is_empty());
}

#[tokio::test]
async fn is_ready_after_every_first_list_and_tells_changes_once() {
    let workloads = Workloads(std::sync::Arc::default());
    let version = workloads.changed();
    let mut subscription = workloads.subscribe();
    assert_eq!(subscription.take(), Some(Changed::All), "a subscriber begins with everything");
    let list = |cluster: &mut Cluster, pool: &mut Pool, with_nodes: bool| {
        cluster.pods.follow(Event::<PodObject>::InitDone, |o| rows::pod(o, pool));
        let none = |_: ()| None;
        for table in [
            &mut cluster.deployments,
            &mut cluster.replica_sets,
            &mut cluster.stateful_sets,
            &mut cluster.daemon_sets,
            &mut cluster.jobs,
            &mut cluster.cron_jobs,
        ] {
            table.follow(Event::<()>::InitDone, none);
        }
        cluster.namespaces.follow(Event::InitDone, rows::namespace);
        if with_nodes {
            cluster.nodes.follow(Event::<NodeObject>::InitDone, |o| rows::node(o, pool));
        }
        true
    };
    workloads.update(|cluster, pool| list(cluster, pool, false));
    workloads.publish(*NOW);
    assert!(!workloads.is_ready(), "nodes are not listed");
    workloads.update(|cluster, pool| list(cluster, pool, true));
    workloads.publish(*NOW);
    assert!(workloads.is_ready());
    workloads.ready().await;
    assert_eq!(*version.borrow(), 1);
    workloads.publish(*NOW);
    assert_eq!(*version.borrow(), 1, "nothing changed");
    let pod = serde_json::from_value(running_pod("solo", None, "r.test/app:1")).unwrap();
    workloads.update(|cluster, pool| cluster.pods.follow(Event::Apply(pod), |o| rows::pod(o, pool)));
    workloads.publish(*NOW);
    assert_eq!((*version.borrow(), workloads.all().len()), (2, 1));
    let before = workloads.all();
    let other = serde_json::from_value(running_pod("other", None, "r.test/app:1")).unwrap();
    workloads.update(|cluster, pool| cluster.pods.follow(Event::Apply(other), |o| rows::pod(o, pool)));
    workloads.publish(*NOW);
    let id =
        |name: &str| WorkloadRef { kind: WorkloadKind::Pod, namespace: "shop".into(), name: name.into() };
    assert_eq!(subscription.take(), Some(Changed::These([id("solo"), id("other")].into())));
    let kept = workloads.get(&before[0].id).unwrap();
    assert!(std::sync::Arc::ptr_eq(&before[0], &kept), "what did not change stays the same allocation");
    let gone = serde_json::from_value(running_pod("solo", None, "r.test/app:1")).unwrap();
    workloads.update(|cluster, pool| cluster.pods.follow(Event::Delete(gone), |o| rows::pod(o, pool)));
    workloads.publish(*NOW);
    assert_eq!(
        subscription.take(),
        Some(Changed::These([id("solo")].into())),
        "what went is named, nothing else"
    );
}

#[test]
fn a_pause_of_the_namespace_is_a_fact_of_its_workloads_both_ways() {
    let mut world = web();
    for (annotations, is_paused) in [
        (json!({"breakwater.dev/pause-remediation": "true"}), true),
        (json!({"breakwater.dev/pause-remediation": "false"}), false),
        (json!({"breakwater.dev/pause-remediation": ""}), true),
        (json!({}), false),
    ] {
        let namespace = json!({"metadata": {"name": "shop", "uid": "ns-1", "annotations": annotations}});
        let namespace: NamespaceObject = serde_json::from_value(namespace).unwrap();
        assert!(world.cluster.namespaces.follow(Event::Apply(namespace), rows::namespace), "it is a change");
        let web = world.get(WorkloadKind::Deployment, "web").unwrap();
        assert_eq!(web.namespace_paused, is_paused, "{annotations}");
    }
}

#[test]
fn a_change_of_one_pod_assembles_its_own_workload_and_no_other() {
    let mut world = web();
    world.deployment(json!({"metadata": {"name": "other", "namespace": "shop", "uid": "dep-2"}, "spec": {"replicas": 0, "template": simple_template()}}));
    let first = world.cluster.workloads(&Default::default(), *NOW);
    let is_same = |a: &super::cluster::Assembled, b: &super::cluster::Assembled, uid: &str| {
        std::sync::Arc::ptr_eq(&a[uid].workload, &b[uid].workload)
    };
    let again = world.cluster.workloads(&first, *NOW);
    assert!(is_same(&first, &again, "dep-1") && is_same(&first, &again, "dep-2"), "nothing changed");
    // A heartbeat of the node changes no row.
    let node = json!({"metadata": {"name": "n1", "uid": "node-1"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}});
    let node: NodeObject = serde_json::from_value(node).unwrap();
    assert!(!world.cluster.nodes.follow(Event::Apply(node), |o| rows::node(o, &mut world.pool)));
    let owner = controller("apps/v1", "ReplicaSet", "web-1", "rs-web-1");
    world.pod(running_pod("one-more", Some(owner.clone()), "r.test/app:9"));
    let third = world.cluster.workloads(&again, *NOW);
    assert!(!is_same(&again, &third, "dep-1") && is_same(&again, &third, "dep-2"));
    world.pod_event(Event::Delete, running_pod("one-more", Some(owner), "r.test/app:9"));
    let fourth = world.cluster.workloads(&third, *NOW);
    assert!(!is_same(&third, &fourth, "dep-1") && is_same(&third, &fourth, "dep-2"));
    assert_eq!(fourth["dep-1"].workload, first["dep-1"].workload);
    let namespace = json!({"metadata": {"name": "shop", "uid": "ns-1", "labels": {"team": "b"}}});
    let namespace: NamespaceObject = serde_json::from_value(namespace).unwrap();
    world.cluster.namespaces.follow(Event::Apply(namespace), rows::namespace);
    let fifth = world.cluster.workloads(&fourth, *NOW);
    assert!(!is_same(&fourth, &fifth, "dep-1") && !is_same(&fourth, &fifth, "dep-2"), "a label of all");
}
