//! What the server holds: objects, their history and who wrote them.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use breakwater_core::Digest;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    apply::{Manager, Owners},
    call::{Call, Request, Target, Verb},
    faults::Plan,
    kinds::Kind,
    refusal::Refusal,
};

/// Group and plural, namespace, name.
pub(crate) type Key = ((&'static str, &'static str), String, String);
/// A status code and a body.
pub(crate) type Answer = (u16, Value);
/// Answers the review of a kind (its plural) with its `status`.
pub(crate) type Reviewer = Arc<dyn Fn(&str, &Value) -> Value + Send + Sync>;

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) kind: Kind,
    pub(crate) object: Value,
    pub(crate) owners: Owners,
}

/// One entry of the history that watches read.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) before: Option<Arc<Value>>,
    /// Absent after a deletion.
    pub(crate) after: Option<Arc<Value>>,
}

/// What happens to all watches that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    Cut,
    Expire,
    Bookmark,
}

pub(crate) struct State {
    pub(crate) objects: BTreeMap<Key, Stored>,
    pub(crate) revision: u64,
    /// Watches and pages from before this revision are too old.
    pub(crate) compacted: u64,
    pub(crate) history: Vec<Change>,
    pub(crate) interruptions: Vec<Interruption>,
    pub(crate) defined: Vec<Kind>,
    pub(crate) requests: Vec<Request>,
    pub(crate) plan: Plan,
    /// Requests that take effect when the test says so, each with its place in `requests`.
    pub(crate) late: VecDeque<(usize, Call)>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) reviewer: Reviewer,
    /// How many evictions a disruption budget allows, by namespace.
    pub(crate) disruptions: BTreeMap<String, usize>,
    /// What nodes call an image, by the template's name of it.
    pub(crate) image_ids: BTreeMap<String, String>,
    created: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            revision: 1,
            compacted: 0,
            history: vec![],
            interruptions: vec![],
            defined: vec![],
            requests: vec![],
            plan: Plan::default(),
            late: VecDeque::new(),
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            reviewer: Arc::new(|plural, _| match plural {
                "tokenreviews" => json!({"authenticated": false}),
                _ => json!({"allowed": true}),
            }),
            disruptions: BTreeMap::new(),
            image_ids: BTreeMap::new(),
            created: 0,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("revision", &self.revision).finish_non_exhaustive()
    }
}

pub(crate) fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
    ((kind.group, kind.plural), namespace.into(), name.into())
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        key(&self.kind, &self.namespace, &self.name)
    }
}

impl State {
    /// Carries a request out. A dry run is carried out and taken back.
    pub(crate) fn handle(&mut self, call: &Call) -> Answer {
        let before = call.is_dry_run().then(|| {
            (self.objects.clone(), self.revision, self.history.len(), self.created, self.disruptions.clone())
        });
        let answer = self.carry_out(call).unwrap_or_else(|refusal| (refusal.code, refusal.status()));
        if let Some((objects, revision, length, created, disruptions)) = before {
            (self.objects, self.revision, self.created) = (objects, revision, created);
            self.disruptions = disruptions;
            self.history.truncate(length);
        }
        answer
    }

    fn carry_out(&mut self, call: &Call) -> Result<Answer, Refusal> {
        let target = call.target.as_ref().ok_or_else(Refusal::unknown_path)?;
        let not_allowed =
            || Refusal::new(405, "the server does not allow this method on the requested resource");
        if target.kind.is_review() {
            return if call.request.verb == Verb::Create {
                Ok(self.review(call))
            } else {
                Err(not_allowed())
            };
        }
        match (call.request.verb, target.subresource.as_deref()) {
            (Verb::Get, None) => self.read(call, target),
            (Verb::List, None) => self.list(call, target),
            (Verb::Create, None) if target.name.is_empty() => self.create(call, target),
            (Verb::Update, None) if !target.name.is_empty() => self.replace(call, target, ""),
            (Verb::Patch, None) if !target.name.is_empty() => self.patch(call, target, ""),
            (Verb::Delete, None) => self.delete(call, target),
            (Verb::DeleteCollection, None) => self.delete_collection(call, target),
            (verb, Some("status")) if target.kind.has_status => match verb {
                Verb::Get => self.read(call, target),
                Verb::Update => self.replace(call, target, "status"),
                Verb::Patch => self.patch(call, target, "status"),
                _ => Err(not_allowed()),
            },
            (verb, Some("scale")) if target.kind.group == "apps" && target.kind.plural != "daemonsets" => {
                match verb {
                    Verb::Get => self.read_scale(target),
                    Verb::Update | Verb::Patch => self.write_scale(call, target),
                    _ => Err(not_allowed()),
                }
            }
            (Verb::Create, Some("eviction")) if target.kind.plural == "pods" => self.evict(call, target),
            (_, Some(_)) => Err(Refusal::unknown_path()),
            _ => Err(not_allowed()),
        }
    }

    pub(crate) fn stored(&self, target: &Target) -> Result<&Stored, Refusal> {
        self.objects.get(&target.key()).ok_or_else(|| Refusal::not_found(&target.kind, &target.name))
    }

    /// Stores an object as a new revision and returns it as stored. A write that changes nothing makes no revision: the real server
    /// leaves it out as well (`GuaranteedUpdate` of `k8s.io/apiserver/pkg/storage/etcd3`).
    pub(crate) fn commit(&mut self, mut stored: Stored) -> Value {
        let metadata = &stored.object["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        let namespace = text("namespace");
        let key = key(&stored.kind, &namespace, &text("name"));
        // The last finalizer of an object that is to go lets it go.
        let is_going = !metadata["deletionTimestamp"].is_null() && !text("deletionTimestamp").is_empty();
        let is_graceful = metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) > 0;
        let has_finalizers = metadata["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let before = self.objects.get(&key);
        if before.is_some() && is_going && !is_graceful && !has_finalizers {
            self.remove(&key);
            return stored.object;
        }
        if let Some(before) = before
            && before.object == stored.object
            && before.owners == stored.owners
        {
            return stored.object;
        }
        let before = before.map(|before| Arc::new(before.object.clone()));
        self.revision += 1;
        stored.object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = stored.object.clone();
        let after = Some(Arc::new(object.clone()));
        self.history.push(Change { revision: self.revision, kind: stored.kind, namespace, before, after });
        self.objects.insert(key, stored);
        object
    }

    /// Removes an object, as a new revision.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Value> {
        let Stored { kind, mut object, .. } = self.objects.remove(key)?;
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let before = Some(Arc::new(object.clone()));
        let namespace = key.1.clone();
        self.history.push(Change { revision: self.revision, kind, namespace, before, after: None });
        Some(object)
    }

    /// What the server writes into a new object's metadata.
    pub(crate) fn give_birth(&mut self, kind: &Kind, object: &mut Value) {
        self.created += 1;
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.kind);
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012x}", self.created));
        metadata["creationTimestamp"] = json!(timestamp(self.now));
        if kind.has_status {
            metadata["generation"] = json!(1);
        }
    }

    /// As a person or a controller would: stores the object whatever was there. Keeps a uid that is given, and the status.
    pub(crate) fn put(&mut self, kind: Kind, mut object: Value) -> Value {
        if kind.is_namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!("default");
        }
        let given = object["metadata"].clone();
        let text = |name: &str| given[name].as_str().unwrap_or_default();
        let known = self.objects.get(&key(&kind, text("namespace"), text("name"))).cloned();
        let (before, mut owners) = known.map_or((Value::Null, Owners::default()), |s| (s.object, s.owners));
        let is_same = given["uid"].is_null() || given["uid"] == before["metadata"]["uid"];
        if !before.is_null() && is_same {
            for name in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
                object["metadata"][name] = before["metadata"][name].clone();
            }
            bump_generation(&kind, &before, &mut object);
        } else {
            self.give_birth(&kind, &mut object);
            for name in ["uid", "creationTimestamp", "generation"] {
                if !given[name].is_null() {
                    object["metadata"][name] = given[name].clone();
                }
            }
        }
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.kind);
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|_, value| !value.is_null());
        }
        let by = Manager { name: "test".into(), is_apply: false, subresource: "" };
        owners.update(&by, &before, &object);
        self.commit(Stored { kind, object, owners })
    }

    /// A number that no call before had, for generated names.
    pub(crate) fn next_suffix(&mut self) -> String {
        self.created += 1;
        Digest::of(&self.created.to_be_bytes()).hex()[..5].to_owned()
    }

    fn review(&self, call: &Call) -> Answer {
        crate::access::answer(&self.reviewer, call)
    }
}

pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metadata.generation` grows with every change outside of metadata and status.
pub(crate) fn bump_generation(kind: &Kind, before: &Value, after: &mut Value) {
    if !kind.has_status {
        return;
    }
    let spec = |object: &Value| {
        let fields = object.as_object().into_iter().flatten();
        let spec: BTreeMap<String, Value> = fields
            .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        spec
    };
    if spec(before) != spec(after) {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
        after["metadata"]["generation"] = json!(generation + 1);
    }
}
