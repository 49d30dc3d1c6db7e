//! The cluster that is judged: namespaces, Deployments with their pods, policies.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use breakwater_crds::ImagePolicy;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    images::Images,
    size::{REPLICAS, Size},
};

/// On everything that is made.
const LABEL: &str = "breakwater-bench";
/// Requests at a time.
const PARALLEL: usize = 20;

pub(crate) struct Objects {
    client: Client,
    policies: usize,
    /// Images that one policy selects.
    images_per_policy: i32,
    /// What is changed: a pod, the status of its containers, and the references that its first container can get.
    pods: Vec<(Pod, Vec<String>)>,
}

impl Objects {
    /// Makes everything anew and waits until the pods run.
    pub(crate) async fn create(client: &Client, size: &Size, images: &Images) -> Self {
        delete(client).await;
        let names: Vec<String> = (0..size.namespaces()).map(|number| format!("bench-{number}")).collect();
        let namespaces = Api::<Namespace>::all(client.clone());
        for name in &names {
            let object = json!({"metadata": {"name": name, "labels": {LABEL: "1"}}});
            let object = serde_json::from_value(object).expect("valid");
            namespaces.create(&PostParams::default(), &object).await.expect("it can be made");
        }
        let policies = (0..size.policies).map(|number| {
            let namespace = names[number / size.policies_per_namespace()].clone();
            (namespace, policy(number))
        });
        create::<ImagePolicy>(client, policies).await;
        let deployments = (0..size.workloads()).map(|number| {
            let policy = number / size.workloads_per_policy();
            let namespace = names[policy / size.policies_per_namespace()].clone();
            let containers = (0..size.containers())
                .map(|container| images.reference(number * size.containers() + container));
            (namespace, deployment(number, policy, &containers.collect::<Vec<_>>()))
        });
        create::<Deployment>(client, deployments).await;
        wait("the pods run", Duration::from_secs(900), || async {
            // A list by a selector does not report how many remain: the Deployments count their pods.
            let list = Api::<Deployment>::all(client.clone())
                .list(&ListParams::default().labels(LABEL))
                .await
                .ok()?;
            let ready = list.items.iter().filter_map(|deployment| deployment.status.as_ref()?.ready_replicas);
            (ready.filter_map(|count| usize::try_from(count).ok()).sum::<usize>() >= size.pods).then_some(())
        })
        .await;
        let list = Api::<Pod>::all(client.clone()).list(&ListParams::default().labels(LABEL)).await;
        let pods = list.expect("pods can be listed").items;
        let pods = spread(pods).into_iter().enumerate().map(|(number, mut pod)| {
            pod.metadata.managed_fields = None;
            (pod, vec![images.reference(number), images.reference(number + size.images / 2)])
        });
        Self {
            client: client.clone(),
            policies: size.policies,
            images_per_policy: i32::try_from(size.workloads_per_policy() * size.containers()).expect("few"),
            pods: pods.collect(),
        }
    }

    /// A pod's first container runs another image, as after a roll-out.
    pub(crate) async fn change(&self, number: usize) {
        let (pod, references) = &self.pods[number % self.pods.len()];
        let mut statuses = pod.status.as_ref().and_then(|s| s.container_statuses.clone()).expect("it runs");
        let other =
            references.iter().find(|reference| **reference != statuses[0].image_id).expect("two differ");
        statuses[0].image_id.clone_from(other);
        let api = Api::<Pod>::namespaced(self.client.clone(), &pod.namespace().expect("it has one"));
        let patch = Patch::Merge(json!({"status": {"containerStatuses": statuses}}));
        api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.expect("it can be changed");
    }

    /// Waits until the status of every policy counts all images as scanned.
    pub(crate) async fn all_scanned(&self, within: Duration) {
        let images = self.images_per_policy;
        let judged = move |policy: &ImagePolicy| {
            let summary = policy.status.as_ref().and_then(|status| status.summary.as_ref());
            summary.is_some_and(|summary| summary.images.scanned == images && summary.workloads.violating > 0)
        };
        self.watch(judged).await.all(within).await;
    }

    /// Watches for the critical finding in every policy's status. No policy has one yet.
    pub(crate) async fn watch_critical(&self) -> Watched {
        let watched = self
            .watch(|policy| {
                let summary = policy.status.as_ref().and_then(|status| status.summary.as_ref());
                summary.is_some_and(|summary| summary.severities.critical > 0)
            })
            .await;
        assert_eq!(*watched.count.borrow(), 0, "there is no critical finding before the index is replaced");
        watched
    }

    async fn watch(&self, reached: impl Fn(&ImagePolicy) -> bool + Send + 'static) -> Watched {
        let api = Api::<ImagePolicy>::all(self.client.clone());
        let (counter, count) = watch::channel(0);
        let list = api.list(&ListParams::default().labels(LABEL)).await.expect("policies can be listed");
        let mut version = list.metadata.resource_version.clone().unwrap_or_default();
        let mut done: HashSet<String> =
            list.items.iter().filter(|policy| reached(policy)).map(ResourceExt::name_any).collect();
        counter.send_replace(done.len());
        let task = tokio::spawn(async move {
            loop {
                let parameters = WatchParams::default().labels(LABEL);
                let events = api.watch(&parameters, &version).await.expect("policies can be watched");
                let mut events = std::pin::pin!(events);
                while let Ok(Some(event)) = events.try_next().await {
                    if let WatchEvent::Added(policy) | WatchEvent::Modified(policy) = event {
                        version = policy.resource_version().unwrap_or_default();
                        if reached(&policy) {
                            done.insert(policy.name_any());
                            counter.send_replace(done.len());
                        }
                    }
                }
            }
        });
        Watched { policies: self.policies, count, task: Stop(task) }
    }

    pub(crate) async fn delete(self) {
        delete(&self.client).await;
    }
}

/// Counts the policies that have reached something.
pub(crate) struct Watched {
    policies: usize,
    count: watch::Receiver<usize>,
    task: Stop,
}

struct Stop(tokio::task::JoinHandle<()>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watched {
    pub(crate) async fn all(mut self, within: Duration) {
        let policies = self.policies;
        let reached = tokio::time::timeout(within, self.count.wait_for(|count| *count >= policies)).await;
        let is_reached = reached.is_ok_and(|reached| reached.is_ok());
        assert!(is_reached, "{} of {policies} policies within {within:?}", *self.count.borrow());
        drop(self.task);
    }
}

fn policy(number: usize) -> Value {
    json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": format!("policy-{number}"), "labels": {LABEL: "1"}},
        "spec": {
            "selector": {"workloadSelector": {"matchLabels": {"policy": number.to_string()}}},
            "rules": {"vulnerabilities": {"max": {"critical": 0, "high": 10}}},
            "remediation": {"mode": "DryRun", "triggers": [{"when": {}, "action": "ScaleToZero", "gracePeriod": "24h"}]},
        },
    })
}

fn deployment(number: usize, policy: usize, images: &[String]) -> Value {
    let name = format!("workload-{number}");
    let labels = json!({"app": name, "policy": policy.to_string(), LABEL: "1"});
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(position, image)| json!({"name": format!("app-{position}"), "image": image}))
        .collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"kwok.x-k8s.io/node": "fake"},
                    "tolerations": [{"operator": "Exists"}],
                    "containers": containers,
                },
            },
        },
    })
}

/// The first pod of every workload, then the second of every workload, and so on.
fn spread(pods: Vec<Pod>) -> Vec<Pod> {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    let mut ranked: Vec<(usize, Pod)> = pods
        .into_iter()
        .map(|pod| {
            let count = seen.entry(pod.labels()["app"].clone()).or_default();
            *count += 1;
            (*count, pod)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, pod)| pod).collect()
}

async fn create<K>(client: &Client, objects: impl Iterator<Item = (String, Value)>)
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    stream::iter(objects)
        .for_each_concurrent(PARALLEL, |(namespace, object)| {
            let api = Api::<K>::namespaced(client.clone(), &namespace);
            async move {
                let object = serde_json::from_value(object).expect("valid");
                api.create(&PostParams::default(), &object).await.expect("it can be made");
            }
        })
        .await;
}

async fn delete(client: &Client) {
    let api = Api::<Namespace>::all(client.clone());
    let ours = ListParams::default().labels(LABEL);
    let namespaces = api.list(&ours).await.expect("namespaces can be listed").items;
    stream::iter(namespaces)
        .for_each_concurrent(PARALLEL, |namespace| {
            let api = &api;
            async move { drop(api.delete(&namespace.name_any(), &DeleteParams::background()).await) }
        })
        .await;
    wait("the namespaces are gone", Duration::from_secs(900), || async {
        api.list(&ours).await.ok().filter(|list| list.items.is_empty()).map(drop)
    })
    .await;
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
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
