//! Runs one controller: bounded concurrency, per-object back-off, metrics, spans, failure Events. Reconcilers do none of this themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use breakwater_core::printable;
use futures::StreamExt as _;
use kube::{
    Api, Resource,
    core::NamespaceResourceScope,
    runtime::{
        Config, Controller, Predicate as _, PredicateConfig, WatchStreamExt as _,
        controller::{self, Action},
        predicates, reflector, watcher,
    },
};
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use super::events::{Events, Kind};
use crate::context::Context;

/// Watches are renewed this often, in seconds: load balancers drop what idles for four minutes, silently.
pub const WATCH_TIMEOUT: u32 = 200;
/// The first and the longest wait after failures that may pass by themselves.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The user must act: reconciled again when the object changes.
    Stalled,
    /// Something named is awaited: looked at again after so long at the latest.
    Waiting(Duration),
    /// May pass by itself: tried again with a growing delay, per object.
    Transient,
}

/// Errors of reconcilers. The reason is what users see: in Events, conditions and metrics.
pub trait Classified: std::error::Error + Send + Sync + 'static {
    fn class(&self) -> ErrorClass;
    /// The variant's name in CamelCase.
    fn reason(&self) -> &'static str;
}

/// A stream of events ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the {watch} watch ended")]
pub struct WatchEnded {
    pub watch: &'static str,
}

/// A controller of `K` before it runs.
#[allow(missing_debug_implementations, reason = "kube's Controller has none")]
pub struct Runner<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + 'static,
{
    name: &'static str,
    context: Context,
    events: Events,
    concurrency: u16,
    controller: Controller<K>,
    troubles: Troubles,
}

impl<K> Runner<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    /// A controller of every `K` in the cluster, woken by changes of spec, annotations, labels and finalizers, not by its own status writes.
    /// `name` is its label in metrics and spans; at most `concurrency` objects are worked on at a time, each by one reconcile only.
    #[must_use]
    pub fn new(context: &Context, events: &Events, name: &'static str, concurrency: u16) -> Self {
        let (reader, writer) = reflector::store();
        let troubles = Troubles::default();
        let woken = predicates::generation
            .combine(predicates::finalizers)
            .combine(predicates::annotations)
            .combine(predicates::labels);
        let (metrics, clock, gone) = (context.metrics.clone(), context.clock, troubles.clone());
        let stream =
            watcher(Api::<K>::all(context.client.clone()), watcher::Config::default().timeout(WATCH_TIMEOUT))
                .inspect(move |event| {
                    metrics.watched(name, clock.monotonic());
                    if let Ok(watcher::Event::Delete(object)) = event {
                        gone.forget(object.meta().uid.as_deref());
                    }
                })
                .reflect(writer)
                .applied_objects()
                .predicate_filter(woken, PredicateConfig::default());
        Self {
            name,
            context: context.clone(),
            events: events.clone(),
            concurrency: concurrency.max(1),
            controller: Controller::for_stream(stream, reader),
            troubles,
        }
    }

    /// The objects as the watch last told, for [`Runner::waking`] closures.
    #[must_use]
    pub fn store(&self) -> reflector::Store<K> {
        self.controller.store()
    }

    /// Adds what else wakes objects: `owns`, `watches`, `reconcile_on`, `reconcile_all_on`.
    #[must_use]
    pub fn waking(mut self, add: impl FnOnce(Controller<K>) -> Controller<K>) -> Self {
        self.controller = add(self.controller);
        self
    }

    /// Reconciles until the process is asked to stop, then lets running reconciles finish.
    ///
    /// `reconcile` is level-triggered: it is not told why it runs. Its errors are logged, counted, classified and published as Events
    /// here, once per change of reason.
    ///
    /// # Errors
    /// [`WatchEnded`] if the work ran out without being asked to stop: the process must end then.
    pub async fn run<C, E, F, Fut>(self, shared: Arc<C>, reconcile: F) -> Result<(), WatchEnded>
    where
        C: Send + Sync + 'static,
        E: Classified,
        F: Fn(Arc<K>, Arc<C>) -> Fut,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
    {
        let Self { name, context, events, concurrency, controller, troubles } = self;
        let outcome = Outcome { name, context: context.clone(), events, troubles: troubles.clone() };
        let reconciler = move |object: Arc<K>, shared: Arc<C>| {
            let span = tracing::info_span!(
                "reconcile",
                controller = name,
                namespace = object.meta().namespace.as_deref().unwrap_or_default(),
                object = object.meta().name.as_deref().unwrap_or_default(),
            );
            let work = reconcile(object.clone(), shared);
            let outcome = outcome.clone();
            async move {
                let result = work.await;
                outcome.report(object.as_ref(), result.as_ref().err()).await;
                result
            }
            .instrument(span)
        };
        let policy = move |object: Arc<K>, error: &E, _: Arc<C>| match error.class() {
            ErrorClass::Stalled => Action::await_change(),
            ErrorClass::Waiting(delay) => Action::requeue(delay),
            ErrorClass::Transient => Action::requeue(troubles.delay(object.meta().uid.as_deref())),
        };
        controller
            .with_config(Config::default().concurrency(concurrency))
            .graceful_shutdown_on(context.stop.clone().cancelled_owned())
            .run(reconciler, policy, shared)
            .for_each(|outcome| async move {
                if let Err(controller::Error::QueueError(error)) = outcome {
                    tracing::warn!(controller = name, %error, "the watch failed and is tried again");
                }
            })
            .await;
        if context.stop.is_cancelled() { Ok(()) } else { Err(WatchEnded { watch: name }) }
    }
}

#[derive(Clone)]
struct Outcome {
    name: &'static str,
    context: Context,
    events: Events,
    troubles: Troubles,
}

impl Outcome {
    async fn report<K: Resource<DynamicType = ()>>(&self, object: &K, error: Option<&impl Classified>) {
        let uid = object.meta().uid.as_deref();
        let Some(error) = error else {
            self.context.metrics.reconciled(self.name, "Succeeded");
            self.troubles.forget(uid);
            return;
        };
        let reason = error.reason();
        let text = printable::line(&chain(error), 1000);
        self.context.metrics.reconciled(self.name, reason);
        let news = self.troubles.add(uid, reason);
        match error.class() {
            ErrorClass::Waiting(_) => tracing::debug!(reason, error = text, "waiting"),
            ErrorClass::Transient if !news => tracing::info!(reason, error = text, "failed again"),
            ErrorClass::Stalled | ErrorClass::Transient => {
                tracing::warn!(reason, error = text, "failed");
                if news {
                    self.events
                        .tell(&object.object_ref(&()), Kind::Warning, reason, "Reconcile", &text)
                        .await;
                }
            }
        }
    }
}

/// The error and what caused it, each cause once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Objects in trouble, by UID: one entry per object that exists and failed last time.
#[derive(Debug, Clone, Default)]
struct Troubles(Arc<Mutex<HashMap<String, Trouble>>>);

#[derive(Debug)]
struct Trouble {
    reason: &'static str,
    failures: u32,
}

impl Troubles {
    /// Whether `reason` is news for this object.
    fn add(&self, uid: Option<&str>, reason: &'static str) -> bool {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble =
            troubles.entry(uid.unwrap_or_default().to_owned()).or_insert(Trouble { reason: "", failures: 0 });
        let news = trouble.reason != reason;
        trouble.reason = reason;
        trouble.failures = trouble.failures.saturating_add(1);
        news
    }

    fn forget(&self, uid: Option<&str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid.unwrap_or_default());
    }

    fn delay(&self, uid: Option<&str>) -> Duration {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        backoff(troubles.get(uid.unwrap_or_default()).map_or(1, |trouble| trouble.failures))
    }
}

/// 1 s, 2 s, 4 s, … 5 min after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_minutes() {
        let delays: Vec<u64> =
            [1, 2, 3, 9, 10, 4_000_000_000].map(|failures| backoff(failures).as_secs()).into();
        assert_eq!(delays, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn success_and_deletion_end_the_trouble() {
        let troubles = Troubles::default();
        assert!(troubles.add(Some("u"), "Unreachable"));
        assert!(!troubles.add(Some("u"), "Unreachable"));
        assert_eq!(troubles.delay(Some("u")), Duration::from_secs(2));
        assert!(troubles.add(Some("u"), "Refused"));
        troubles.forget(Some("u"));
        assert_eq!(troubles.delay(Some("u")), Duration::from_secs(1));
        assert!(troubles.0.lock().unwrap().is_empty());
    }
}
