use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use breakwater_core::Digest;

/// Digests that mitigation records name: as long as they do, nothing about these images is deleted. Cheap to clone.
///
/// Empty at first. A room that has not read its records yet, or cannot, sets `None`: then nothing is deleted at all.
#[derive(Debug, Clone)]
pub struct Pins(Arc<RwLock<Option<BTreeSet<Digest>>>>);

impl Default for Pins {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Some(BTreeSet::new()))))
    }
}

impl Pins {
    /// Replaces the set. `None`: it is not known.
    pub fn set(&self, digests: Option<BTreeSet<Digest>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = digests;
    }

    /// Returns the set, if it is known.
    #[must_use]
    pub fn get(&self) -> Option<BTreeSet<Digest>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
