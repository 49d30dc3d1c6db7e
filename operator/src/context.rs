use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::Config,
    kube::{background::Background, metrics::Metrics},
};

/// What every room is given at start. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub client: kube::Client,
    pub clock: Clock,
    /// The last good configuration; reloaded while running.
    pub config: Arc<ArcSwap<Config>>,
    /// Counts up whenever `config` was replaced.
    pub config_changed: Arc<watch::Sender<u64>>,
    /// The namespace the operator lives in.
    pub namespace: Arc<str>,
    /// This replica, unique among all that ever ran: the pod's name.
    pub instance: Arc<str>,
    pub metrics: Metrics,
    /// Cancelled when the process is asked to end. Every loop selects on it and returns `Ok`.
    pub stop: CancellationToken,
    /// Starts tasks that live as long as the process.
    pub background: Background,
}

impl Context {
    /// Takes a configuration over and tells those who wait for one.
    pub fn set_config(&self, config: Config) {
        self.config.store(Arc::new(config));
        self.config_changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, instance: &str, config: Config) -> Self {
        let stop = CancellationToken::new();
        Self {
            client,
            clock: Clock,
            config: Arc::new(ArcSwap::from_pointee(config)),
            config_changed: Arc::default(),
            namespace: namespace.into(),
            instance: instance.into(),
            metrics: Metrics::default(),
            background: Background::new(stop.clone()),
            stop,
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
