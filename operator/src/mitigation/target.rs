//! Reads one workload right before something is done to it.

use std::collections::BTreeSet;

use breakwater_core::{
    mitigation::{Live, LivePod, NamespaceFacts, Target},
    printable,
    workload::{ImageIdentity, WorkloadKind, WorkloadRef},
};
use breakwater_crds::names::{annotations, labels};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::{Namespace, Pod, PodSpec},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ManagedFieldsEntry, ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{NamespaceResourceScope, Selector},
};
use serde::de::DeserializeOwned;

use super::{MitigationError, within};
use crate::kube::apply::FieldManager;

/// The most pods, replica sets or autoscalers that are looked at.
const MAX_LISTED: u32 = 500;
/// The kubelet marks pods that it runs from files.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// On the autoscaler that KEDA makes: the ScaledObject behind it.
const KEDA: &str = "scaledobject.keda.sh/name";

pub(super) async fn read(client: &Client, workload: &WorkloadRef) -> Result<Live, MitigationError> {
    let namespace = within(Api::<Namespace>::all(client.clone()).get_opt(&workload.namespace)).await?;
    let namespace =
        namespace.map_or(NamespaceFacts { enabled: false, paused: false, terminating: true }, |namespace| {
            let meta = namespace.metadata;
            let label = meta.labels.as_ref().and_then(|all| all.get(labels::REMEDIATION));
            NamespaceFacts {
                enabled: label.is_some_and(|value| value == labels::ENABLED),
                paused: NamespaceFacts::is_paused(meta.annotations.as_ref()),
                terminating: meta.deletion_timestamp.is_some(),
            }
        });
    let Some(mut object) = object(client, workload).await? else {
        return Ok(Live { namespace, target: None });
    };
    if let Some(selector) = object.selector.take() {
        object.target.pods = pods(client, workload, &object.target.uid, &selector).await?;
    }
    if let Some(autoscaler) = autoscaler(client, workload).await {
        object.target.keda = autoscaler.metadata.labels.unwrap_or_default().remove(KEDA);
        object.target.hpa = autoscaler.metadata.name;
    }
    Ok(Live { namespace, target: Some(object.target) })
}

struct Object {
    target: Target,
    selector: Option<LabelSelector>,
}

async fn object(client: &Client, workload: &WorkloadRef) -> Result<Option<Object>, MitigationError> {
    let object = match workload.kind {
        WorkloadKind::Deployment => get::<Deployment>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            let status = object.status.unwrap_or_default();
            let caught_up = status.observed_generation >= object.metadata.generation;
            let mut target = target(object.metadata, spec.template.spec.as_ref());
            target.replicas = spec.replicas.unwrap_or(1);
            target.observed_replicas = caught_up.then_some(status.replicas.unwrap_or(0));
            Object { target, selector: Some(spec.selector) }
        }),
        WorkloadKind::StatefulSet => get::<StatefulSet>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            let status = object.status.unwrap_or_default();
            let caught_up = status.observed_generation >= object.metadata.generation;
            let mut target = target(object.metadata, spec.template.spec.as_ref());
            target.replicas = spec.replicas.unwrap_or(1);
            target.observed_replicas = caught_up.then_some(status.replicas);
            let retention = spec.persistent_volume_claim_retention_policy.unwrap_or_default();
            target.deletes_volumes = retention.when_scaled.as_deref() == Some("Delete");
            Object { target, selector: Some(spec.selector) }
        }),
        WorkloadKind::DaemonSet => get::<DaemonSet>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            let mut target = target(object.metadata, spec.template.spec.as_ref());
            target.replicas = object.status.map_or(0, |status| status.current_number_scheduled);
            Object { target, selector: Some(spec.selector) }
        }),
        WorkloadKind::ReplicaSet => get::<ReplicaSet>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            let template = spec.template.and_then(|template| template.spec);
            let mut target = target(object.metadata, template.as_ref());
            target.replicas = spec.replicas.unwrap_or(1);
            Object { target, selector: Some(spec.selector) }
        }),
        // Its running Jobs are let end: suspending one would delete its pods.
        WorkloadKind::CronJob => get::<CronJob>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            let template = spec.job_template.spec.and_then(|job| job.template.spec);
            let mut target = target(object.metadata, template.as_ref());
            target.replicas = i32::from(spec.suspend != Some(true));
            target.observed_replicas = Some(target.replicas);
            Object { target, selector: None }
        }),
        WorkloadKind::Job => get::<Job>(client, workload).await?.map(|object| {
            let spec = object.spec.unwrap_or_default();
            Object { target: target(object.metadata, spec.template.spec.as_ref()), selector: None }
        }),
        WorkloadKind::Pod => get::<Pod>(client, workload).await?.map(|object| {
            let target = target(object.metadata, object.spec.as_ref());
            Object { target, selector: None }
        }),
    };
    Ok(object)
}

async fn get<K>(client: &Client, workload: &WorkloadRef) -> Result<Option<K>, MitigationError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    within(Api::<K>::namespaced(client.clone(), &workload.namespace).get_opt(&workload.name)).await
}

fn target(meta: ObjectMeta, template: Option<&PodSpec>) -> Target {
    let mut notes = meta.annotations.unwrap_or_default();
    let gitops = gitops(&notes, meta.labels.as_ref());
    let replicas_manager = replicas_manager(meta.managed_fields.as_deref());
    Target {
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        terminating: meta.deletion_timestamp.is_some(),
        controlled_by: controller(meta.owner_references.as_deref())
            .map(|owner| format!("{}/{}", owner.kind, owner.name)),
        images: template.map(images).unwrap_or_default(),
        hold: notes.remove(annotations::HOLD_UNTIL),
        undo: notes.remove(annotations::UNDO),
        annotation: notes.remove(annotations::MITIGATION),
        replicas_manager,
        gitops,
        ..Target::default()
    }
}

fn controller(owners: Option<&[OwnerReference]>) -> Option<&OwnerReference> {
    owners?.iter().find(|owner| owner.controller == Some(true))
}

/// The field manager, other than the operator, that wrote `spec.replicas` last.
fn replicas_manager(managed: Option<&[ManagedFieldsEntry]>) -> Option<String> {
    let writes_replicas = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:spec"));
        entry.manager.as_deref() != Some(FieldManager::Mitigation.as_str())
            && fields.is_some_and(|spec| spec.get("f:replicas").is_some())
    };
    let last =
        managed?.iter().filter(writes_replicas).max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    last.and_then(|entry| entry.manager.as_deref()).map(|manager| printable::line(manager, 128))
}

/// The marks that Argo CD and Flux leave on what they apply.
fn gitops(
    annotations: &std::collections::BTreeMap<String, String>,
    labels: Option<&std::collections::BTreeMap<String, String>>,
) -> Option<String> {
    let has =
        |key: &str| annotations.contains_key(key) || labels.is_some_and(|labels| labels.contains_key(key));
    [
        ("argocd.argoproj.io/tracking-id", "Argo CD"),
        ("argocd.argoproj.io/instance", "Argo CD"),
        ("kustomize.toolkit.fluxcd.io/name", "Flux"),
        ("helm.toolkit.fluxcd.io/name", "Flux"),
    ]
    .into_iter()
    .find_map(|(key, tool)| has(key).then(|| tool.to_owned()))
}

/// Every image of a pod template, image volumes too; sorted, each once.
fn images(spec: &PodSpec) -> Vec<String> {
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.image.as_ref()?.reference.clone());
    let mut images: Vec<String> =
        containers.filter_map(|container| container.image.clone()).chain(volumes).collect();
    images.sort_unstable();
    images.dedup();
    images
}

/// Pods that this very object controls, itself or through its replica sets: a selector alone may match those of others.
async fn pods(
    client: &Client,
    workload: &WorkloadRef,
    uid: &str,
    selector: &LabelSelector,
) -> Result<Vec<LivePod>, MitigationError> {
    let Ok(selector) = Selector::try_from(selector.clone()) else { return Ok(vec![]) };
    let scope = ListParams::default().labels_from(&selector).limit(MAX_LISTED);
    let mut owners = BTreeSet::from([uid.to_owned()]);
    if workload.kind == WorkloadKind::Deployment {
        let sets =
            within(Api::<ReplicaSet>::namespaced(client.clone(), &workload.namespace).list(&scope)).await?;
        let ours = sets.items.into_iter().filter(|set| is_controlled_by(&set.metadata, uid));
        owners.extend(ours.filter_map(|set| set.metadata.uid));
    }
    let pods = within(Api::<Pod>::namespaced(client.clone(), &workload.namespace).list(&scope)).await?;
    let ours = pods.items.into_iter().filter(|pod| {
        controller(pod.metadata.owner_references.as_deref()).is_some_and(|owner| owners.contains(&owner.uid))
    });
    Ok(ours.filter_map(live_pod).collect())
}

fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta.owner_references.as_deref()).is_some_and(|owner| owner.uid == uid)
}

/// `None`: it has ended.
fn live_pod(pod: Pod) -> Option<LivePod> {
    let status = pod.status.unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let running = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let digests = running.filter_map(|container| match ImageIdentity::from_image_id(&container.image_id) {
        ImageIdentity::Pullable { digest, .. } => Some(digest),
        ImageIdentity::Imported { config_digest } => Some(config_digest),
        ImageIdentity::Pending => None,
    });
    let annotations = pod.metadata.annotations.unwrap_or_default();
    Some(LivePod {
        digests: digests.collect(),
        name: pod.metadata.name.unwrap_or_default(),
        uid: pod.metadata.uid.unwrap_or_default(),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        mirror: annotations.contains_key(MIRROR),
    })
}

/// Only written down for people: an answer that cannot be had is none.
async fn autoscaler(client: &Client, workload: &WorkloadRef) -> Option<HorizontalPodAutoscaler> {
    if !matches!(workload.kind, WorkloadKind::Deployment | WorkloadKind::StatefulSet) {
        return None;
    }
    let api = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), &workload.namespace);
    let all = within(api.list(&ListParams::default().limit(MAX_LISTED))).await.ok()?;
    all.items.into_iter().find(|autoscaler| {
        autoscaler.spec.as_ref().is_some_and(|spec| {
            spec.scale_target_ref.kind == workload.kind.as_str()
                && spec.scale_target_ref.name == workload.name
        })
    })
}
