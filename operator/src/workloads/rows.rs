//! From one Kubernetes object to its row.

use breakwater_core::workload::{WorkloadKind, WorkloadRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    cluster::{Controller, NamespaceRow, NodeRow, Owner, PodRow, PodState},
    images::{self, ContainerImage, TemplateFacts},
    objects::{NamespaceObject, NodeObject, PodObject, PodSpec, is_kept},
    shared::Shared,
};

/// What rows have in common, kept once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    names: Shared<str>,
    templates: Shared<TemplateFacts>,
    images: Shared<[ContainerImage]>,
}

/// Kinds we watch, with the group that ships them: another group's `Deployment` is a stranger.
const BUILT_IN: [(&str, &str); 6] = [
    ("Deployment", "apps/"),
    ("ReplicaSet", "apps/"),
    ("StatefulSet", "apps/"),
    ("DaemonSet", "apps/"),
    ("Job", "batch/"),
    ("CronJob", "batch/"),
];

pub(super) fn controller(metadata: &ObjectMeta) -> Option<Controller> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Controller {
        built_in: BUILT_IN
            .iter()
            .any(|(kind, group)| owner.kind == *kind && owner.api_version.starts_with(group)),
        uid: owner.uid.as_str().into(),
        title: format!("{}/{}", owner.kind, owner.name).into(),
    })
}

pub(super) fn pod(pod: PodObject, pool: &mut Pool) -> Option<(String, PodRow)> {
    let metadata = pod.metadata;
    let state = match pod.status.phase.as_deref() {
        _ if metadata.deletion_timestamp.is_some() => PodState::Terminating,
        Some("Succeeded" | "Failed") => PodState::Finished,
        _ => PodState::Alive,
    };
    let controller = controller(&metadata);
    let on_its_own = !controller.as_ref().is_some_and(|controller| controller.built_in);
    let template = pool.templates.share(TemplateFacts::of(&pod.spec));
    let images = pool.images.share(images::running(&template, &pod.status));
    let row = PodRow {
        namespace: pool.names.share(metadata.namespace?),
        name: metadata.name?.into(),
        controller,
        labels: metadata.labels.filter(|_| on_its_own).unwrap_or_default(),
        annotations: metadata.annotations.filter(|_| on_its_own).unwrap_or_default(),
        node: pod.spec.node_name.map(|node| pool.names.share(node)),
        template,
        images,
        state,
    };
    Some((metadata.uid?, row))
}

/// An owner with a template; `replicas` and `template` are absent where the kind has none or it is not read.
pub(super) fn owner(
    kind: WorkloadKind,
    metadata: ObjectMeta,
    replicas: Option<i32>,
    template: Option<&PodSpec>,
    pool: &mut Pool,
) -> Option<(String, Owner)> {
    let controller = controller(&metadata);
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.retain(|key, _| is_kept(key));
    let row = Owner {
        id: WorkloadRef { kind, namespace: metadata.namespace?, name: metadata.name? },
        controller,
        labels: metadata.labels.unwrap_or_default(),
        annotations,
        replicas,
        template: template.map(|spec| pool.templates.share(TemplateFacts::of(spec))),
    };
    Some((metadata.uid?, row))
}

/// A ReplicaSet, of which only the way up is of interest: labels and annotations are kept if it may be a workload itself.
pub(super) fn replica_set(mut metadata: ObjectMeta, pool: &mut Pool) -> Option<(String, Owner)> {
    if controller(&metadata).is_some_and(|controller| controller.built_in) {
        metadata.labels = None;
        metadata.annotations = None;
    }
    owner(WorkloadKind::ReplicaSet, metadata, None, None, pool)
}

pub(super) fn namespace(object: NamespaceObject) -> Option<(String, NamespaceRow)> {
    let metadata = object.metadata;
    Some((
        metadata.uid?,
        NamespaceRow { name: metadata.name?.into(), labels: metadata.labels.unwrap_or_default() },
    ))
}

pub(super) fn node(object: NodeObject, pool: &mut Pool) -> Option<(String, NodeRow)> {
    let info = object.status.node_info;
    // A node that has not said what it is runs nothing yet.
    let platform = format!("{}/{}", info.operating_system, info.architecture).parse().ok()?;
    Some((object.metadata.uid?, NodeRow { name: pool.names.share(object.metadata.name?), platform }))
}
