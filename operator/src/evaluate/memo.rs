//! Image parts of verdicts, remembered: one image is judged once per policy, however many workloads run it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use breakwater_core::{
    Digest,
    policy::{ImageFacts, ImageUnderTest, ImageVerdict, Judge, ScannedImage},
    workload::{ContainerKind, WorkloadRef},
};
use chrono::{DateTime, Utc};

/// The most parts remembered; beyond them all are forgotten and made again when they are needed.
const MAX_PARTS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Memo {
    parts: HashMap<Key, Part>,
}

/// Everything that an image part depends on but time. Policy and facts are compared by address: both are replaced, never changed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    judge: usize,
    facts: usize,
    image: String,
    reported: Option<Digest>,
    container: Option<(ContainerKind, Option<i64>, Option<bool>)>,
    exceptions: Vec<u16>,
}

#[derive(Debug)]
struct Part {
    verdict: Arc<ImageVerdict>,
    /// Keep the addresses from being used again, and nothing else alive.
    alive: (Weak<Judge>, Weak<ScannedImage>),
}

impl Memo {
    /// Judges one image, or returns what was concluded before. Only scanned images are remembered; the others cost nothing.
    pub(super) fn judge(
        &mut self,
        judge: &Arc<Judge>,
        image: &ImageUnderTest<'_>,
        workload: &WorkloadRef,
        now: DateTime<Utc>,
    ) -> Arc<ImageVerdict> {
        let ImageFacts::Scanned(facts) = &image.facts else {
            return Arc::new(judge.image(image, Some(workload), now));
        };
        let key = Key {
            judge: Arc::as_ptr(judge).addr(),
            facts: Arc::as_ptr(facts).addr(),
            image: image.image.clone(),
            reported: image.reported.clone(),
            container: image.container.map(|c| (c.kind, c.run_as_user, c.run_as_non_root)),
            exceptions: judge.workload_exceptions(Some(workload)),
        };
        if let Some(part) = self.parts.get(&key)
            && part.verdict.changes_at.is_none_or(|change| now < change)
        {
            return Arc::clone(&part.verdict);
        }
        let verdict = Arc::new(judge.image(image, Some(workload), now));
        if self.parts.len() >= MAX_PARTS {
            self.forget_gone();
        }
        let alive = (Arc::downgrade(judge), Arc::downgrade(facts));
        self.parts.insert(key, Part { verdict: Arc::clone(&verdict), alive });
        verdict
    }

    /// Forgets parts of policies and images that are gone; all of them where that is not enough.
    pub(super) fn forget_gone(&mut self) {
        let is_alive =
            |_: &Key, part: &mut Part| part.alive.0.strong_count() > 0 && part.alive.1.strong_count() > 0;
        self.parts.retain(is_alive);
        if self.parts.len() >= MAX_PARTS {
            self.parts.clear();
        }
        self.parts.shrink_to(self.parts.len().saturating_mul(2));
    }
}
