//! Which policies are reconciled though their objects did not change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use breakwater_crds::ImagePolicy;
use futures::{Stream, stream};
use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

use super::Rooms;
use crate::{
    changes::{Changed, Subscription},
    evaluate::{PolicySet, StoredPolicy},
    inventory::{IndexState, Scan},
};

/// Changes within this time are one wake-up.
const DEBOUNCE: Duration = Duration::from_millis(250);

/// What statuses were made from, apart from verdicts: only policies for which it differs are woken.
#[derive(Debug, Default)]
pub(super) struct Seen {
    index: Option<IndexState>,
    /// Scans of registries, by namespace and name of the policy.
    scans: BTreeMap<(String, String), Vec<Arc<Scan>>>,
}

impl Seen {
    /// Returns the UIDs of policies whose registries were scanned, or all of them where the index is another.
    pub(super) fn images_changed(
        &mut self,
        set: &PolicySet,
        index: IndexState,
        scans: Vec<Arc<Scan>>,
    ) -> BTreeSet<String> {
        let mut next: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for scan in scans {
            let Some(policy) = scan.policy.clone() else { continue };
            next.entry((scan.namespace.clone(), policy)).or_default().push(scan);
        }
        next.values_mut().for_each(|scans| scans.sort_by(|a, b| a.name.cmp(&b.name)));
        let is_all = self.index.as_ref() != Some(&index);
        let before = std::mem::replace(&mut self.scans, next);
        self.index = Some(index);
        let concerns = |stored: &StoredPolicy| {
            let of = (stored.object.namespace().unwrap_or_default(), stored.object.name_any());
            is_all || before.get(&of) != self.scans.get(&of)
        };
        set.all().filter(|(_, stored)| concerns(stored)).map(|(uid, _)| uid.to_owned()).collect()
    }
}

/// Yields the policies whose verdicts, images, registries' scans or mitigations changed, each once per [`DEBOUNCE`].
pub(super) fn wakes(rooms: Arc<Rooms>) -> impl Stream<Item = ObjectRef<ImagePolicy>> + Send {
    struct State {
        rooms: Arc<Rooms>,
        verdicts: Subscription<String>,
        images: tokio::sync::watch::Receiver<u64>,
        mitigation: Subscription<String>,
        config: tokio::sync::watch::Receiver<u64>,
        store: tokio::sync::watch::Receiver<u64>,
        seen: Seen,
        ready: Vec<ObjectRef<ImagePolicy>>,
    }
    let state = State {
        verdicts: rooms.verdicts.subscribe_policies(),
        images: rooms.images.changed(),
        mitigation: rooms.mitigation.subscribe(),
        config: rooms.context.config_changed.subscribe(),
        store: rooms.store.fullness(),
        rooms,
        seen: Seen::default(),
        ready: Vec::new(),
    };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some(next) = state.ready.pop() {
                return Some((next, state));
            }
            let (mut images, mut is_all, mut changes) = (false, false, Vec::new());
            tokio::select! {
                changed = state.verdicts.next() => changes.push(changed),
                changed = state.mitigation.next() => changes.push(changed),
                outcome = state.images.changed() => { outcome.ok()?; images = true; }
                outcome = state.config.changed() => { outcome.ok()?; is_all = true; }
                outcome = state.store.changed() => { outcome.ok()?; is_all = true; }
            }
            tokio::time::sleep(DEBOUNCE).await;
            images |= state.images.has_changed().unwrap_or_default();
            is_all |= state.config.has_changed().unwrap_or_default()
                || state.store.has_changed().unwrap_or_default();
            for receiver in [&mut state.images, &mut state.config, &mut state.store] {
                receiver.mark_unchanged();
            }
            changes.extend([state.verdicts.take(), state.mitigation.take()].into_iter().flatten());
            changes.extend(is_all.then_some(Changed::All));
            let set = state.rooms.policies.set();
            let mut uids = BTreeSet::new();
            for changed in changes {
                match changed {
                    Changed::These(these) => uids.extend(these),
                    Changed::All => uids.extend(set.all().map(|(uid, _)| uid.to_owned())),
                }
            }
            if images {
                let (index, scans) = (state.rooms.images.index(), state.rooms.images.scans());
                uids.extend(state.seen.images_changed(&set, index, scans));
            }
            let objects = uids.iter().filter_map(|uid| set.get(uid));
            state.ready = objects.map(|stored| ObjectRef::from_obj(&stored.object)).collect();
        }
    })
}
