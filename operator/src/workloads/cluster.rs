//! What the watches have told so far, pruned, and how it becomes workloads.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use breakwater_core::{
    Platform,
    workload::{RunningImage, Workload, WorkloadKind, WorkloadRef},
};

use super::{
    images::{ContainerImage, TemplateFacts},
    table::Table,
};

/// The controller of an object, from its ownerReferences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    /// One that Kubernetes itself ships and we watch; else only its name is of interest.
    pub(super) built_in: bool,
    pub(super) uid: Box<str>,
    /// `Kind/name`.
    pub(super) title: Box<str>,
}

/// An object that owns pods, directly or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) id: WorkloadRef,
    pub(super) controller: Option<Controller>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) replicas: Option<i32>,
    /// Unknown for ReplicaSets: only their metadata is watched.
    pub(super) template: Option<Arc<TemplateFacts>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodRow {
    pub(super) namespace: Arc<str>,
    pub(super) name: Box<str>,
    pub(super) controller: Option<Controller>,
    /// Kept only where the pod may be a workload of its own.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) node: Option<Arc<str>>,
    pub(super) template: Arc<TemplateFacts>,
    pub(super) images: Arc<[ContainerImage]>,
    pub(super) state: PodState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodState {
    Alive,
    /// Succeeded or failed: it runs nothing, but for Jobs it tells what ran.
    Finished,
    Terminating,
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) pods: Table<PodRow>,
    pub(super) deployments: Table<Owner>,
    pub(super) replica_sets: Table<Owner>,
    pub(super) stateful_sets: Table<Owner>,
    pub(super) daemon_sets: Table<Owner>,
    pub(super) jobs: Table<Owner>,
    pub(super) cron_jobs: Table<Owner>,
    pub(super) namespaces: Table<NamespaceRow>,
    pub(super) nodes: Table<NodeRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamespaceRow {
    pub(super) name: Box<str>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub(super) name: Arc<str>,
    pub(super) platform: Platform,
}

/// Deployment, ReplicaSet, pod are three; a custom chain of built-ins is cut here.
const MAX_OWNERS: usize = 4;

/// Who stands on top of an object.
enum Top<'a> {
    /// An owner that is watched, by UID.
    Owner(&'a str),
    /// Nothing, or something we do not watch, stands above the object itself.
    Itself,
    /// Its owner is not there (any more, or yet): the garbage collector, or the next watch event, decides.
    Nowhere,
}

impl Cluster {
    pub(super) fn is_listed(&self) -> bool {
        let owners = self.owners().into_iter().all(Table::is_listed);
        owners && self.pods.is_listed() && self.namespaces.is_listed() && self.nodes.is_listed()
    }

    /// Platforms of the nodes, each once, sorted.
    pub(super) fn platforms(&self) -> Vec<Platform> {
        self.nodes
            .iter()
            .map(|(_, node)| node.platform.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    fn owners(&self) -> [&Table<Owner>; 6] {
        [
            &self.deployments,
            &self.replica_sets,
            &self.stateful_sets,
            &self.daemon_sets,
            &self.jobs,
            &self.cron_jobs,
        ]
    }

    fn owner(&self, uid: &str) -> Option<(&str, &Owner)> {
        self.owners().into_iter().find_map(|table| table.entry(uid))
    }

    fn top<'a>(&'a self, controller: Option<&'a Controller>) -> Top<'a> {
        let mut top = Top::Itself;
        let mut above = controller;
        for _ in 0..MAX_OWNERS {
            let Some(controller) = above.filter(|controller| controller.built_in) else { return top };
            let Some((uid, owner)) = self.owner(&controller.uid) else { return Top::Nowhere };
            top = Top::Owner(uid);
            above = owner.controller.as_ref();
        }
        Top::Nowhere
    }

    /// Every workload, from top owners and bare pods.
    pub(super) fn workloads(&self) -> BTreeMap<WorkloadRef, Workload> {
        let namespaces: HashMap<&str, &BTreeMap<String, String>> =
            self.namespaces.iter().map(|(_, row)| (row.name.as_ref(), &row.labels)).collect();
        let platforms: HashMap<&str, &Platform> =
            self.nodes.iter().map(|(_, row)| (row.name.as_ref(), &row.platform)).collect();
        let mut pods_of: HashMap<&str, Vec<&PodRow>> = HashMap::new();
        let mut workloads = BTreeMap::new();
        let mut add = |uid: &str, owner: &Owner, pods: &[&PodRow]| {
            let workload = assemble(uid, owner, pods, &namespaces, &platforms);
            workloads.insert(workload.id.clone(), workload);
        };
        for (uid, pod) in self.pods.iter() {
            match self.top(pod.controller.as_ref()) {
                Top::Owner(uid) => pods_of.entry(uid).or_default().push(pod),
                Top::Itself => add(uid, &pod.as_owner(), &[pod]),
                Top::Nowhere => {}
            }
        }
        for (uid, owner) in self.owners().into_iter().flat_map(Table::iter) {
            if !matches!(self.top(owner.controller.as_ref()), Top::Itself) {
                continue;
            }
            let pods = pods_of.get(uid).map(Vec::as_slice).unwrap_or_default();
            // Of a ReplicaSet without pods nothing is known.
            if owner.template.is_some() || !pods.is_empty() {
                add(uid, owner, pods);
            }
        }
        workloads
    }
}

impl PodRow {
    fn as_owner(&self) -> Owner {
        Owner {
            id: WorkloadRef {
                kind: WorkloadKind::Pod,
                namespace: self.namespace.to_string(),
                name: self.name.to_string(),
            },
            controller: self.controller.clone(),
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            replicas: None,
            template: Some(Arc::clone(&self.template)),
        }
    }
}

fn assemble(
    uid: &str,
    owner: &Owner,
    pods: &[&PodRow],
    namespaces: &HashMap<&str, &BTreeMap<String, String>>,
    platforms: &HashMap<&str, &Platform>,
) -> Workload {
    let of_a_job = matches!(owner.id.kind, WorkloadKind::Job | WorkloadKind::CronJob);
    let alive = pods.iter().filter(|pod| pod.state == PodState::Alive);
    // What a terminating pod still runs is on its way out; what a Job's pod ran is what the next one will run.
    let telling = pods
        .iter()
        .filter(|pod| pod.state == PodState::Alive || (of_a_job && pod.state == PodState::Finished));
    let mut running = BTreeSet::new();
    for pod in telling.clone() {
        let Some(platform) = pod.node.as_deref().and_then(|node| platforms.get(node)) else { continue };
        running.extend(pod.images.iter().map(|image| RunningImage {
            container: image.container.clone(),
            image: image.image.clone(),
            identity: image.identity.clone(),
            platform: (*platform).clone(),
        }));
    }
    let template = match &owner.template {
        Some(template) => with_ephemeral(template, telling),
        None => pods.first().map(|pod| (*pod.template).clone()).unwrap_or_default(),
    };
    Workload {
        id: owner.id.clone(),
        uid: uid.to_owned(),
        labels: owner.labels.clone(),
        annotations: owner.annotations.clone(),
        namespace_labels: namespaces
            .get(owner.id.namespace.as_str())
            .map(|labels| (*labels).clone())
            .unwrap_or_default(),
        replicas: owner.replicas,
        running_pods: i32::try_from(alive.count()).unwrap_or(i32::MAX),
        injected: vec![],
        finished: false,
        controlled_by: owner.controller.as_ref().map(|controller| controller.title.to_string()),
        containers: template.containers,
        pull_secrets: template.pull_secrets,
        running: running.into_iter().collect(),
    }
}

/// Containers that only pods have: debuggers that somebody attached, side-cars that a webhook added.
fn with_ephemeral<'a>(template: &TemplateFacts, pods: impl Iterator<Item = &'a &'a PodRow>) -> TemplateFacts {
    let mut template = template.clone();
    for pod in pods {
        for container in &pod.template.containers {
            let known = |c: &breakwater_core::workload::Container| {
                c.kind == container.kind && c.name == container.name
            };
            if !template.containers.iter().any(known) {
                template.containers.push(container.clone());
            }
        }
    }
    template
}
