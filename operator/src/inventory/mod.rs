//! Digest → image facts, matched again whenever the advisory index changes. Touches the report store and the index; no registry.
//!
//! Held in memory is what runs. The index is one file, mapped; a new one replaces it while the old one serves on.

mod fetch;
mod held;
mod history;
mod in_use;
mod keeper;
mod reduce;
mod refresh;
mod scans;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use breakwater_core::{
    Digest, ImageReference, Inventory, Platform,
    history::RepositoryHistory,
    policy::{ImageFacts, Matched, ScannedImage},
    workload::ImageIdentity,
};
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

pub(crate) use self::scans::marks;
use self::{held::Held, history::Histories, keeper::Keeper, reduce::reduce};
pub use self::{
    in_use::in_use,
    keeper::IndexRefused,
    scans::{Failure, Outcome, Scan},
};
use crate::{
    context::Context,
    kube::lease::Leadership,
    store::{Domain, Store, StoreError},
    workloads::Workloads,
};

/// Image facts of everything that runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    store: Store,
    keeper: Keeper,
    held: RwLock<Held>,
    histories: Mutex<Histories>,
    /// Something is to be loaded.
    lacking: Notify,
    version: watch::Sender<u64>,
    /// Complete once everything that ran at the start, and is in the store, is held.
    loaded: watch::Sender<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("matching was interrupted: the process ends")]
    Interrupted,
}

/// The advisory index in use, and whether conclusions may rest on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexState {
    /// Absent: there is none, and verdicts are Unknown.
    pub revision: Option<u64>,
    pub built_at: Option<DateTime<Utc>>,
    pub highest: Highest,
    /// Why a newer index could not be taken over, if that is so.
    pub problem: Option<String>,
}

/// The highest revision that was ever used in this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Highest {
    /// The ledger was not read yet.
    NotRead,
    /// The ledger is there and cannot be read, and why.
    Unreadable(String),
    /// 0 before the first.
    Known(u64),
}

impl IndexState {
    /// Reports whether newer data may have been judged by before: what is concluded from this index neither mitigates nor restores. An
    /// index that cannot be compared counts as behind.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match self.highest {
            Highest::NotRead | Highest::Unreadable(_) => true,
            Highest::Known(highest) => self.revision.is_some_and(|revision| revision < highest),
        }
    }
}

impl Images {
    /// Opens the index kept from the last run and starts following workloads, ScanJobs and the index. `leadership` says who may
    /// write histories and the highest revision.
    #[must_use]
    pub fn start(context: &Context, store: Store, workloads: &Workloads, leadership: Leadership) -> Self {
        let images = Self::new(context, store);
        refresh::spawn(&images, workloads, leadership);
        fetch::spawn(&images);
        images
    }

    fn new(context: &Context, store: Store) -> Self {
        let directory = context.config.load().advisories.directory.clone();
        Self(Arc::new(Inner {
            context: context.clone(),
            store,
            keeper: Keeper::new(directory.into()),
            held: RwLock::default(),
            histories: Mutex::default(),
            lacking: Notify::new(),
            version: watch::Sender::default(),
            loaded: watch::Sender::default(),
        }))
    }

    /// What is known about an image as a node names it.
    #[must_use]
    pub fn facts(&self, identity: &ImageIdentity, platform: &Platform) -> ImageFacts {
        self.held(|held| held.facts(identity, platform))
    }

    /// Returns what a tag of a template stands for on `platform`, by the newest scan of it that the operator or the namespace itself
    /// ordered. `None`: it was not scanned.
    #[must_use]
    pub fn tag(&self, namespace: &str, image: &ImageReference, platform: &Platform) -> Option<Digest> {
        self.held(|held| held.scans.tag([namespace, &self.0.context.namespace], image, platform).cloned())
    }

    /// What is known about a manifest in `domain`, from memory or from the store. `None`: there is no inventory of it.
    ///
    /// # Errors
    /// [`InventoryError::Store`] if the store cannot be read.
    pub async fn load(
        &self,
        domain: &Domain,
        digest: &Digest,
    ) -> Result<Option<Arc<ScannedImage>>, InventoryError> {
        if let Some(image) = self.held(|held| held.scanned.get(digest).cloned()) {
            return Ok(Some(image));
        }
        if let Some(image) = self.match_again(digest).await? {
            return Ok(Some(image));
        }
        match self.0.store.inventory(domain, digest).await? {
            Some(inventory) => Ok(Some(self.matched_with(domain, inventory).await?)),
            None => Ok(None),
        }
    }

    /// The advisory data that facts are matched against.
    #[must_use]
    pub fn matched(&self) -> Option<Matched> {
        self.0.keeper.current().map(|current| reduce::matched(&current.index))
    }

    #[must_use]
    pub fn index(&self) -> IndexState {
        self.0.keeper.state()
    }

    /// Counts up whenever facts, failures or the index changed.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Names of the histories of the repositories that images in memory come from: they are kept as long as those.
    #[must_use]
    pub fn repositories(&self) -> BTreeSet<Digest> {
        self.held(|held| {
            let references = held.scanned.values().map(|image| image.reference.clone());
            references.map(|reference| history::repository(&Domain::Everyone, &reference)).collect()
        })
    }

    /// Every ScanJob of the cluster, in no order.
    #[must_use]
    pub fn scans(&self) -> Vec<Arc<Scan>> {
        self.held(|held| held.scans.all())
    }

    /// Why the scan of this digest failed, and when, if the newest one did.
    #[must_use]
    pub fn failure(&self, digest: &Digest, platform: &Platform) -> Option<(Failure, Option<DateTime<Utc>>)> {
        self.held(|held| held.scans.failure(digest, platform))
    }

    /// Returns once what ran at the start is held, so far as the store has it: before that, absence means nothing.
    pub async fn ready(&self) {
        let mut loaded = self.0.loaded.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = loaded.wait_for(|loaded| *loaded).await;
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.0.loaded.borrow()
    }

    async fn matched_with(
        &self,
        domain: &Domain,
        inventory: Inventory,
    ) -> Result<Arc<ScannedImage>, InventoryError> {
        let current = self.0.keeper.current();
        let repository = history::repository(domain, &inventory.image.reference);
        let matching = tokio::task::spawn_blocking(move || {
            reduce(&inventory, current.as_ref().map(|current| &current.index))
        });
        let mut image = matching.await.map_err(|_| InventoryError::Interrupted)?;
        let now = image.matched.map(|_| self.0.context.clock.now());
        let findings = &image.findings;
        let observe = |history: &mut RepositoryHistory| history::observed(history, findings, now);
        image.history = self.change_history(&repository, observe).await?;
        Ok(Arc::new(image))
    }

    /// Changes the history of a repository, read from the store where it is not in memory.
    async fn change_history<T>(
        &self,
        repository: &Digest,
        change: impl Fn(&mut RepositoryHistory) -> (bool, T),
    ) -> Result<T, StoreError> {
        let mut kept = None;
        loop {
            if let Some(value) = self.histories(|all| all.change(repository, kept.take(), &change)) {
                return Ok(value);
            }
            kept = Some(history::read(&self.0.store, repository).await?);
        }
    }

    /// Reads everyone's inventory from the store, matches it against the index in use, and holds the result if the image runs.
    async fn match_again(&self, digest: &Digest) -> Result<Option<Arc<ScannedImage>>, InventoryError> {
        loop {
            let Some(inventory) = self.0.store.inventory(&Domain::Everyone, digest).await? else {
                return Ok(None);
            };
            let image = self.matched_with(&Domain::Everyone, inventory).await?;
            let is_current = self.hold(|held| {
                // An index that was replaced meanwhile must not have the last word.
                let is_current = image.matched.map(|matched| matched.revision) == self.index().revision;
                if is_current && held.is_wanted(digest) {
                    held.scanned.insert(digest.clone(), Arc::clone(&image));
                }
                is_current
            });
            if is_current {
                return Ok(Some(image));
            }
        }
    }

    fn tell(&self) {
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn held<T>(&self, read: impl FnOnce(&Held) -> T) -> T {
        read(&self.0.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn hold<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.held.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn histories<T>(&self, change: impl FnOnce(&mut Histories) -> T) -> T {
        change(&mut self.0.histories.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
