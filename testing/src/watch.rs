//! WATCH: a stream of events since a revision.
//!
//! As the API server's watch cache has it: a version that is too old is an event of type ERROR with a Status of code 410, not an HTTP
//! error (`newErrWatcher` of `k8s.io/apiserver/pkg/storage/cacher`); an object that leaves a selector is DELETED, one that enters it
//! ADDED.

use std::{io, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Sleep};

use crate::{
    api::FakeApi,
    call::{Call, Target},
    reads::{metadata_of, shown},
    refusal::Refusal,
    selector::{matches_fields, matches_labels},
    state::{Change, Interruption, State},
};

struct Watcher {
    api: FakeApi,
    call: Call,
    target: Target,
    cursor: u64,
    /// Interruptions that it has seen.
    interruptions: usize,
    changed: watch::Receiver<u64>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Lines that wait to be sent.
    first: Vec<u8>,
    is_over: bool,
}

enum Turn {
    Lines(Vec<u8>),
    /// The last lines.
    End(Vec<u8>),
    Cut,
    Wait,
}

/// The body of a watch's response.
pub(crate) fn open(api: FakeApi, call: Call, target: Target, is_expired: bool) -> axum::body::Body {
    let changed = api.subscribe();
    let watcher = api.with(|state| {
        let mut first = vec![];
        let wants_all = call.query("sendInitialEvents") == "true";
        let version = call.query("resourceVersion");
        let mut cursor = version.parse().unwrap_or(0);
        // Without a version, and by version 0, a watch starts with what is there.
        if wants_all || cursor == 0 {
            for (_, object) in state.selected(&call, &target) {
                line(&mut first, "ADDED", &shown(&call, object));
            }
            cursor = state.revision;
        }
        if wants_all {
            // KEP-3157.
            let mut bookmark = bookmark(&call, &target, cursor);
            bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            line(&mut first, "BOOKMARK", &bookmark);
        }
        let is_expired = is_expired || cursor < state.compacted;
        if is_expired {
            first.clear();
            line(&mut first, "ERROR", &Refusal::expired().status());
        }
        let interruptions = state.interruptions.len();
        let seconds: Option<u64> = call.query("timeoutSeconds").parse().ok();
        let deadline = seconds.map(|seconds| Box::pin(tokio::time::sleep(Duration::from_secs(seconds))));
        let api = api.clone();
        Watcher { api, call, target, cursor, interruptions, changed, deadline, first, is_over: is_expired }
    });
    axum::body::Body::from_stream(stream::unfold(watcher, next))
}

async fn next(mut watcher: Watcher) -> Option<(io::Result<Bytes>, Watcher)> {
    if !watcher.first.is_empty() {
        let lines = std::mem::take(&mut watcher.first);
        return Some((Ok(lines.into()), watcher));
    }
    loop {
        if watcher.is_over {
            return None;
        }
        watcher.changed.borrow_and_update();
        let api = watcher.api.clone();
        match api.with(|state| watcher.turn(state)) {
            Turn::Lines(lines) => return Some((Ok(lines.into()), watcher)),
            Turn::End(lines) => {
                watcher.is_over = true;
                return Some((Ok(lines.into()), watcher));
            }
            Turn::Cut => {
                watcher.is_over = true;
                return Some((Err(io::ErrorKind::ConnectionReset.into()), watcher));
            }
            Turn::Wait => {}
        }
        let Watcher { changed, deadline, .. } = &mut watcher;
        let is_in_time = match deadline {
            Some(deadline) => tokio::select! {
                changed = changed.changed() => changed.is_ok(),
                () = deadline.as_mut() => false,
            },
            None => changed.changed().await.is_ok(),
        };
        if !is_in_time {
            return None;
        }
    }
}

impl Watcher {
    fn turn(&mut self, state: &State) -> Turn {
        let mut lines = vec![];
        if self.cursor < state.compacted {
            line(&mut lines, "ERROR", &Refusal::expired().status());
            return Turn::End(lines);
        }
        let start = state.history.partition_point(|change| change.revision <= self.cursor);
        for change in &state.history[start..] {
            self.tell(change, &mut lines);
        }
        self.cursor = self.cursor.max(state.revision);
        while let Some(interruption) = state.interruptions.get(self.interruptions) {
            self.interruptions += 1;
            match interruption {
                // What was not sent before is lost, and sent to the next watch.
                Interruption::Cut => return Turn::Cut,
                Interruption::Expire => {
                    line(&mut lines, "ERROR", &Refusal::expired().status());
                    return Turn::End(lines);
                }
                Interruption::Bookmark if self.call.query("allowWatchBookmarks") == "true" => {
                    line(&mut lines, "BOOKMARK", &bookmark(&self.call, &self.target, self.cursor));
                }
                Interruption::Bookmark => {}
            }
        }
        if lines.is_empty() { Turn::Wait } else { Turn::Lines(lines) }
    }

    fn tell(&self, change: &Change, lines: &mut Vec<u8>) {
        let is_meant = change.kind.group == self.target.kind.group
            && change.kind.plural == self.target.kind.plural
            && (self.target.namespace.is_empty() || self.target.namespace == change.namespace);
        if !is_meant {
            return;
        }
        let selects = |object: &Option<std::sync::Arc<Value>>| {
            object.as_ref().is_some_and(|object| {
                matches_labels(self.call.query("labelSelector"), object)
                    && matches_fields(self.call.query("fieldSelector"), object)
            })
        };
        let (event, object) = match (selects(&change.before), selects(&change.after)) {
            (false, false) => return,
            (false, true) => ("ADDED", &change.after),
            (true, true) => ("MODIFIED", &change.after),
            (true, false) => ("DELETED", &change.before),
        };
        let Some(object) = object else { return };
        let mut object = shown(&self.call, object);
        object["metadata"]["resourceVersion"] = json!(change.revision.to_string());
        line(lines, event, &object);
    }
}

fn line(lines: &mut Vec<u8>, event: &str, object: &Value) {
    serde_json::to_writer(&mut *lines, &json!({"type": event, "object": object})).unwrap();
    lines.push(b'\n');
}

fn bookmark(call: &Call, target: &Target, revision: u64) -> Value {
    let object = json!({"apiVersion": target.kind.api_version(), "kind": target.kind.kind,
        "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null}});
    if call.metadata_only { metadata_of(&object) } else { object }
}
