//! What the layers of one image may take together: each is bounded by itself, and 127 of them at that bound would fill any memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use super::LayerFacts;
use crate::limits::{MAX_IMAGE_ENTRIES, MAX_IMAGE_KEPT};

/// What is left for the layers of one image, which are read at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Left>);

#[derive(Debug)]
struct Left {
    entries: AtomicUsize,
    /// In bytes.
    kept: AtomicUsize,
    exceeded: AtomicBool,
}

impl Left {
    fn take(&self, of: &AtomicUsize, number: usize) -> bool {
        let is_left = of.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(number)).is_ok();
        if !is_left {
            self.exceeded.store(true, Relaxed);
        }
        is_left
    }
}

impl Budget {
    pub(crate) fn of_an_image() -> Self {
        Self::new(MAX_IMAGE_ENTRIES, MAX_IMAGE_KEPT)
    }

    pub(crate) fn new(entries: usize, kept: usize) -> Self {
        Self(Arc::new(Left { entries: entries.into(), kept: kept.into(), exceeded: false.into() }))
    }

    /// Whether a layer had to leave something out because of the others.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.0.exceeded.load(Relaxed)
    }

    /// Takes what a layer takes that was read before, if there is as much left.
    pub(crate) fn covers(&self, facts: &LayerFacts) -> bool {
        let mut share = self.share();
        let covers = share.entries(facts.present.len()) && share.keep(facts.size());
        if covers {
            share.settle();
        }
        covers
    }

    /// The share of one layer, empty at first.
    pub(super) fn share(&self) -> Share {
        Share { of: self.clone(), entries: 0, kept: 0 }
    }
}

/// What one layer took. It is given back when the layer's reading fails: the layer may be read again.
#[derive(Debug)]
pub(super) struct Share {
    of: Budget,
    entries: usize,
    kept: usize,
}

impl Share {
    /// Takes one entry, if the image has one left.
    pub(super) fn entry(&mut self) -> bool {
        self.entries(1)
    }

    fn entries(&mut self, number: usize) -> bool {
        let is_left = self.of.0.take(&self.of.0.entries, number);
        if is_left {
            self.entries += number;
        }
        is_left
    }

    /// Takes `bytes`, if the image has as many left.
    pub(super) fn keep(&mut self, bytes: usize) -> bool {
        let is_left = self.of.0.take(&self.of.0.kept, bytes);
        if is_left {
            self.kept += bytes;
        }
        is_left
    }

    /// What was taken stays so: the layer's facts last as long as the image's.
    pub(super) fn settle(&mut self) {
        (self.entries, self.kept) = (0, 0);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.0.entries.fetch_add(self.entries, Relaxed);
        self.of.0.kept.fetch_add(self.kept, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::Digest;

    use super::*;

    #[test]
    fn layers_share_and_a_failed_one_gives_back() {
        let budget = Budget::new(2, 10);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.entry() && first.keep(7));
        assert!(!second.keep(4), "more than is left");
        assert!(second.entry() && second.keep(3));
        assert!(!first.entry() && !second.keep(1));
        drop(first);
        assert!(second.entry() && second.keep(7), "what the first had is free again");
        second.settle();
        drop(second);
        let mut third = budget.share();
        assert!(!third.entry() && !third.keep(1), "what was settled is not");
    }

    #[test]
    fn a_layer_read_before_counts_as_when_it_was_read() {
        let facts = LayerFacts { present: vec![1, 2], ..LayerFacts::new(Digest::of(b"a")) };
        let budget = Budget::new(5, 10 * facts.size());
        assert!(budget.covers(&facts) && budget.covers(&facts) && !budget.is_exceeded());
        assert!(!budget.covers(&facts), "one entry is left");
        assert!(budget.is_exceeded() && budget.share().entry());
    }
}
