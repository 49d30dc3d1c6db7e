//! The ImagePolicies of the cluster, each validated and compiled once, on every replica.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use breakwater_core::{
    policy::{Judge, NamespaceScope, Policy},
    workload::Workload,
};
use breakwater_crds::{ImagePolicy, ImagePolicyStatus, imagepolicy::AuditMode};
use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use tokio::sync::watch;

use crate::{
    changes::{Changes, Subscription},
    context::Context,
    kube::runner::WATCH_TIMEOUT,
};

/// Objects read per page of the list.
const PAGE: u32 = 500;

/// Every ImagePolicy, by UID. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PolicyStore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: ArcSwap<PolicySet>,
    changes: Changes<String>,
    listed: watch::Sender<bool>,
}

/// One ImagePolicy.
#[derive(Debug)]
pub struct StoredPolicy {
    /// The object without managed fields; of its status only the handled request is kept.
    pub object: ImagePolicy,
    /// `None`: the spec is not valid. It exists all the same.
    pub judge: Option<Arc<Judge>>,
}

impl StoredPolicy {
    #[must_use]
    pub fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The policy as it was validated.
    #[must_use]
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        self.judge.as_ref().map(|judge| judge.policy())
    }

    /// Returns the prepared policy, if running workloads are judged by it.
    #[must_use]
    pub fn audits(&self) -> Option<&Arc<Judge>> {
        self.judge.as_ref().filter(|_| self.object.spec.enforcement.audit != AuditMode::Off)
    }
}

/// The policies at one moment, arranged by the namespaces that they may select.
#[derive(Debug, Default)]
pub struct PolicySet {
    by_uid: BTreeMap<String, Arc<StoredPolicy>>,
    /// Policies of their own namespace only.
    own: HashMap<String, Vec<Arc<StoredPolicy>>>,
    /// Policies that select namespaces by label.
    labelled: Vec<Arc<StoredPolicy>>,
}

impl PolicySet {
    fn new(by_uid: BTreeMap<String, Arc<StoredPolicy>>) -> Self {
        let (mut own, mut labelled) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for stored in by_uid.values() {
            let Some(policy) = stored.policy() else { continue };
            match policy.selector.namespaces {
                NamespaceScope::Own => {
                    own.entry(policy.id.namespace.clone()).or_default().push(Arc::clone(stored));
                }
                NamespaceScope::Labelled(_) => labelled.push(Arc::clone(stored)),
            }
        }
        Self { by_uid, own, labelled }
    }

    /// The set of these objects.
    #[cfg(test)]
    pub(crate) fn of(objects: impl IntoIterator<Item = ImagePolicy>, own_namespace: &str) -> Self {
        let none = Self::default();
        Self::new(objects.into_iter().map(|object| take_in(&none, object, own_namespace)).collect())
    }

    #[must_use]
    pub fn get(&self, uid: &str) -> Option<&Arc<StoredPolicy>> {
        self.by_uid.get(uid)
    }

    /// Every policy, valid or not, by UID.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Arc<StoredPolicy>)> {
        self.by_uid.iter().map(|(uid, stored)| (uid.as_str(), stored))
    }

    /// Returns the valid policies that speak about a namespace with these labels.
    pub fn of_namespace<'a>(
        &'a self,
        namespace: &str,
        labels: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Arc<StoredPolicy>> {
        let labelled = self.labelled.iter().filter(move |stored| {
            stored.policy().is_some_and(|policy| match &policy.selector.namespaces {
                NamespaceScope::Own => false,
                NamespaceScope::Labelled(selector) => selector.matches(labels),
            })
        });
        self.own.get(namespace).into_iter().flatten().chain(labelled)
    }

    /// Returns the valid policies that select this workload.
    pub fn selecting<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Arc<StoredPolicy>> {
        self.of_namespace(&workload.id.namespace, &workload.namespace_labels).filter(|stored| {
            stored.policy().is_some_and(|policy| policy.selector.workloads.matches(&workload.labels))
        })
    }
}

impl PolicyStore {
    /// Starts the watch. It lives as long as the process does.
    #[must_use]
    pub fn start(context: &Context) -> Self {
        let store = Self::default();
        context.background.spawn("watch of ImagePolicies", follow(context.clone(), store.clone()));
        store
    }

    /// The policies as the watch last reported them.
    #[must_use]
    pub fn set(&self) -> Arc<PolicySet> {
        self.0.set.load_full()
    }

    /// Yields the UIDs of policies that were created, deleted, or whose spec, labels or annotations changed.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<String> {
        self.0.changes.subscribe()
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.0.listed.borrow()
    }

    /// Returns once the first list is complete.
    pub async fn ready(&self) {
        let mut listed = self.0.listed.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = listed.wait_for(|listed| *listed).await;
    }

    /// Replaces the policies; publishes which changed.
    fn replace(&self, next: BTreeMap<String, Arc<StoredPolicy>>) {
        let before = self.set();
        let is_same = |uid: &String| match (before.by_uid.get(uid), next.get(uid)) {
            (Some(before), Some(next)) => Arc::ptr_eq(before, next),
            (before, next) => before.is_none() && next.is_none(),
        };
        let mut changed: Vec<String> =
            before.by_uid.keys().chain(next.keys()).filter(|uid| !is_same(uid)).cloned().collect();
        changed.dedup();
        if changed.is_empty() {
            return;
        }
        self.0.set.store(Arc::new(PolicySet::new(next)));
        self.0.changes.publish(&changed);
    }
}

/// The state of one watch: what it adds up to, and the list that is under way.
#[derive(Debug, Default)]
pub(super) struct Follower {
    relisting: Option<BTreeMap<String, Arc<StoredPolicy>>>,
}

impl Follower {
    /// Takes in one event. A policy is deleted when the watch reports it, or when a complete list lacks its UID.
    pub(super) fn follow(&mut self, store: &PolicyStore, own_namespace: &str, event: Event<ImagePolicy>) {
        let set = store.set();
        match event {
            Event::Init => self.relisting = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                let (uid, stored) = take_in(&set, object, own_namespace);
                self.relisting.get_or_insert_default().insert(uid, stored);
            }
            Event::InitDone => {
                store.replace(self.relisting.take().unwrap_or_default());
                store.0.listed.send_replace(true);
            }
            Event::Apply(object) => {
                let (uid, stored) = take_in(&set, object, own_namespace);
                let mut next = set.by_uid.clone();
                next.insert(uid, stored);
                store.replace(next);
            }
            Event::Delete(object) => {
                let mut next = set.by_uid.clone();
                next.remove(object.metadata.uid.as_deref().unwrap_or_default());
                store.replace(next);
            }
        }
    }
}

/// Validates and compiles an object, unless it is known and only its status changed.
fn take_in(set: &PolicySet, mut object: ImagePolicy, own_namespace: &str) -> (String, Arc<StoredPolicy>) {
    let uid = object.uid().unwrap_or_default();
    if let Some(known) = set.get(&uid) {
        let of = |object: &ImagePolicy| {
            let metadata = &object.metadata;
            (metadata.generation, metadata.labels.clone(), metadata.annotations.clone())
        };
        if of(&known.object) == of(&object) && known.object.spec == object.spec {
            return (uid, Arc::clone(known));
        }
    }
    object.metadata.managed_fields = None;
    object.status = object.status.map(|status| ImagePolicyStatus {
        last_handled_request_at: status.last_handled_request_at,
        ..ImagePolicyStatus::default()
    });
    let judge = object.validate(own_namespace).ok().map(|policy| Arc::new(Judge::new(Arc::new(policy))));
    (uid, Arc::new(StoredPolicy { object, judge }))
}

async fn follow(context: Context, store: PolicyStore) {
    let config = watcher::Config::default().page_size(PAGE).timeout(WATCH_TIMEOUT);
    let events = watcher(Api::<ImagePolicy>::all(context.client.clone()), config).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut follower = Follower::default();
    while let Some(event) = events.next().await {
        context.metrics.watched("ImagePolicy facts", context.clock.monotonic());
        match event {
            Ok(event) => follower.follow(&store, &context.namespace, event),
            Err(error) => tracing::warn!(%error, "the watch of ImagePolicies failed and is tried again"),
        }
    }
}
