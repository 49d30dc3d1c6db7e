//! What was read of a layer, kept for the next image that is built on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use breakwater_core::Digest;

use super::LayerFacts;
use crate::limits::{MAX_CACHED_LAYER, MAX_CACHED_LAYERS};

/// The layers that one process read last, for one trust domain: whoever shares it may learn what the others' layers hold.
///
/// At most [`MAX_CACHED_LAYERS`] bytes in all; the one that was not asked for the longest goes first.
#[derive(Debug, Default)]
pub struct LayerCache(Mutex<VecDeque<Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    /// Of what it inflates to: an image that claims another one is told so by reading it again.
    diff_id: Digest,
    facts: Arc<LayerFacts>,
    size: usize,
}

impl LayerCache {
    pub(crate) fn get(&self, digest: &Digest, diff_id: &Digest) -> Option<LayerFacts> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position =
            kept.iter().position(|kept| kept.facts.digest == *digest && kept.diff_id == *diff_id)?;
        let found = kept.remove(position)?;
        let facts = found.facts.clone();
        kept.push_back(found);
        drop(kept);
        Some(facts.as_ref().clone())
    }

    /// Keeps it, unless it is large.
    pub(crate) fn put(&self, diff_id: &Digest, facts: &LayerFacts) {
        let size = facts.size();
        if size > MAX_CACHED_LAYER {
            return;
        }
        let facts = Arc::new(facts.clone());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.facts.digest != facts.digest);
        kept.push_back(Kept { diff_id: diff_id.clone(), facts, size });
        let mut bytes: usize = kept.iter().map(|kept| kept.size).sum();
        while bytes > MAX_CACHED_LAYERS
            && let Some(oldest) = kept.pop_front()
        {
            bytes = bytes.saturating_sub(oldest.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, size: usize) -> LayerFacts {
        LayerFacts { removed: vec!["x".repeat(size)], ..LayerFacts::new(Digest::of(name.as_bytes())) }
    }

    #[test]
    fn what_was_used_last_is_kept_within_the_bound() {
        let (cache, id) = (LayerCache::default(), Digest::of(b"content"));
        let names: Vec<String> = (0..=MAX_CACHED_LAYERS / MAX_CACHED_LAYER).map(|n| n.to_string()).collect();
        let has = |name: &str| cache.get(&Digest::of(name.as_bytes()), &id).is_some();
        for name in &names {
            cache.put(&id, &layer(name, MAX_CACHED_LAYER - 1_000));
            assert!(has("0"), "asked for each time");
        }
        assert!(!has("1"), "the bound is met");
        assert!(has(&names[names.len() - 1]));
        cache.put(&id, &layer("large", MAX_CACHED_LAYER));
        assert!(!has("large"));
    }

    #[test]
    fn a_layer_is_the_pair_of_its_digests() {
        let cache = LayerCache::default();
        cache.put(&Digest::of(b"content"), &layer("a", 1));
        assert!(cache.get(&Digest::of(b"a"), &Digest::of(b"another")).is_none());
    }
}
