//! What the watches have told so far, pruned, and how it becomes workloads.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{Hash, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use breakwater_core::{
    Platform,
    workload::{Container, ContainerKind, RunningImage, Workload, WorkloadKind, WorkloadRef},
};

use super::{
    images::{ContainerImage, TemplateFacts},
    table::Table,
};

/// Labels or annotations; objects with equal ones share them.
pub(super) type Marks = Arc<BTreeMap<String, String>>;

/// The controller of an object, as its ownerReferences claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    /// A kind that is watched; absent for every other, of which only the name is of interest.
    pub(super) kind: Option<WorkloadKind>,
    pub(super) uid: Box<str>,
    /// `Kind/name`.
    pub(super) title: Box<str>,
}

/// An object that owns pods, directly or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) id: WorkloadRef,
    pub(super) controller: Option<Controller>,
    pub(super) labels: Marks,
    pub(super) annotations: Marks,
    /// Whether it is a Job that has completed or failed.
    pub(super) finished: bool,
    pub(super) replicas: Option<i32>,
    /// Unknown for ReplicaSets: only their metadata is watched.
    pub(super) template: Option<Arc<TemplateFacts>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodRow {
    pub(super) namespace: Arc<str>,
    pub(super) name: Box<str>,
    pub(super) controller: Option<Controller>,
    /// Kept for every pod: one whose owner does not exist is judged as itself.
    pub(super) labels: Marks,
    pub(super) annotations: Marks,
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
    /// Objects whose claimed owner is not there, with the time when that was first seen.
    orphans: HashMap<Box<str>, Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamespaceRow {
    pub(super) name: Box<str>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) paused: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub(super) name: Arc<str>,
    pub(super) platform: Platform,
}

/// How long an object is held back whose claimed owner is not there: the watch of the owner's kind may lag behind, and the garbage
/// collector may be about to delete the object. Afterwards it is judged as itself.
pub(super) const ORPHAN_WAIT: Duration = Duration::from_secs(10);

/// Reports whether Kubernetes has objects of kind `child` made by those of kind `owner`. It never leads in a circle: no chain is longer than three.
fn makes(owner: WorkloadKind, child: WorkloadKind) -> bool {
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet};
    match child {
        Pod => matches!(owner, ReplicaSet | StatefulSet | DaemonSet | Job),
        ReplicaSet => owner == Deployment,
        Job => owner == CronJob,
        Deployment | StatefulSet | DaemonSet | CronJob => false,
    }
}

/// What stands directly above an object.
enum Above<'a> {
    /// Nothing that counts: the object is a workload itself.
    Nothing,
    /// An owner that exists, has the claimed UID and is of a kind that makes such objects.
    Owner(&'a str, &'a Owner),
    /// The claimed owner could make it, and is not there.
    Missing,
}

/// What stands on top of an object.
enum Top<'a> {
    /// An owner that is watched, by UID.
    Owner(&'a str),
    Itself,
    /// It is held back: see [`ORPHAN_WAIT`].
    HeldBack,
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

    /// The owner with this UID. The table of the claimed kind is asked first; an object of another kind shows that the claim is wrong.
    fn owner(&self, kind: WorkloadKind, uid: &str) -> Option<(&str, &Owner)> {
        let of_kind = match kind {
            WorkloadKind::Deployment => Some(&self.deployments),
            WorkloadKind::ReplicaSet => Some(&self.replica_sets),
            WorkloadKind::StatefulSet => Some(&self.stateful_sets),
            WorkloadKind::DaemonSet => Some(&self.daemon_sets),
            WorkloadKind::Job => Some(&self.jobs),
            WorkloadKind::CronJob => Some(&self.cron_jobs),
            WorkloadKind::Pod => None,
        };
        let found = of_kind.and_then(|table| table.entry(uid));
        found.or_else(|| self.owners().into_iter().find_map(|table| table.entry(uid)))
    }

    fn above(&self, kind: WorkloadKind, namespace: &str, controller: Option<&Controller>) -> Above<'_> {
        let claimed = controller.and_then(|controller| Some((controller, controller.kind?)));
        let Some((controller, owner_kind)) = claimed.filter(|(_, owner)| makes(*owner, kind)) else {
            return Above::Nothing;
        };
        match self.owner(owner_kind, &controller.uid) {
            Some((uid, owner)) if owner.id.kind == owner_kind && owner.id.namespace == namespace => {
                Above::Owner(uid, owner)
            }
            Some(_) => Above::Nothing,
            None => Above::Missing,
        }
    }

    fn top(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        uid: &str,
        controller: Option<&Controller>,
        now: Instant,
    ) -> Top<'_> {
        match self.above(kind, namespace, controller) {
            Above::Missing if self.is_held_back(uid, now) => Top::HeldBack,
            Above::Nothing | Above::Missing => Top::Itself,
            Above::Owner(above, owner) => {
                match self.top(owner.id.kind, namespace, above, owner.controller.as_ref(), now) {
                    Top::Itself => Top::Owner(above),
                    top => top,
                }
            }
        }
    }

    fn is_held_back(&self, uid: &str, now: Instant) -> bool {
        self.orphans.get(uid).is_none_or(|since| now.saturating_duration_since(*since) < ORPHAN_WAIT)
    }

    /// Notes whose claimed owner is not there. Returns whether one of them is held back at `now`: then ask again after [`ORPHAN_WAIT`].
    pub(super) fn note_orphans(&mut self, now: Instant) -> bool {
        let pods = self
            .pods
            .iter()
            .map(|(uid, pod)| (uid, self.above(WorkloadKind::Pod, &pod.namespace, pod.controller.as_ref())));
        let owners = self.owners().into_iter().flat_map(Table::iter).map(|(uid, owner)| {
            (uid, self.above(owner.id.kind, &owner.id.namespace, owner.controller.as_ref()))
        });
        let missing = pods.chain(owners).filter(|(_, above)| matches!(above, Above::Missing));
        let orphans: HashMap<Box<str>, Instant> =
            missing.map(|(uid, _)| (uid.into(), self.orphans.get(uid).copied().unwrap_or(now))).collect();
        self.orphans = orphans;
        self.orphans.keys().any(|uid| self.is_held_back(uid, now))
    }

    /// Every workload, from top owners and bare pods, as of `now` on the clock of [`Self::note_orphans`]. What is in `before` and made of
    /// the same rows is taken over: a change of one pod costs the assembly of its own workload.
    pub(super) fn workloads(&self, before: &Assembled, now: Instant) -> Assembled {
        let namespaces: HashMap<&str, (&NamespaceRow, u64)> = self
            .namespaces
            .revised()
            .map(|(_, row, revision)| (row.name.as_ref(), (row, revision)))
            .collect();
        let platforms: HashMap<&str, &Platform> =
            self.nodes.iter().map(|(_, row)| (row.name.as_ref(), &row.platform)).collect();
        let mut pods_of: HashMap<&str, (Vec<&PodRow>, u64)> = HashMap::new();
        let mut assembled = HashMap::new();
        let mut add = |uid: &str, owner: &Owner, pods: &[&PodRow], rows: u64| {
            let namespace = namespaces.get(owner.id.namespace.as_str());
            let revisions = [namespace.map_or(0, |(_, revision)| *revision), self.nodes.revision()];
            let made_of = rows.wrapping_add(fingerprint(&revisions));
            let known = before.get(uid).filter(|known| known.made_of == made_of);
            let one = known.cloned().unwrap_or_else(|| {
                let workload = assemble(uid, owner, pods, namespace.map(|(row, _)| *row), &platforms);
                One { made_of, workload: Arc::new(workload) }
            });
            assembled.insert(Box::from(uid), one);
        };
        for (uid, pod, revision) in self.pods.revised() {
            let row = fingerprint(&[revision]);
            match self.top(WorkloadKind::Pod, &pod.namespace, uid, pod.controller.as_ref(), now) {
                Top::Owner(uid) => {
                    let (pods, rows) = pods_of.entry(uid).or_default();
                    pods.push(pod);
                    *rows = rows.wrapping_add(row);
                }
                // What terminates without an owner is being collected.
                Top::Itself if pod.state == PodState::Terminating && self.orphans.contains_key(uid) => {}
                Top::Itself => add(uid, &pod.as_owner(), &[pod], row),
                Top::HeldBack => {}
            }
        }
        for (uid, owner, revision) in self.owners().into_iter().flat_map(Table::revised) {
            let top = self.top(owner.id.kind, &owner.id.namespace, uid, owner.controller.as_ref(), now);
            if !matches!(top, Top::Itself) {
                continue;
            }
            let (pods, rows) = pods_of.remove(uid).unwrap_or_default();
            // Of a ReplicaSet without pods nothing is known.
            if owner.template.is_some() || !pods.is_empty() {
                add(uid, owner, &pods, rows.wrapping_add(fingerprint(&[0, revision])));
            }
        }
        assembled
    }
}

/// Workloads by the UID of their top owner.
pub(super) type Assembled = HashMap<Box<str>, One>;

/// A workload and a fingerprint of the rows that it was made of.
#[derive(Debug, Clone)]
pub(super) struct One {
    made_of: u64,
    pub(super) workload: Arc<Workload>,
}

/// Returns a number that is another for other revisions; the sum of several does not depend on their order.
fn fingerprint(revisions: &[u64]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    revisions.hash(&mut hasher);
    hasher.finish()
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
            labels: Arc::clone(&self.labels),
            annotations: Arc::clone(&self.annotations),
            finished: false,
            replicas: None,
            template: Some(Arc::clone(&self.template)),
        }
    }
}

fn assemble(
    uid: &str,
    owner: &Owner,
    pods: &[&PodRow],
    namespace: Option<&NamespaceRow>,
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
    // A ReplicaSet's template is read from the first of its pods by name, so that it is the same at each look.
    let first = || pods.iter().copied().min_by(|a, b| a.name.cmp(&b.name)).map(|pod| &pod.template);
    let template = owner.template.as_ref().or_else(first).map(|template| (**template).clone());
    let mut template = template.unwrap_or_default();
    // No template has ephemeral containers: they are those of a pod.
    template.containers.retain(|container| container.kind != ContainerKind::Ephemeral);
    let injected = injected(&template, telling);
    Workload {
        id: owner.id.clone(),
        uid: uid.to_owned(),
        labels: (*owner.labels).clone(),
        annotations: (*owner.annotations).clone(),
        namespace_labels: namespace.map(|row| row.labels.clone()).unwrap_or_default(),
        namespace_paused: namespace.is_some_and(|row| row.paused),
        replicas: owner.replicas,
        running_pods: i32::try_from(alive.count()).unwrap_or(i32::MAX),
        injected,
        finished: owner.finished,
        // It is a workload, so no owner of a built-in kind counts; a foreign one cannot be looked up and stays a claim.
        controlled_by: owner
            .controller
            .as_ref()
            .filter(|controller| controller.kind.is_none())
            .map(|controller| controller.title.to_string()),
        containers: template.containers,
        pull_secrets: template.pull_secrets,
        running: running.into_iter().collect(),
    }
}

/// Containers that pods have and the template lacks, by kind and name: attached debuggers, side-cars that a webhook added, those of an
/// earlier revision. As many as the pods have; sorted, each once.
fn injected<'a>(template: &TemplateFacts, pods: impl Iterator<Item = &'a &'a PodRow>) -> Vec<Container> {
    let is_known = |container: &Container| {
        template.containers.iter().any(|known| known.kind == container.kind && known.name == container.name)
    };
    let of_pods = pods.flat_map(|pod| &pod.template.containers);
    let injected: BTreeSet<&Container> = of_pods.filter(|container| !is_known(container)).collect();
    injected.into_iter().cloned().collect()
}
