//! Events (events.k8s.io/v1): what people see in `kubectl describe`. A repeated Event becomes a series, not a second object.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use breakwater_core::printable;
use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::context::Context;

/// Who reports, in every Event.
const CONTROLLER: &str = "breakwater-operator";
/// The API server's bound on `note`, in bytes.
const MAX_NOTE: usize = 1024;
/// So many Events are remembered for counting; with more the count starts over.
const MAX_REMEMBERED: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Warning,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Publishes Events in this replica's name. Cheap to clone; one per process, for it remembers what it said.
#[derive(Clone)]
pub struct Events {
    context: Context,
    said: Arc<Mutex<HashMap<String, i32>>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, said: Arc::default() }
    }

    /// Says that `reason` happened to `about` while doing `action`; both in CamelCase, at most 128 characters. `note` is for people.
    ///
    /// The Event's name is derived from what it says: saying the same again raises its count, for as long as the API server keeps it.
    /// Meant for changes: call it when something happened, not in every reconcile.
    ///
    /// # Errors
    /// What the API server answered. An Event is a courtesy: callers log the error and go on, unless the Event *is* the notice.
    pub async fn publish(
        &self,
        about: &ObjectReference,
        kind: Kind,
        reason: &str,
        action: &str,
        note: &str,
    ) -> Result<(), kube::Error> {
        let now = self.context.clock.now();
        let event = event(about, kind, reason, action, note, &self.context.instance, now);
        let name = event.metadata.name.clone().unwrap_or_default();
        let api = self.api(about);
        let before = self.said.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        let count = match before {
            Some(count) => match repeat(&api, &name, count.saturating_add(1), now).await {
                Err(kube::Error::Api(answer)) if answer.is_not_found() => create(&api, &event, now).await?,
                outcome => outcome?,
            },
            None => create(&api, &event, now).await?,
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MAX_REMEMBERED {
            said.clear();
        }
        said.insert(name, count);
        Ok(())
    }

    /// [`Events::publish`] for Events that are a courtesy: a failure is logged.
    pub async fn tell(&self, about: &ObjectReference, kind: Kind, reason: &str, action: &str, note: &str) {
        if let Err(error) = self.publish(about, kind, reason, action, note).await {
            tracing::warn!(%error, reason, action, "an Event was not published");
        }
    }

    fn api(&self, about: &ObjectReference) -> Api<Event> {
        let client: Client = self.context.client.clone();
        // Events about cluster-scoped objects live in `default`, as the API server wants it.
        Api::namespaced(client, about.namespace.as_deref().unwrap_or("default"))
    }
}

async fn create(api: &Api<Event>, event: &Event, now: DateTime<Utc>) -> Result<i32, kube::Error> {
    match api.create(&PostParams::default(), event).await {
        Ok(_) => Ok(1),
        // Another replica, or this one before a restart, said it already.
        Err(kube::Error::Api(answer)) if answer.is_already_exists() => {
            repeat(api, event.metadata.name.as_deref().unwrap_or_default(), 2, now).await
        }
        Err(error) => Err(error),
    }
}

async fn repeat(api: &Api<Event>, name: &str, count: i32, now: DateTime<Utc>) -> Result<i32, kube::Error> {
    let series = EventSeries { count, last_observed_time: micro_time(now) };
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"series": series}))).await?;
    Ok(count)
}

fn event(
    about: &ObjectReference,
    kind: Kind,
    reason: &str,
    action: &str,
    note: &str,
    instance: &str,
    now: DateTime<Utc>,
) -> Event {
    let note = bounded(&printable::line(note, MAX_NOTE));
    let object = about.name.as_deref().unwrap_or(CONTROLLER);
    let uid = about.uid.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [uid, object, kind.as_str(), reason, action, &note] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hex::encode(hash.finalize());
    Event {
        metadata: ObjectMeta {
            // 236 + 1 + 16 = 253, the bound of names.
            name: Some(format!(
                "{}.{}",
                object.get(..236).unwrap_or(object),
                hash.get(..16).unwrap_or_default()
            )),
            namespace: Some(about.namespace.clone().unwrap_or_else(|| "default".into())),
            ..ObjectMeta::default()
        },
        event_time: Some(micro_time(now)),
        type_: Some(kind.as_str().into()),
        reason: Some(reason.chars().take(128).collect()),
        action: Some(action.chars().take(128).collect()),
        note: Some(note),
        regarding: Some(about.clone()),
        reporting_controller: Some(CONTROLLER.into()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        ..Event::default()
    }
}

/// At most [`MAX_NOTE`] bytes, cut between characters.
fn bounded(note: &str) -> String {
    let end = (0..=MAX_NOTE.min(note.len())).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
    note.get(..end).unwrap_or_default().to_owned()
}

/// A moment as Events and Leases write it, in microseconds.
pub(super) fn micro_time(moment: DateTime<Utc>) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(moment.timestamp_micros()).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> ObjectReference {
        ObjectReference {
            name: Some("web".into()),
            namespace: Some("shop".into()),
            uid: Some("u1".into()),
            ..Default::default()
        }
    }

    fn at(note: &str, second: i64) -> Event {
        event(
            &about(),
            Kind::Warning,
            "Noticed",
            "ScaleToZero",
            note,
            "pod-1",
            DateTime::from_timestamp(second, 0).unwrap(),
        )
    }

    #[test]
    fn the_same_words_have_the_same_name_at_any_time() {
        assert_eq!(at("a", 1).metadata.name, at("a", 2).metadata.name);
        assert_ne!(at("a", 1).metadata.name, at("b", 1).metadata.name);
    }

    #[test]
    fn notes_fit_the_api_servers_bound() {
        let event = at(&"\u{1b}é".repeat(4000), 1);
        let note = event.note.unwrap();
        assert!(note.len() <= MAX_NOTE && !note.contains('\u{1b}') && note.len() > MAX_NOTE - 4);
    }
}
