//! Who wrote which field, and server-side apply on top of it (KEP-555, `sigs.k8s.io/structured-merge-diff`).
//!
//! A field is a path to a leaf. Lists are leaves, except those that the API's types merge by a key, see [`list_key`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::merge::merge;

pub(crate) type Path = Vec<String>;

/// A writer of fields: one entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) name: String,
    /// Applies and other writes of one name own fields apart from each other.
    pub(crate) is_apply: bool,
    /// `status`, or empty.
    pub(crate) subresource: &'static str,
}

/// The fields of each writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owners(BTreeMap<Manager, BTreeSet<Path>>);

/// Metadata that the server writes, or that only names the object.
const SERVER: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl Owners {
    /// The names of the writers of a field.
    pub(crate) fn of(&self, path: &Path) -> BTreeSet<String> {
        self.0.iter().filter(|(_, paths)| paths.contains(path)).map(|(by, _)| by.name.clone()).collect()
    }

    /// After a write that is no apply: what it changed is the writer's alone, what it removed is of no one.
    pub(crate) fn update(&mut self, by: &Manager, before: &Value, after: &Value) {
        let (before, after) = (leaves(before), leaves(after));
        let mut mine = BTreeSet::new();
        for (path, value) in &after {
            if before.get(path) != Some(value) {
                mine.insert(path.clone());
            }
        }
        for paths in self.0.values_mut() {
            paths.retain(|path| after.contains_key(path) && !mine.contains(path));
        }
        if !mine.is_empty() {
            self.0.entry(by.clone()).or_default().extend(mine);
        }
        self.0.retain(|_, paths| !paths.is_empty());
    }

    /// Applies `body` on `live`. What the manager owned and leaves out now is removed, unless another owns it as well.
    ///
    /// A field that another manager owns with another value is a conflict, returned as `manager: field`; with `force` it changes hands.
    pub(crate) fn apply(
        &mut self,
        by: &Manager,
        live: &Value,
        body: &Value,
        force: bool,
    ) -> Result<Value, Vec<String>> {
        let wanted = leaves(body);
        let current = leaves(live);
        let mut conflicts = vec![];
        for (path, value) in &wanted {
            if current.get(path) == Some(value) {
                continue;
            }
            for (other, paths) in &mut self.0 {
                // A leaf also takes the place of whatever stood above or below it.
                let taken: Vec<_> = if other == by {
                    vec![]
                } else {
                    paths.iter().filter(|at| at.starts_with(path) || path.starts_with(at)).cloned().collect()
                };
                for at in taken {
                    conflicts.push(format!("conflict with \"{}\": .{}", other.name, at.join(".")));
                    if force {
                        paths.remove(&at);
                    }
                }
            }
        }
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        let now: BTreeSet<Path> = wanted.into_keys().collect();
        let before = self.0.insert(by.clone(), now.clone()).unwrap_or_default();
        let mut object = live.clone();
        for path in before.difference(&now) {
            if !self.0.values().any(|paths| paths.contains(path)) {
                remove(&mut object, path);
            }
        }
        lay_over(&mut object, body, "");
        self.0.retain(|_, paths| !paths.is_empty());
        Ok(object)
    }
}

/// The key by which the items of a list are told apart (`x-kubernetes-list-map-keys`, `patchMergeKey`).
fn list_key(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "containers" | "env" | "ephemeralContainers" | "initContainers" | "volumes" => Some("name"),
        _ => None,
    }
}

/// The key of a list whose items all have one.
fn keyed<'a>(field: &str, items: &'a [Value]) -> Option<Vec<(String, &'a Value)>> {
    let key = list_key(field)?;
    items.iter().map(|item| Some((format!("[{key}={}]", item[key].as_str()?), item))).collect()
}

/// The fields of an object that have owners, with their values.
fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !SERVER.contains(&key.as_str()) {
                        collect(vec!["metadata".into(), key.clone()], value, &mut found);
                    }
                }
            }
            _ => collect(vec![key.clone()], value, &mut found),
        }
    }
    found
}

fn collect(path: Path, value: &Value, found: &mut BTreeMap<Path, Value>) {
    let below = |segment: String| [path.as_slice(), &[segment]].concat();
    match value {
        Value::Null => {}
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                collect(below(key.clone()), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            match keyed(path.last().map_or("", String::as_str), items) {
                Some(items) => {
                    for (segment, item) in items {
                        collect(below(segment), item, found);
                    }
                }
                None => {
                    found.insert(path, value.clone());
                }
            }
        }
        _ => {
            found.insert(path, value.clone());
        }
    }
}

/// Removes a leaf, and what becomes empty by that.
fn remove(at: &mut Value, path: &[String]) {
    let Some((segment, rest)) = path.split_first() else { return };
    match at {
        Value::Object(fields) => {
            if rest.is_empty() {
                fields.remove(segment);
            } else if let Some(below) = fields.get_mut(segment) {
                remove(below, rest);
                if is_empty(below) {
                    fields.remove(segment);
                }
            }
        }
        Value::Array(items) => {
            let Some((key, value)) = segment.trim_start_matches('[').trim_end_matches(']').split_once('=')
            else {
                return;
            };
            if let Some(position) = items.iter().position(|item| item[key] == value) {
                remove(&mut items[position], rest);
                if is_empty(&items[position]) {
                    items.remove(position);
                }
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn lay_over(into: &mut Value, from: &Value, field: &str) {
    match from {
        Value::Null => {}
        Value::Object(fields) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            for (key, value) in fields {
                if !value.is_null() {
                    lay_over(
                        into.as_object_mut().unwrap().entry(key.clone()).or_insert(Value::Null),
                        value,
                        key,
                    );
                }
            }
        }
        Value::Array(items) if into.is_array() && keyed(field, items).is_some() => {
            let key = list_key(field).unwrap();
            let into = into.as_array_mut().unwrap();
            for item in items {
                match into.iter_mut().find(|known| known[key] == item[key]) {
                    Some(known) => lay_over(known, item, ""),
                    None => into.push(item.clone()),
                }
            }
        }
        _ => merge(into, from),
    }
}
