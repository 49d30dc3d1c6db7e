//! Keeps what is held in step with what runs, what ScanJobs report, and the index in use.

use std::{collections::BTreeSet, time::Duration};

use breakwater_core::{Digest, history::RepositoryHistory, printable};
use futures::{StreamExt, stream};
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use serde::{Deserialize, Serialize};

use super::{
    Highest, Images, InventoryError,
    history::{self, Histories, MAX_UNWRITTEN},
    scans::ScanObject,
};
use crate::{
    kube::{lease::Leadership, runner::WATCH_TIMEOUT},
    store::{Domain, Key, StoreError},
    workloads::Workloads,
};

/// Images matched at the same time: matching is short, reading the store is what takes time.
const AT_ONCE: usize = 4;
/// How often histories are written and the highest revision is read.
const MINUTE: Duration = Duration::from_secs(60);
/// How often the store is asked again for what it did not have and no ScanJob named since.
const ASK_AGAIN: Duration = Duration::from_secs(600);
/// Listeners are told about progress this often while everything is matched again.
const PROGRESS: usize = 200;

/// The ledger of advisory revisions.
const LEDGER: Key = Key::Ledger("advisories");

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revisions {
    highest: u64,
}

impl Revisions {
    /// Reads the ledger; where there is none, no revision was ever used.
    fn read(content: Option<Vec<u8>>) -> Result<Self, serde_json::Error> {
        content.map_or(Ok(Self::default()), |content| serde_json::from_slice(&content))
    }
}

pub(super) fn spawn(images: &Images, workloads: &Workloads, leadership: Leadership) {
    let background = &images.0.context.background;
    background.spawn("watch of ScanJobs", follow_scans(images.clone()));
    background.spawn("inventories of what runs", hold_what_runs(images.clone(), workloads.clone()));
    background.spawn("ledger", keep_ledger(images.clone(), leadership));
}

async fn follow_scans(images: Images) {
    let config = watcher::Config::default().page_size(100).timeout(WATCH_TIMEOUT);
    let events = watcher(Api::<ScanObject>::all(images.0.context.client.clone()), config).default_backoff();
    let mut events = std::pin::pin!(events.take_until(images.0.context.stop.clone().cancelled_owned()));
    while let Some(event) = events.next().await {
        images.0.context.metrics.watched("ScanJob facts", images.0.context.clock.monotonic());
        match event {
            Ok(event) => images.scanned(event),
            Err(error) => tracing::warn!(%error, "the watch of ScanJobs broke off, trying again"),
        }
    }
}

impl Images {
    pub(super) fn scanned(&self, event: watcher::Event<ScanObject>) {
        self.hold(|held| {
            for digest in held.scans.follow(event) {
                held.missing.remove(&digest);
            }
        });
        self.0.lacking.notify_one();
        self.tell();
    }

    /// Loads what runs and is not held yet. True if that changed anything.
    pub(super) async fn load_lacking(&self) -> bool {
        let mut changed = false;
        // Twice, for an index leads to a manifest; and no more, for nothing leads further.
        for _ in 0..2 {
            let lacking = self.held(super::held::Held::lacking);
            let loads = lacking.into_iter().map(|digest| async move {
                let outcome = self.load_one(&digest).await;
                (digest, outcome)
            });
            let mut loads = stream::iter(loads).buffer_unordered(AT_ONCE);
            while let Some((digest, outcome)) = loads.next().await {
                match outcome {
                    Ok(true) => changed = true,
                    Ok(false) => self.hold(|held| _ = held.missing.insert(digest)),
                    Err(error) => {
                        tracing::warn!(%digest, %error, "an inventory could not be loaded");
                        self.hold(|held| _ = held.missing.insert(digest));
                    }
                }
            }
        }
        changed
    }

    async fn load_one(&self, digest: &Digest) -> Result<bool, InventoryError> {
        if self.match_again(digest).await?.is_some() {
            return Ok(true);
        }
        let resolution = self.0.store.resolution(digest).await?.filter(|known| !known.platforms.is_empty());
        let Some(resolution) = resolution else { return Ok(false) };
        self.hold(|held| held.resolve(digest.clone(), resolution));
        Ok(true)
    }

    /// Matches everything that is held against the new index.
    pub(super) async fn index_changed(&self) {
        let state = self.index();
        self.0.context.metrics.index_revision(state.revision.unwrap_or_default());
        tracing::info!(revision = state.revision, highest = ?state.highest, "advisory index in use");
        let digests: BTreeSet<Digest> = self.held(|held| held.scanned.keys().cloned().collect());
        let matching =
            digests.into_iter().map(|digest| async move { (self.match_again(&digest).await, digest) });
        let mut matching = std::pin::pin!(stream::iter(matching).buffer_unordered(AT_ONCE).enumerate());
        while let Some((done, (outcome, digest))) = matching.next().await {
            if let Err(error) = outcome {
                tracing::warn!(%digest, %error, "an image could not be matched again");
            }
            if done % PROGRESS == PROGRESS - 1 {
                self.tell();
            }
        }
        self.tell();
    }
}

async fn hold_what_runs(images: Images, workloads: Workloads) {
    let stop = images.0.context.stop.clone();
    tokio::select! {
        () = stop.cancelled() => return,
        () = workloads.ready() => {}
    }
    let mut changed = workloads.changed();
    let mut again = tokio::time::interval(ASK_AGAIN);
    loop {
        changed.mark_unchanged();
        images.hold(|held| held.want(&workloads.all(), &workloads.platforms(), &images.0.context.namespace));
        if images.load_lacking().await || !images.is_ready() {
            images.0.loaded.send_replace(true);
            images.tell();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            outcome = changed.changed() => if outcome.is_err() { return },
            () = images.0.lacking.notified() => {}
            _ = again.tick() => images.hold(|held| held.missing.clear()),
        }
    }
}

/// Reads the highest revision, and, while this replica leads, writes it and the histories.
async fn keep_ledger(images: Images, leadership: Leadership) {
    let stop = images.0.context.stop.clone();
    let mut changed = images.changed();
    let mut minute = tokio::time::interval(MINUTE);
    let mut led = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = minute.tick() => {}
            outcome = changed.changed() => {
                let crowded = images.histories(|histories| histories.unwritten()) >= MAX_UNWRITTEN;
                let state = images.index();
                let news = matches!(state.highest, Highest::Known(highest) if state.revision > Some(highest));
                match outcome {
                    Ok(()) if crowded || news => {}
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
        }
        if !std::mem::replace(&mut led, leadership.is_current()) && led {
            images.keep_histories().await;
        }
        if let Err(error) = images.keep_revisions(&leadership).await {
            tracing::warn!(%error, "the highest advisory revision could not be kept");
        }
        images.flush(&leadership).await;
    }
}

impl Images {
    pub(super) async fn keep_revisions(&self, leadership: &Leadership) -> Result<(), StoreError> {
        let (kept, version) = match self.0.store.read(&LEDGER).await {
            Ok((content, version)) => match Revisions::read(content) {
                Ok(kept) => (kept, version),
                Err(error) => {
                    self.highest_is_unreadable(&error.to_string());
                    return Ok(());
                }
            },
            Err(error @ StoreError::Damaged { .. }) => {
                self.highest_is_unreadable(&error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut news = self.0.keeper.learn_highest(kept.highest);
        let state = self.index();
        if let Some(revision) = state.revision.filter(|revision| *revision > kept.highest)
            && leadership.is_current()
        {
            let content = serde_json::to_vec(&Revisions { highest: revision }).unwrap_or_default();
            // Only over what was read: another leader may have written a higher one meanwhile.
            self.0.store.replace(&LEDGER, &content, version).await?;
            news |= self.0.keeper.learn_highest(revision);
        }
        if news {
            self.tell();
        }
        Ok(())
    }

    /// Records that the ledger cannot be read. It is never taken for 0 and never overwritten: that would let an old index act.
    fn highest_is_unreadable(&self, reason: &str) {
        let reason = printable::line(reason, 300);
        if self.0.keeper.lose_highest(reason.clone()) {
            tracing::error!(
                reason,
                "the highest advisory revision cannot be read: nothing is mitigated or restored until {LEDGER} is repaired or deleted"
            );
            self.tell();
        }
    }

    /// Keeps in the store what this replica knows of the repositories of images in memory: the leader before may have ended
    /// without writing it.
    async fn keep_histories(&self) {
        let all: Vec<_> = self.held(|held| held.scanned.values().cloned().collect());
        for image in all.into_iter().filter(|image| image.matched.is_some()) {
            let repository = history::repository(&Domain::Everyone, &image.reference);
            let now = self.0.context.clock.now();
            let restore =
                |history: &mut RepositoryHistory| (history.restore(&image.findings, &image.history, now), ());
            if let Err(error) = self.change_history(&repository, restore).await {
                tracing::warn!(image = image.reference, %error, "a history could not be read: it is kept at the next match");
            }
        }
    }

    /// Writes the histories that changed since the last minute. A follower forgets them: the leader observes the same.
    pub async fn flush(&self, leadership: &Leadership) {
        if !leadership.is_current() {
            self.histories(Histories::clear);
            return;
        }
        for (repository, history) in self.histories(Histories::begin_writing) {
            let outcome = history::write(&self.0.store, &repository, &history).await;
            if let Err(error) = &outcome {
                tracing::warn!(%repository, %error, "a history could not be written and is tried again");
            }
            self.histories(|histories| histories.written(&repository, outcome.is_ok()));
        }
    }
}
