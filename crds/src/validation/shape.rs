//! Checks JSON against the schemas of our own definitions, as the API server does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::Value;

use super::{problem::Fault, report::Report};
use crate::{definition, schema};

/// The longest name of a field that is shown, in characters.
const MAX_NAME: usize = 80;

/// A schema with its patterns compiled.
#[derive(Debug)]
struct Shape {
    type_: Option<String>,
    required: Vec<String>,
    properties: BTreeMap<String, Shape>,
    values: Option<Box<Shape>>,
    items: Option<Box<Shape>>,
    max_properties: Option<i64>,
    max_items: Option<i64>,
    min_items: Option<i64>,
    max_length: Option<i64>,
    min_length: Option<i64>,
    minimum: Option<i64>,
    maximum: Option<i64>,
    pattern: Option<Regex>,
    one_of: Vec<Value>,
    is_set: bool,
    keys: Vec<String>,
    takes_anything: bool,
}

static SHAPES: LazyLock<BTreeMap<String, Shape>> = LazyLock::new(|| {
    let shape = |definition: CustomResourceDefinition| {
        let version = definition.spec.versions.into_iter().next()?;
        let root = version.schema?.open_api_v3_schema?;
        Some((definition.spec.names.kind, Shape::from(&root)))
    };
    definition::all().into_iter().filter_map(shape).collect()
});

/// Checks a whole object of this kind, unknown fields included.
pub(super) fn check(kind: &str, object: &Value, report: &mut Report) {
    if let Some(shape) = SHAPES.get(kind) {
        shape.check("", object, report);
    }
}

/// Checks the spec of an object of this kind.
pub(super) fn check_spec(kind: &str, spec: &Value, report: &mut Report) {
    if let Some(shape) = SHAPES.get(kind).and_then(|shape| shape.properties.get("spec")) {
        shape.check("spec", spec, report);
    }
}

/// Cuts strings and lists of a status to the bounds of its schema, and says whether anything was cut.
pub(crate) fn cut_status(kind: &str, status: &mut Value) -> bool {
    let shape = SHAPES.get(kind).and_then(|shape| shape.properties.get("status"));
    shape.is_some_and(|shape| shape.cut(status))
}

impl From<&JSONSchemaProps> for Shape {
    fn from(schema: &JSONSchemaProps) -> Self {
        // Bounds of integers are integers; JSON Schema writes them as floats.
        let whole = |bound: Option<f64>| bound.map(|bound| bound as i64);
        Self {
            type_: schema.type_.clone(),
            required: schema.required.clone().unwrap_or_default(),
            properties: schema
                .properties
                .iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), schema.into()))
                .collect(),
            values: match &schema.additional_properties {
                Some(JSONSchemaPropsOrBool::Schema(values)) => Some(Box::new(values.as_ref().into())),
                _ => None,
            },
            items: match &schema.items {
                Some(JSONSchemaPropsOrArray::Schema(items)) => Some(Box::new(items.as_ref().into())),
                _ => None,
            },
            max_properties: schema.max_properties,
            max_items: schema.max_items,
            min_items: schema.min_items,
            max_length: schema.max_length,
            min_length: schema.min_length,
            minimum: whole(schema.minimum),
            maximum: whole(schema.maximum),
            // A test compiles every pattern.
            pattern: schema.pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok()),
            one_of: schema.enum_.iter().flatten().map(|value| value.0.clone()).collect(),
            is_set: schema.x_kubernetes_list_type.as_deref() == Some("set"),
            keys: schema.x_kubernetes_list_map_keys.clone().unwrap_or_default(),
            takes_anything: schema.x_kubernetes_preserve_unknown_fields == Some(true),
        }
    }
}

impl Shape {
    fn check(&self, path: &str, value: &Value, report: &mut Report) {
        match (self.type_.as_deref(), value) {
            (Some("string"), Value::String(text)) => self.check_text(path, text, report),
            (Some("integer"), Value::Number(number)) if number.is_i64() => {
                self.check_number(path, number.as_i64().unwrap_or_default(), report);
            }
            (Some("array"), Value::Array(items)) => self.check_items(path, items, report),
            (Some("object"), Value::Object(fields)) => self.check_fields(path, fields, report),
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some(expected), _) => report.say(path, Fault::Type(expected.to_owned())),
        }
    }

    fn cut(&self, value: &mut Value) -> bool {
        let fits = |count: usize, max: Option<i64>| max.is_none_or(|max| !exceeds(count, max));
        let room = |max: Option<i64>| max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        match value {
            Value::String(text) => {
                let cut = !fits(text.chars().count(), self.max_length);
                if cut {
                    *text = breakwater_core::printable::line(text, room(self.max_length));
                }
                cut
            }
            Value::Array(items) => {
                let cut = !fits(items.len(), self.max_items);
                items.truncate(room(self.max_items));
                let Some(shape) = &self.items else { return cut };
                items.iter_mut().fold(cut, |cut, item| shape.cut(item) || cut)
            }
            Value::Object(fields) => fields.iter_mut().fold(false, |cut, (name, field)| {
                self.properties.get(name).is_some_and(|shape| shape.cut(field)) || cut
            }),
            _ => false,
        }
    }

    fn check_text(&self, path: &str, text: &str, report: &mut Report) {
        let length = text.chars().count();
        if let Some(max) = self.max_length.filter(|max| exceeds(length, *max)) {
            report.say(path, Fault::TooLong { length, max });
        }
        if let Some(min) = self.min_length.filter(|min| falls_short(length, *min)) {
            report.say(path, Fault::TooShort { length, min });
        }
        let shown = || breakwater_core::printable::line(text, 80);
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            report
                .say(path, Fault::Pattern { value: shown(), expected: schema::example_of(pattern.as_str()) });
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|allowed| allowed == text) {
            let expected: Vec<&str> = self.one_of.iter().filter_map(Value::as_str).collect();
            report.say(path, Fault::NotOneOf { value: shown(), expected: expected.join(", ") });
        }
    }

    fn check_number(&self, path: &str, value: i64, report: &mut Report) {
        if self.minimum.is_some_and(|min| value < min) || self.maximum.is_some_and(|max| value > max) {
            let bound = |bound: Option<i64>, open: &str| bound.map_or(open.to_owned(), |b| b.to_string());
            let (min, max) = (bound(self.minimum, "any"), bound(self.maximum, "any"));
            report.say(path, Fault::OutOfRange { value, min, max });
        }
    }

    fn check_items(&self, path: &str, items: &[Value], report: &mut Report) {
        let count = items.len();
        if let Some(max) = self.max_items.filter(|max| exceeds(count, *max)) {
            report.say(path, Fault::TooMany { count, max });
            // The rest would only be noise, and unbounded.
            return;
        }
        if let Some(min) = self.min_items.filter(|min| falls_short(count, *min)) {
            report.say(path, Fault::TooFew { count, min });
        }
        let mut seen = BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            let path = format!("{path}[{position}]");
            if let Some(identity) = self.identity(item).filter(|identity| !seen.insert(identity.clone())) {
                report.say(&path, Fault::Duplicate(breakwater_core::printable::line(&identity, 80)));
            }
            if let Some(shape) = &self.items {
                shape.check(&path, item, report);
            }
        }
    }

    /// What may be in a list only once.
    fn identity(&self, item: &Value) -> Option<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if self.is_set {
            return Some(text(item));
        }
        let keys: Vec<String> =
            self.keys.iter().map(|key| item.get(key).map_or_else(String::new, text)).collect();
        (!keys.is_empty()).then(|| keys.join("/"))
    }

    fn check_fields(&self, path: &str, fields: &serde_json::Map<String, Value>, report: &mut Report) {
        // Names of fields that there are not, and keys of maps, are whatever somebody wrote.
        let below = |name: &str| {
            let name = breakwater_core::printable::line(name, MAX_NAME);
            if path.is_empty() { name } else { format!("{path}.{name}") }
        };
        for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
            report.say(below(name), Fault::Missing);
        }
        if let Some(max) = self.max_properties.filter(|max| exceeds(fields.len(), *max)) {
            report.say(path, Fault::TooMany { count: fields.len(), max });
            return;
        }
        for (name, value) in fields {
            // A null is pruned by the API server: the field is absent.
            if value.is_null() && !self.required.contains(name) {
                continue;
            }
            match (self.properties.get(name), &self.values) {
                (Some(shape), _) => shape.check(&below(name), value, report),
                (None, Some(values)) => values.check(&below(name), value, report),
                (None, None) if self.takes_anything => {}
                (None, None)
                    if path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) => {}
                (None, None) => report.say(below(name), Fault::UnknownField),
            }
        }
    }
}

fn exceeds(count: usize, max: i64) -> bool {
    i64::try_from(count).unwrap_or(i64::MAX) > max
}

fn falls_short(count: usize, min: i64) -> bool {
    i64::try_from(count).unwrap_or(i64::MAX) < min
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_has_an_example() {
        fn walk(schema: &JSONSchemaProps, seen: &mut usize) {
            if let Some(pattern) = &schema.pattern {
                Regex::new(pattern).unwrap();
                assert_ne!(schema::example_of(pattern), schema::NO_EXAMPLE, "{pattern}");
                *seen += 1;
            }
            schema.properties.iter().flat_map(BTreeMap::values).for_each(|schema| walk(schema, seen));
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
                walk(items, seen);
            }
        }
        let mut seen = 0;
        for definition in definition::all() {
            let version = &definition.spec.versions[0];
            walk(version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap(), &mut seen);
        }
        assert!(seen > 50, "{seen}");
    }
}
