//! From one Kubernetes object to its row.

use std::collections::BTreeMap;

use breakwater_core::{
    mitigation::NamespaceFacts,
    workload::{WorkloadKind, WorkloadRef},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    cluster::{Controller, Marks, NamespaceRow, NodeRow, Owner, PodRow, PodState},
    images::{self, ContainerImage, TemplateFacts},
    objects::{JobObject, NamespaceObject, NodeObject, PodObject, PodSpec, is_kept},
    shared::Shared,
};

/// What rows have in common, kept once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    names: Shared<str>,
    templates: Shared<TemplateFacts>,
    images: Shared<[ContainerImage]>,
    marks: Shared<BTreeMap<String, String>>,
}

impl Pool {
    fn marks(&mut self, marks: Option<BTreeMap<String, String>>) -> Marks {
        self.marks.share(marks.unwrap_or_default())
    }
}

/// Kinds that are watched, with the group that ships them: another group's `Deployment` is a stranger.
const WATCHED: [(WorkloadKind, &str); 6] = [
    (WorkloadKind::Deployment, "apps/"),
    (WorkloadKind::ReplicaSet, "apps/"),
    (WorkloadKind::StatefulSet, "apps/"),
    (WorkloadKind::DaemonSet, "apps/"),
    (WorkloadKind::Job, "batch/"),
    (WorkloadKind::CronJob, "batch/"),
];

pub(super) fn controller(metadata: &ObjectMeta) -> Option<Controller> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Controller {
        kind: WATCHED
            .iter()
            .find(|(kind, group)| owner.kind == kind.as_str() && owner.api_version.starts_with(group))
            .map(|(kind, _)| *kind),
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
    let template = pool.templates.share(TemplateFacts::of(&pod.spec));
    let images = pool.images.share(images::running(&template, &pod.status));
    let row = PodRow {
        namespace: pool.names.share(metadata.namespace?),
        name: metadata.name?.into(),
        controller,
        labels: pool.marks(metadata.labels),
        annotations: pool.marks(metadata.annotations),
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
        labels: pool.marks(metadata.labels),
        annotations: pool.marks(Some(annotations)),
        finished: false,
        replicas,
        template: template.map(|spec| pool.templates.share(TemplateFacts::of(spec))),
    };
    Some((metadata.uid?, row))
}

/// A Job; it is finished once its controller has said so.
pub(super) fn job(object: JobObject, pool: &mut Pool) -> Option<(String, Owner)> {
    let ended = |kind: &str| matches!(kind, "Complete" | "Failed");
    let finished = object.status.conditions.iter().flatten().any(|c| ended(&c.kind) && c.status == "True");
    let (uid, row) = owner(WorkloadKind::Job, object.metadata, None, Some(&object.spec.template.spec), pool)?;
    Some((uid, Owner { finished, ..row }))
}

/// A ReplicaSet, of which only the metadata is read.
pub(super) fn replica_set(metadata: ObjectMeta, pool: &mut Pool) -> Option<(String, Owner)> {
    owner(WorkloadKind::ReplicaSet, metadata, None, None, pool)
}

pub(super) fn namespace(object: NamespaceObject) -> Option<(String, NamespaceRow)> {
    let metadata = object.metadata;
    Some((
        metadata.uid?,
        NamespaceRow {
            name: metadata.name?.into(),
            paused: NamespaceFacts::is_paused(metadata.annotations.as_ref()),
            labels: metadata.labels.unwrap_or_default(),
        },
    ))
}

pub(super) fn node(object: NodeObject, pool: &mut Pool) -> Option<(String, NodeRow)> {
    let info = object.status.node_info;
    // A node that has not said what it is runs nothing yet.
    let platform = format!("{}/{}", info.operating_system, info.architecture).parse().ok()?;
    Some((object.metadata.uid?, NodeRow { name: pool.names.share(object.metadata.name?), platform }))
}
