//! Messages to owners on their way. The executor never waits for a receiver; a delivery is confirmed by the message's id.
//!
//! The one sink is the Event, confirmed when the API server has stored it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use breakwater_core::mitigation::{About, Delivery, Message, Note, TargetId};
use futures::{StreamExt as _, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::mpsc;

use super::{MitigationError, within};
use crate::{
    clock::Clock,
    kube::events::{Events, Kind},
};

/// The most messages under way; beyond them an announcement is tried again later.
const CAPACITY: usize = 1_000;
/// Messages sent at the same time.
const AT_ONCE: usize = 4;
/// A message that was not taken is sent again so much later.
const RETRY: Duration = Duration::from_secs(5);
/// A courtesy, which nothing waits for, is tried so often.
const COURTESY_TRIES: u32 = 3;

/// The sending side and what became of each message. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    sender: mpsc::Sender<Parcel>,
    deliveries: Arc<Mutex<HashMap<TargetId, BTreeMap<String, Delivery>>>>,
}

#[derive(Debug)]
pub(super) struct Parcel {
    target: TargetId,
    /// Absent: a courtesy.
    id: Option<String>,
    notes: Vec<Note>,
    tries: u32,
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Parcel>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { sender, deliveries: Arc::default() }, receiver)
    }

    /// Hands a message over. False: the outbox is full, and the message is to be handed over again later.
    pub(super) fn send(&self, target: &TargetId, message: Message) -> bool {
        let parcel =
            Parcel { target: target.clone(), id: Some(message.id.clone()), notes: message.notes, tries: 0 };
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        let of_target = deliveries.entry(target.clone()).or_default();
        if of_target.contains_key(&message.id) {
            return true;
        }
        let is_taken = self.sender.try_send(parcel).is_ok();
        if is_taken {
            of_target.insert(message.id, Delivery::Pending);
        }
        is_taken
    }

    /// Hands over notes that nothing waits for.
    pub(super) fn tell(&self, target: &TargetId, notes: Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let parcel = Parcel { target: target.clone(), id: None, notes, tries: 0 };
        if self.sender.try_send(parcel).is_err() {
            tracing::warn!(workload = %target.workload, "the outbox is full: an Event is not published");
        }
    }

    pub(super) fn deliveries(&self, target: &TargetId) -> BTreeMap<String, Delivery> {
        let deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.get(target).cloned().unwrap_or_default()
    }

    /// Keeps only the messages of a target that its record still names.
    pub(super) fn retain(&self, target: &TargetId, is_named: impl Fn(&str) -> bool) {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_target) = deliveries.get_mut(target) {
            of_target.retain(|id, _| is_named(id));
            if of_target.is_empty() {
                deliveries.remove(target);
            }
        }
    }

    fn confirm(&self, target: &TargetId, id: &str, clock: Clock) {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = deliveries.get_mut(target).and_then(|of_target| of_target.get_mut(id)) {
            *known = Delivery::Confirmed(clock.now());
        }
    }

    /// Sends what is handed over until the executor is gone; `confirmed` gets the target of each confirmed message.
    pub(super) async fn deliver(
        self,
        mut parcels: mpsc::Receiver<Parcel>,
        confirmed: mpsc::UnboundedSender<TargetId>,
        events: Events,
        clock: Clock,
    ) {
        let mut sending = FuturesUnordered::new();
        let mut waiting = FuturesUnordered::new();
        loop {
            let has_room = sending.len() < AT_ONCE && waiting.len() < CAPACITY;
            tokio::select! {
                parcel = parcels.recv(), if has_room => match parcel {
                    Some(parcel) => sending.push(send(&events, parcel)),
                    None => return,
                },
                // One that is not taken waits beside the others, and delays none of them.
                Some(parcel) = waiting.next() => if self.is_wanted(&parcel) {
                    sending.push(send(&events, parcel));
                },
                Some(outcome) = sending.next() => match outcome {
                    Ok(Parcel { target, id: Some(id), .. }) => {
                        self.confirm(&target, &id, clock);
                        if confirmed.send(target).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(parcel) => waiting.push(async move {
                        tokio::time::sleep(RETRY).await;
                        parcel
                    }),
                },
            }
        }
    }

    /// Reports whether a message is still named by its record, or a courtesy is worth another try.
    fn is_wanted(&self, parcel: &Parcel) -> bool {
        let Some(id) = &parcel.id else { return parcel.tries < COURTESY_TRIES };
        let deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.get(&parcel.target).is_some_and(|of_target| of_target.contains_key(id))
    }
}

/// Publishes every note of a parcel; `Err`: not all of it was stored.
async fn send(events: &Events, mut parcel: Parcel) -> Result<Parcel, Parcel> {
    parcel.tries = parcel.tries.saturating_add(1);
    for note in &parcel.notes {
        if let Err(error) = publish(events, note).await {
            tracing::warn!(workload = %parcel.target.workload, reason = note.reason, %error, "an Event was not stored");
            return Err(parcel);
        }
    }
    Ok(parcel)
}

async fn publish(events: &Events, note: &Note) -> Result<(), MitigationError> {
    let about = match &note.about {
        About::Workload(target) => {
            let kind = target.workload.kind;
            reference(
                kind.api_version(),
                kind.as_str(),
                &target.workload.namespace,
                &target.workload.name,
                &target.uid,
            )
        }
        About::Policy(policy) => {
            reference("breakwater.dev/v1alpha1", "ImagePolicy", &policy.namespace, &policy.name, &policy.uid)
        }
    };
    let kind = if note.warning { Kind::Warning } else { Kind::Normal };
    within(events.publish(&about, kind, note.reason, "Mitigate", &note.text)).await
}

fn reference(api_version: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.into()),
        kind: Some(kind.into()),
        namespace: Some(namespace.into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    }
}
