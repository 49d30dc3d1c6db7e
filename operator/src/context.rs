use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{clock::Clock, config::Config};

/// What every room is given at start. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub client: kube::Client,
    pub clock: Clock,
    /// The last good configuration; reloaded while running.
    pub config: Arc<ArcSwap<Config>>,
    /// The namespace the operator lives in.
    pub namespace: Arc<str>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
