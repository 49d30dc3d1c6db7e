//! From what people wrote to what the domain works with.
//!
//! Two layers, one answer. The *shape* (types, bounds, patterns, enumerations, keys of lists) is read from the very schema the API server
//! enforces, so that both cannot disagree. The *meaning* (cron, references, certificates, fields that contradict each other) is checked
//! by parsing into domain types. Every problem of an object is said, not the first one only.

mod baseline;
mod cidr;
mod exception;
mod policy;
mod problem;
mod public_key;
mod registry;
mod remediation;
mod report;
mod rules;
mod scan;
mod selector;
pub(crate) mod shape;
mod text;

pub use baseline::{Baseline, BaselineTarget};
pub use problem::{Fault, Problem, Problems};
pub use scan::{Scan, ScanOf};

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use report::Report;

/// The longest message of a parser that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// Reads an object as strictly as `kubectl` does: the shape, and no unknown field. For the command line and for tests; the operator
/// reads leniently, through [`kube::Api`].
///
/// # Errors
/// Everything that is wrong with its shape. Its meaning is checked by the conversion into the domain.
pub fn read<K: Resource<DynamicType = ()> + DeserializeOwned>(object: &Value) -> Result<K, Problems> {
    let mut report = Report::default();
    for (field, expected) in [("apiVersion", K::api_version(&())), ("kind", K::kind(&()))] {
        if object.get(field).and_then(Value::as_str) != Some(&expected) {
            report.say(field, Fault::WrongKind { expected: expected.into_owned() });
        }
    }
    shape::check(&K::kind(&()), object, &mut report);
    match serde_json::from_value(without_nulls(object)) {
        Ok(read) => report.finish(Some(read)),
        Err(error) => {
            if report.is_empty() {
                // A parser's message may quote what came.
                let said = breakwater_core::printable::line(&error.to_string(), MAX_MESSAGE);
                report.say("", Fault::Unreadable(said));
            }
            report.finish(None)
        }
    }
}

/// The API server prunes nulls of fields that are not nullable; none of ours is.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
