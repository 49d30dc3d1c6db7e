//! Keys whose facts changed, gathered for each subscriber until it asks: a change costs what depends on it, not everything.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Notify;

/// The most keys gathered for one subscriber; beyond them it is told [`Changed::All`].
const MAX_KEYS: usize = 10_000;

/// What changed since a subscriber last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed<K> {
    These(BTreeSet<K>),
    /// Everything, or more than is counted.
    All,
}

/// The publishing side.
#[derive(Debug)]
pub struct Changes<K> {
    subscribers: Mutex<Vec<Weak<Inbox<K>>>>,
}

#[derive(Debug)]
struct Inbox<K> {
    changed: Mutex<Changed<K>>,
    arrived: Notify,
}

/// The receiving side. It begins with [`Changed::All`].
#[derive(Debug)]
pub struct Subscription<K>(Arc<Inbox<K>>);

impl<K> Default for Changes<K> {
    fn default() -> Self {
        Self { subscribers: Mutex::default() }
    }
}

impl<K: Ord + Clone> Changes<K> {
    #[must_use]
    pub fn subscribe(&self) -> Subscription<K> {
        let inbox = Arc::new(Inbox { changed: Mutex::new(Changed::All), arrived: Notify::new() });
        inbox.arrived.notify_one();
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&inbox));
        Subscription(inbox)
    }

    /// Tells every subscriber that the facts of `keys` changed; nothing happens without any.
    pub fn publish(&self, keys: &[K]) {
        if !keys.is_empty() {
            self.each(|changed| changed.add(keys));
        }
    }

    /// Tells every subscriber that anything may have changed.
    pub fn publish_all(&self) {
        self.each(|changed| *changed = Changed::All);
    }

    fn each(&self, change: impl Fn(&mut Changed<K>)) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| {
            let Some(inbox) = subscriber.upgrade() else { return false };
            change(&mut inbox.changed.lock().unwrap_or_else(PoisonError::into_inner));
            inbox.arrived.notify_one();
            true
        });
    }
}

impl<K: Ord + Clone> Changed<K> {
    fn add(&mut self, keys: &[K]) {
        let Self::These(gathered) = self else { return };
        gathered.extend(keys.iter().cloned());
        if gathered.len() > MAX_KEYS {
            *self = Self::All;
        }
    }
}

impl<K: Ord> Subscription<K> {
    /// Waits until something changed, and takes all of it. Cancel safe.
    pub async fn next(&mut self) -> Changed<K> {
        loop {
            if let Some(changed) = self.take() {
                return changed;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Takes what changed, without waiting.
    pub fn take(&mut self) -> Option<Changed<K>> {
        let mut changed = self.0.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if *changed == Changed::These(BTreeSet::new()) {
            return None;
        }
        Some(mem::replace(&mut *changed, Changed::These(BTreeSet::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subscriber_begins_with_everything_and_then_gets_each_key_once() {
        let changes = Changes::default();
        changes.publish(&[0]);
        let mut subscription = changes.subscribe();
        assert_eq!(subscription.next().await, Changed::All);
        changes.publish(&[1, 2]);
        changes.publish(&[2]);
        assert_eq!(subscription.next().await, Changed::These(BTreeSet::from([1, 2])));
        assert_eq!(subscription.take(), None);
        changes.publish_all();
        changes.publish(&[1]);
        assert_eq!(subscription.next().await, Changed::All);
    }

    #[tokio::test]
    async fn more_than_is_counted_is_everything_and_the_departed_are_forgotten() {
        let changes = Changes::default();
        let mut subscription = changes.subscribe();
        let _ = subscription.next().await;
        changes.publish(&(0..=MAX_KEYS).collect::<Vec<_>>());
        assert_eq!(subscription.next().await, Changed::All);
        drop(subscription);
        changes.publish(&[1]);
        assert!(changes.subscribers.lock().unwrap().is_empty());
    }
}
