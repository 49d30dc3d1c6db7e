//! POST, PUT, PATCH and DELETE.

use serde_json::{Value, json};

use crate::{
    apply::{Manager, Owners},
    call::{Call, Target},
    merge::merge,
    reads::shown,
    refusal::Refusal,
    state::{Answer, Key, State, Stored, bump_generation, timestamp},
};

/// What the server alone writes: requests cannot change it.
const FIXED: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// `TotalAnnotationSizeLimitB` of `k8s.io/apimachinery/pkg/api/validation`.
const MAX_ANNOTATIONS: usize = 256 << 10;
/// The most that `data` of a ConfigMap or Secret holds (`MaxSecretSize` of `k8s.io/kubernetes/pkg/apis/core`).
const MAX_DATA: usize = 1 << 20;

impl Call {
    fn manager_of(&self, is_apply: bool, subresource: &'static str) -> Manager {
        Manager { name: self.manager().into(), is_apply, subresource }
    }
}

impl State {
    pub(crate) fn create(&mut self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let mut object = body(call)?;
        check_identity(target, &object)?;
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(Refusal::new(400, "resourceVersion should not be set on objects to be created"));
        }
        let mut name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty()
            && let Some(prefix) = object["metadata"]["generateName"].as_str()
        {
            name = format!("{prefix}{}", self.next_suffix());
        }
        let target = Target { name, ..target.clone() };
        if self.objects.contains_key(&target.key()) {
            return Err(Refusal::already_exists(&target.kind, &target.name));
        }
        let object = self.birth(call, &target, &mut object, Owners::default(), false)?;
        Ok((201, shown(call, &object)))
    }

    fn birth(
        &mut self,
        call: &Call,
        target: &Target,
        object: &mut Value,
        mut owners: Owners,
        is_apply: bool,
    ) -> Result<Value, Refusal> {
        object["metadata"]["name"] = json!(target.name);
        if target.kind.is_namespaced {
            object["metadata"]["namespace"] = json!(target.namespace);
        }
        if target.kind.has_status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        self.give_birth(&target.kind, object);
        check(target, object)?;
        if !is_apply {
            owners.update(&call.manager_of(false, ""), &Value::Null, object);
        }
        Ok(self.commit(Stored { kind: target.kind, object: object.clone(), owners }))
    }

    /// PUT: the object as it is sent, on top of the version that is named.
    pub(crate) fn replace(
        &mut self,
        call: &Call,
        target: &Target,
        subresource: &'static str,
    ) -> Result<Answer, Refusal> {
        let sent = body(call)?;
        check_identity(target, &sent)?;
        let before = self.stored(target)?.clone();
        check_preconditions(target, &sent["metadata"], &before.object)?;
        let names_version = sent["metadata"]["resourceVersion"].as_str().is_some_and(|v| !v.is_empty());
        if !names_version && !target.kind.allows_unconditional_update() {
            let why = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update";
            return Err(Refusal::invalid(&target.kind, &target.name, why));
        }
        let by = call.manager_of(false, subresource);
        self.store_update(call, target, before, sent, &by)
    }

    /// PATCH: a merge patch, or server-side apply.
    pub(crate) fn patch(
        &mut self,
        call: &Call,
        target: &Target,
        subresource: &'static str,
    ) -> Result<Answer, Refusal> {
        if call.content_type.starts_with("application/apply-patch") {
            return self.apply(call, target, subresource);
        }
        let is_merge = ["application/merge-patch+json", "application/strategic-merge-patch+json"]
            .iter()
            .any(|kind| call.content_type.starts_with(kind));
        if !is_merge {
            return Err(Refusal::new(415, format!("the fake reads no patch of type {}", call.content_type)));
        }
        let sent = body(call)?;
        let before = self.stored(target)?.clone();
        check_preconditions(target, &sent["metadata"], &before.object)?;
        let mut object = before.object.clone();
        merge(&mut object, &sent);
        let by = call.manager_of(false, subresource);
        self.store_update(call, target, before, object, &by)
    }

    fn apply(&mut self, call: &Call, target: &Target, subresource: &'static str) -> Result<Answer, Refusal> {
        if call.query("fieldManager").is_empty() {
            return Err(Refusal::new(400, "fieldManager is required for apply patch"));
        }
        let sent = body(call)?;
        check_identity(target, &sent)?;
        for field in ["apiVersion", "kind"] {
            if sent[field].is_null() {
                return Err(Refusal::new(400, format!("an apply names its {field}")));
            }
        }
        let by = call.manager_of(true, subresource);
        let force = call.query("force") == "true";
        let mut sent = sent;
        keep_to(target, subresource, &mut sent);
        let Some(before) = self.objects.get(&target.key()).cloned() else {
            if !subresource.is_empty() {
                return Err(Refusal::not_found(&target.kind, &target.name));
            }
            // `k8s.io/apiserver/pkg/registry/generic/registry/store.go`: an apply that names a uid never creates.
            if sent["metadata"]["uid"].is_string() {
                let why =
                    "uid mismatch: the provided object specified a uid, and no existing object was found";
                return Err(Refusal::conflict(&target.kind, &target.name, why));
            }
            let mut owners = Owners::default();
            let mut object = owners.apply(&by, &json!({}), &sent, true).unwrap_or_default();
            let object = self.birth(call, target, &mut object, owners, true)?;
            return Ok((201, shown(call, &object)));
        };
        check_preconditions(target, &sent["metadata"], &before.object)?;
        let mut owners = before.owners.clone();
        let mut object = owners.apply(&by, &before.object, &sent, force).map_err(|conflicts| {
            let message =
                format!("Apply failed with {} conflicts: {}", conflicts.len(), conflicts.join(", "));
            Refusal::new(409, message)
        })?;
        keep_fixed(&before.object, &mut object);
        bump_generation(&target.kind, &before.object, &mut object);
        check(target, &object)?;
        let object = self.commit(Stored { kind: target.kind, object, owners });
        Ok((200, shown(call, &object)))
    }

    /// Stores what a PUT or a merge patch made of an object.
    fn store_update(
        &mut self,
        call: &Call,
        target: &Target,
        before: Stored,
        mut object: Value,
        by: &Manager,
    ) -> Result<Answer, Refusal> {
        let Stored { kind, object: live, mut owners } = before;
        if by.subresource == "status" {
            // Only the status counts there.
            let status = object["status"].take();
            object = live.clone();
            object["status"] = status;
        } else if kind.has_status {
            object["status"] = live["status"].clone();
        }
        if object["status"].is_null()
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        object["apiVersion"] = live["apiVersion"].clone();
        object["kind"] = live["kind"].clone();
        keep_fixed(&live, &mut object);
        bump_generation(&kind, &live, &mut object);
        check(target, &object)?;
        owners.update(by, &live, &object);
        let object = self.commit(Stored { kind, object, owners });
        Ok((200, shown(call, &object)))
    }

    pub(crate) fn delete(&mut self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let options = call.request.body.clone();
        let live = self.stored(target)?.object.clone();
        check_preconditions(target, &options["preconditions"], &live)?;
        let uid = live["metadata"]["uid"].clone();
        match self.let_go(&target.key(), options["gracePeriodSeconds"].as_u64()) {
            Some(object) => Ok((200, shown(call, &object))),
            None => Ok((
                200,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": {"name": target.name, "group": target.kind.group, "kind": target.kind.plural, "uid": uid}}),
            )),
        }
    }

    pub(crate) fn delete_collection(&mut self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let (_, list) = self.list(call, target)?;
        let keys: Vec<Key> = self.selected(call, target).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.let_go(&key, call.request.body["gracePeriodSeconds"].as_u64());
        }
        Ok((200, list))
    }

    /// Removes an object, or marks it as terminating where finalizers hold it or a pod still ends. Returns what is left of it.
    pub(crate) fn let_go(&mut self, key: &Key, grace: Option<u64>) -> Option<Value> {
        let mut stored = self.objects.get(key)?.clone();
        let metadata = &mut stored.object["metadata"];
        let has_finalizers = metadata["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let grace = if stored.kind.plural == "pods" { grace.unwrap_or(30) } else { 0 };
        if !has_finalizers && grace == 0 {
            self.remove(key);
            return None;
        }
        if metadata["deletionTimestamp"].is_null() {
            metadata["deletionTimestamp"] = json!(timestamp(self.now));
            metadata["deletionGracePeriodSeconds"] = json!(grace);
        }
        Some(self.commit(stored))
    }
}

fn body(call: &Call) -> Result<Value, Refusal> {
    let body = call.request.body.clone();
    if body.is_object() { Ok(body) } else { Err(Refusal::new(400, "the body is not a JSON object")) }
}

/// The body speaks of what the path names.
fn check_identity(target: &Target, object: &Value) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let differs = |value: &Value, wanted: &str| value.as_str().is_some_and(|s| !s.is_empty() && s != wanted);
    if differs(&object["kind"], target.kind.kind)
        || differs(&object["apiVersion"], &target.kind.api_version())
    {
        return Err(Refusal::new(400, "the kind of the data does not match the kind of the path"));
    }
    if !target.name.is_empty() && differs(&metadata["name"], &target.name) {
        return Err(Refusal::new(400, "the name of the object does not match the name on the URL"));
    }
    if target.kind.is_namespaced && differs(&metadata["namespace"], &target.namespace) {
        return Err(Refusal::new(
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// The uid and the resourceVersion that a request names are those of the live object.
pub(crate) fn check_preconditions(target: &Target, wanted: &Value, live: &Value) -> Result<(), Refusal> {
    let named = |name: &str| wanted[name].as_str().filter(|value| !value.is_empty());
    let live = &live["metadata"];
    if named("uid").is_some_and(|uid| live["uid"] != uid) {
        return Err(Refusal::uid(&target.kind, &target.name, &wanted["uid"], &live["uid"]));
    }
    if named("resourceVersion").is_some_and(|version| live["resourceVersion"] != version) {
        return Err(Refusal::modified(&target.kind, &target.name));
    }
    Ok(())
}

/// An apply to an object leaves out its status, an apply to the status all else (`GetResetFields` of the strategies).
fn keep_to(target: &Target, subresource: &str, sent: &mut Value) {
    let Some(fields) = sent.as_object_mut() else { return };
    if subresource == "status" {
        fields.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| FIXED.contains(&key.as_str()));
        }
    } else if target.kind.has_status {
        fields.remove("status");
    }
}

fn keep_fixed(live: &Value, object: &mut Value) {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    for name in FIXED {
        match &live["metadata"][name] {
            Value::Null => metadata.remove(*name),
            value => metadata.insert((*name).into(), value.clone()),
        };
    }
    // A field that is there and empty is not there.
    metadata.retain(|_, value| !value.is_null());
}

/// Bounds that the real server keeps and that writers must know of.
fn check(target: &Target, object: &Value) -> Result<(), Refusal> {
    let name = &target.name;
    let invalid = |why: &str| Err(Refusal::invalid(&target.kind, name, why));
    let is_name = !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.']);
    if !is_name {
        return invalid("metadata.name: Invalid value: a lowercase RFC 1123 subdomain is required");
    }
    let size = |map: &Value| -> usize {
        map.as_object().into_iter().flatten().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum()
    };
    if size(&object["metadata"]["annotations"]) > MAX_ANNOTATIONS {
        return invalid("metadata.annotations: Too long: may not be more than 262144 bytes");
    }
    let labels = object["metadata"]["labels"].as_object();
    if labels.into_iter().flatten().any(|(_, value)| value.as_str().is_none_or(|value| value.len() > 63)) {
        return invalid("metadata.labels: Invalid value: must be no more than 63 characters");
    }
    let holds_data = matches!(target.kind.plural, "configmaps" | "secrets") && target.kind.group.is_empty();
    if holds_data && size(&object["data"]) + size(&object["binaryData"]) > MAX_DATA {
        return invalid("[]: Too long: may not be more than 1048576 bytes");
    }
    Ok(())
}
