//! The one way a status is written: server-side apply to the status subresource, skipped when it would change nothing.

use std::time::Duration;

use breakwater_crds::names::managers;
use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// From one status write to the next of the same object, if no condition changes.
pub const PACE: TimeDelta = TimeDelta::minutes(1);
/// What never waits: verdicts, answers to people, and what was done to workloads.
const URGENT: [&str; 4] = ["conditions", "observedGeneration", "lastHandledRequestAt", "mitigations"];

/// One writer per field; the manager says who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldManager {
    Controller,
    Intake,
    Mitigation,
}

impl FieldManager {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Controller => managers::CONTROLLER,
            Self::Intake => managers::INTAKE,
            Self::Mitigation => managers::MITIGATION,
        }
    }
}

/// Makes `status` what `manager` says about `current`, and returns whether that needed a write.
///
/// `status` is all that `manager` says: a field it said before and leaves out now is removed. Fields of other managers stay. Nothing is
/// written when the object already says so (transition times are not compared), or when it is gone.
///
/// Assumes: `current` was read from the API with its `metadata.managedFields`. Without them all of its status counts as the manager's.
///
/// # Errors
/// What the API server answered. A re-created object of the same name is refused by UID.
pub async fn apply_status<K, S>(
    client: &Client,
    manager: FieldManager,
    current: &K,
    status: &S,
) -> Result<bool, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
    S: Serialize,
{
    let wanted = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    let object = serde_json::to_value(current).map_err(kube::Error::SerdeError)?;
    if says(&object, manager, &wanted) {
        return Ok(false);
    }
    let meta = current.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name, "namespace": namespace, "uid": meta.uid},
        "status": wanted,
    });
    let params = PatchParams::apply(manager.as_str()).force();
    let written = Api::<K>::namespaced(client.clone(), namespace)
        .patch_status(name, &params, &Patch::Apply(body))
        .await;
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long to wait before `status` is written, if it differs from what `current` says only in what may wait.
///
/// Conditions, `observedGeneration`, `lastHandledRequestAt` and `mitigations` never wait. Everything else is written at most once in [`PACE`], counted
/// from the manager's last write as the API server recorded it.
pub fn too_soon<K, S>(current: &K, manager: FieldManager, status: &S, now: DateTime<Utc>) -> Option<Duration>
where
    K: Resource<DynamicType = ()> + Serialize,
    S: Serialize,
{
    let (Ok(object), Ok(wanted)) = (serde_json::to_value(current), serde_json::to_value(status)) else {
        return None;
    };
    let urgent: Map<String, Value> =
        URGENT.iter().filter_map(|key| Some(((*key).to_owned(), wanted.get(key)?.clone()))).collect();
    if says(&object, manager, &wanted) || !holds(object.get("status")?, &Value::Object(urgent)) {
        return None;
    }
    let last = current.meta().managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(manager.as_str()) && entry.subresource.as_deref() == Some("status")
    })?;
    let last = DateTime::from_timestamp(last.time.as_ref()?.0.as_second(), 0)?;
    let left = (PACE - (now - last)).min(PACE).to_std().ok()?;
    (!left.is_zero()).then_some(left)
}

/// Whether the object's status already holds what is wanted, and the manager owns nothing beyond it.
fn says(object: &Value, manager: FieldManager, wanted: &Value) -> bool {
    let status = object.get("status").unwrap_or(&Value::Null);
    let Some(fields) = object.pointer("/metadata/managedFields").and_then(Value::as_array) else {
        return holds(status, wanted) && holds(wanted, status);
    };
    let owned = fields
        .iter()
        .filter(|entry| {
            entry["manager"] == manager.as_str()
                && entry["operation"] == "Apply"
                && entry["subresource"] == "status"
        })
        .filter_map(|entry| entry.pointer("/fieldsV1/f:status"));
    holds(status, wanted) && owned.into_iter().all(|paths| covers(wanted, paths))
}

/// Whether everything that `wanted` says stands in `have`.
fn holds(have: &Value, wanted: &Value) -> bool {
    match (have, wanted) {
        (Value::Object(have), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| match (key.as_str(), have.get(key)) {
                ("lastTransitionTime", Some(_)) => true,
                ("conditions", Some(have)) => holds_conditions(have, value),
                (_, Some(have)) => holds(have, value),
                (_, None) => false,
            })
        }
        // The only lists several managers share are the conditions; every other list is one writer's, whole.
        (have, wanted) => have == wanted,
    }
}

fn holds_conditions(have: &Value, wanted: &Value) -> bool {
    let (Some(have), Some(wanted)) = (have.as_array(), wanted.as_array()) else { return have == wanted };
    wanted.iter().all(|condition| {
        have.iter().any(|other| other["type"] == condition["type"] && holds(other, condition))
    })
}

/// Whether `wanted` still has every path of a `fieldsV1` tree: nothing owned would have to go.
///
/// Source: structured-merge-diff's FieldsV1: `f:` a field, `k:` an item by its keys, `v:` an item by value, `i:` by index, `.` itself.
fn covers(wanted: &Value, paths: &Value) -> bool {
    let none = Map::new();
    paths.as_object().unwrap_or(&none).iter().all(|(path, below)| {
        let child = match path.split_once(':') {
            None => return true,
            Some(("f", field)) => wanted.get(field),
            Some(("k", keys)) => item(wanted, keys),
            Some(("v", value)) => serde_json::from_str::<Value>(value)
                .ok()
                .and_then(|value| wanted.as_array()?.iter().find(|item| **item == value)),
            Some((_, index)) => index.parse::<usize>().ok().and_then(|index| wanted.get(index)),
        };
        child.is_some_and(|child| covers(child, below))
    })
}

fn item<'a>(list: &'a Value, keys: &str) -> Option<&'a Value> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    list.as_array()?.iter().find(|item| keys.iter().all(|(key, value)| item.get(key) == Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(status: Value, owned: Value) -> Value {
        json!({
            "metadata": {"managedFields": [
                {"manager": "breakwater/controller", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": owned}},
                {"manager": "breakwater/intake", "operation": "Apply", "subresource": "status",
                 "fieldsV1": {"f:status": {"f:target": {".": {}, "f:reference": {}}}}},
            ]},
            "status": status,
        })
    }

    const WHO: FieldManager = FieldManager::Controller;

    #[test]
    fn what_is_already_said_is_not_said_again() {
        let owned =
            json!({"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}}}, "f:result": {}});
        let current = object(
            json!({"result": "Passed", "target": {"reference": "a"},
                "conditions": [{"type": "Other", "status": "True"}, {"type": "Ready", "status": "True", "lastTransitionTime": "t1"}]}),
            owned,
        );
        let wanted = json!({"result": "Passed", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t2"}]});
        assert!(says(&current, WHO, &wanted));
    }

    #[test]
    fn a_changed_or_new_value_is_written() {
        let current = object(json!({"result": "Pending"}), json!({"f:result": {}}));
        assert!(!says(&current, WHO, &json!({"result": "Passed"})));
        assert!(!says(&current, WHO, &json!({"result": "Pending", "attempts": 1})));
    }

    #[test]
    fn a_value_no_longer_said_is_removed_if_it_is_ours() {
        let current = object(
            json!({"result": "Passed", "jobRef": {"name": "a"}}),
            json!({"f:result": {}, "f:jobRef": {"f:name": {}}}),
        );
        assert!(!says(&current, WHO, &json!({"result": "Passed"})));
        let theirs =
            object(json!({"result": "Passed", "target": {"reference": "a"}}), json!({"f:result": {}}));
        assert!(says(&theirs, WHO, &json!({"result": "Passed"})));
    }

    #[test]
    fn a_condition_no_longer_said_is_removed() {
        let owned = json!({"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}}, "k:{\"type\":\"Stalled\"}": {".": {}}}});
        let current = object(json!({"conditions": [{"type": "Ready"}, {"type": "Stalled"}]}), owned);
        assert!(!says(&current, WHO, &json!({"conditions": [{"type": "Ready"}]})));
    }

    #[test]
    fn without_managed_fields_the_whole_status_is_compared() {
        assert!(says(&json!({"status": {"a": 1}}), WHO, &json!({"a": 1})));
        assert!(!says(&json!({"status": {"a": 1, "b": 2}}), WHO, &json!({"a": 1})));
    }
}
