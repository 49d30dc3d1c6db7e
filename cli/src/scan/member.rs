//! JSON objects that get members one by one.

use serde_json::Value;

/// Gives `object` a member; what is no object stays as it is.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}
