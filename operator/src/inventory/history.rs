//! Histories on their way to the store: in batches, at most one a minute, and before the process ends.

use std::{collections::HashMap, sync::Arc};

use breakwater_core::{Digest, ledger::Remembered, policy::ScannedImage};

use crate::store::{Key, Store, StoreError};

/// Images matched since the last batch. Shares memory with the images that are held.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<Digest, Arc<ScannedImage>>);

/// With so many unwritten the batch is written early.
pub(super) const MAX_UNWRITTEN: usize = 1_000;

impl Histories {
    pub(super) fn changed(&mut self, image: Arc<ScannedImage>) {
        self.0.insert(image.digest.clone(), image);
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<ScannedImage>> {
        self.0.get(digest).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self) -> Vec<Arc<ScannedImage>> {
        std::mem::take(&mut self.0).into_values().collect()
    }
}

/// Writes one history; equal content is not written again.
pub(super) async fn write(store: &Store, image: &ScannedImage) -> Result<(), StoreError> {
    let remembered = Remembered::new(image.history.clone(), &image.findings);
    let Ok(content) = serde_json::to_vec(&remembered) else { return Ok(()) };
    store.put(&Key::History(image.digest.clone()), &content).await.map(|_| ())
}
