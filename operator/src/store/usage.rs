//! How many bytes a trust domain may use, and how many it uses. Pure.

use std::collections::{BTreeSet, HashMap};

use super::Domain;

/// Less than this left is full: an ordinary image of 2,000 packages takes 40 KB.
const ORDINARY: u64 = 64 << 10;

/// The bytes that a store may hold, ledgers of the operator excepted.
///
/// Shared facts may use three quarters; all namespaces together the last quarter, each at most half of that. So no tenant takes the room
/// of what runs, and no tenant that of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota(u64);

impl Quota {
    #[must_use]
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The most that a domain may use by itself.
    #[must_use]
    pub const fn share(self, domain: &Domain) -> u64 {
        match domain {
            Domain::Everyone => self.0 / 4 * 3,
            Domain::Namespace(_) => self.0 / 8,
        }
    }

    const fn namespaces(self) -> u64 {
        self.0 / 4
    }
}

/// A trust domain without room: how many bytes it uses, and how many it may use as long as the others use what they do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the report store is full for {domain}: {used} bytes are used, at most {allowed} are allowed; what is not in use is deleted after a \
     day, and the stores file and s3 hold more"
)]
pub struct Full {
    pub domain: Domain,
    pub used: u64,
    pub allowed: u64,
}

/// The bytes in use, by domain. Its size is bounded by the number of namespaces that asked for scans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    by_domain: HashMap<Domain, u64>,
    /// Of all namespaces together.
    namespaces: u64,
}

impl Usage {
    pub(super) fn used(&self, domain: &Domain) -> u64 {
        self.by_domain.get(domain).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, domain: &Domain, bytes: u64) {
        self.set(domain, self.used(domain).saturating_add(bytes));
    }

    pub(super) fn remove(&mut self, domain: &Domain, bytes: u64) {
        self.set(domain, self.used(domain).saturating_sub(bytes));
    }

    fn set(&mut self, domain: &Domain, bytes: u64) {
        let before = match bytes {
            0 => self.by_domain.remove(domain),
            _ => self.by_domain.insert(domain.clone(), bytes),
        };
        if let Domain::Namespace(_) = domain {
            let others = self.namespaces.saturating_sub(before.unwrap_or_default());
            self.namespaces = others.saturating_add(bytes);
        }
    }

    fn allowed(&self, quota: Quota, domain: &Domain) -> u64 {
        match domain {
            Domain::Everyone => quota.share(domain),
            Domain::Namespace(_) => {
                let others = self.namespaces.saturating_sub(self.used(domain));
                quota.share(domain).min(quota.namespaces().saturating_sub(others))
            }
        }
    }

    fn check(&self, quota: Quota, domain: &Domain, bytes: u64) -> Result<(), Full> {
        let (used, allowed) = (self.used(domain), self.allowed(quota, domain));
        if used.saturating_add(bytes) <= allowed {
            return Ok(());
        }
        Err(Full { domain: domain.clone(), used, allowed })
    }
}

/// The bytes used, the sizes refused, and the bytes written while a count goes on.
#[derive(Debug)]
pub(super) struct UsageTracker {
    quota: Quota,
    usage: Usage,
    is_counted: bool,
    /// Written since the count that goes on began: it may have passed these already.
    meanwhile: Usage,
    /// The bytes that the last refused document would have added, by domain. Bounded as [`Usage`] is.
    refused: HashMap<Domain, u64>,
    full: BTreeSet<Domain>,
    /// Whether `full` has changed since it was asked last.
    is_news: bool,
}

impl UsageTracker {
    pub(super) fn new(quota: Quota) -> Self {
        let (usage, meanwhile, refused, full) = Default::default();
        Self { quota, usage, is_counted: false, meanwhile, refused, full, is_news: false }
    }

    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Takes room for a document of `size` bytes that replaces one of `replaced` bytes. One that shrinks is always taken.
    pub(super) fn reserve(&mut self, domain: &Domain, size: u64, replaced: u64) -> Result<(), Full> {
        let grows = size.saturating_sub(replaced);
        let taken = if grows == 0 { Ok(()) } else { self.usage.check(self.quota, domain, grows) };
        match &taken {
            Ok(()) => {
                self.usage.add(domain, size);
                self.usage.remove(domain, replaced);
                self.meanwhile.add(domain, size);
            }
            Err(_) => _ = self.refused.insert(domain.clone(), grows),
        }
        self.settle(domain);
        taken
    }

    /// Takes a reservation back: whether the write took effect is not known, and the next count tells.
    pub(super) fn cancel(&mut self, domain: &Domain, size: u64, replaced: u64) {
        self.usage.add(domain, replaced);
        self.release(domain, size);
    }

    /// Gives the room of a deleted document back.
    pub(super) fn release(&mut self, domain: &Domain, size: u64) {
        self.usage.remove(domain, size);
        self.meanwhile.remove(domain, size);
        self.settle(domain);
    }

    pub(super) fn begin_count(&mut self) {
        self.meanwhile = Usage::default();
    }

    /// Takes over a count. What was written meanwhile may be counted twice, until the next count.
    pub(super) fn finish_count(&mut self, mut counted: Usage) {
        for (domain, bytes) in std::mem::take(&mut self.meanwhile).by_domain {
            counted.add(&domain, bytes);
        }
        self.usage = counted;
        self.is_counted = true;
        let known = self.usage.by_domain.keys().chain(self.refused.keys()).chain(&self.full);
        let known: BTreeSet<Domain> = known.cloned().collect();
        known.iter().for_each(|domain| self.settle(domain));
    }

    /// Returns how full a domain is, if there is no room for what was refused last, or for an ordinary document.
    pub(super) fn full(&self, domain: &Domain) -> Option<Full> {
        let wanted = self.refused.get(domain).copied().unwrap_or_default().max(ORDINARY);
        self.usage.check(self.quota, domain, wanted).err()
    }

    /// Reports whether the set of full domains has changed since the last call.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    fn settle(&mut self, domain: &Domain) {
        if self.full(domain).is_some() {
            self.is_news |= self.full.insert(domain.clone());
        } else {
            self.refused.remove(domain);
            self.is_news |= self.full.remove(domain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_tenant_takes_the_room_of_nobody_else() {
        let mut tracker = UsageTracker::new(Quota::of(64 * MIB));
        let (a, b, c) = (Domain::namespace("a"), Domain::namespace("b"), Domain::namespace("c"));
        tracker.reserve(&a, 8 * MIB, 0).unwrap();
        let full = tracker.reserve(&a, 1, 0).unwrap_err();
        assert_eq!(full, Full { domain: a.clone(), used: 8 * MIB, allowed: 8 * MIB });
        assert!(full.to_string().contains("8388608 bytes are used, at most 8388608 are allowed"), "{full}");
        tracker.reserve(&b, 8 * MIB, 0).unwrap();
        assert_eq!(tracker.reserve(&c, 1, 0).unwrap_err().allowed, 0, "the namespaces' quarter is used");
        tracker.reserve(&Domain::Everyone, 48 * MIB, 0).unwrap();
        assert_eq!(tracker.reserve(&Domain::Everyone, 1, 0).unwrap_err().allowed, 48 * MIB);
        tracker.release(&a, MIB);
        tracker.reserve(&c, MIB, 0).unwrap();
        tracker.reserve(&c, MIB / 2, MIB).unwrap();
        tracker.cancel(&c, MIB / 2, MIB);
        assert_eq!(tracker.usage.used(&c), MIB);
    }

    #[test]
    fn a_replaced_document_counts_once_and_may_always_shrink() {
        let mut tracker = UsageTracker::new(Quota::of(8 * MIB));
        tracker.reserve(&Domain::Everyone, 6 * MIB, 0).unwrap();
        tracker.reserve(&Domain::Everyone, 6 * MIB, 6 * MIB).unwrap();
        let mut counted = Usage::default();
        counted.add(&Domain::Everyone, 9 * MIB);
        tracker.begin_count();
        tracker.finish_count(counted);
        assert!(tracker.reserve(&Domain::Everyone, 2 * MIB, MIB).is_err());
        tracker.reserve(&Domain::Everyone, MIB, 2 * MIB).unwrap();
    }

    #[test]
    fn what_is_written_during_a_count_is_not_lost_by_it() {
        let mut tracker = UsageTracker::new(Quota::of(64 * MIB));
        tracker.reserve(&Domain::Everyone, MIB, 0).unwrap();
        tracker.begin_count();
        tracker.reserve(&Domain::Everyone, 3 * MIB, 0).unwrap();
        let mut counted = Usage::default();
        counted.add(&Domain::Everyone, MIB);
        tracker.finish_count(counted);
        assert_eq!(tracker.usage.used(&Domain::Everyone), 4 * MIB);
        assert!(tracker.is_counted());
    }

    #[test]
    fn full_is_reported_until_there_is_room_for_what_was_refused() {
        let mut tracker = UsageTracker::new(Quota::of(64 * MIB));
        let team = Domain::namespace("team");
        tracker.reserve(&team, 6 * MIB, 0).unwrap();
        assert!(!tracker.take_news());
        assert_eq!(tracker.full(&team), None);
        tracker.reserve(&team, 3 * MIB, 0).unwrap_err();
        assert!(tracker.take_news(), "listeners hear of it");
        assert_eq!(tracker.full(&team).unwrap().used, 6 * MIB);
        assert_eq!(tracker.full(&Domain::Everyone), None);
        assert!(!tracker.take_news());
        tracker.release(&team, 2 * MIB);
        assert!(tracker.take_news());
        assert_eq!(tracker.full(&team), None);
        tracker.reserve(&team, 4 * MIB, 0).unwrap();
        assert!(tracker.take_news(), "no ordinary document fits");
        assert!(tracker.full(&team).is_some());
    }
}
