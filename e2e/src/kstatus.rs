//! What `kubectl wait`, Argo CD, Flux and Helm understand of an object, by the rules of kstatus (sigs.k8s.io/cli-utils, `pkg/kstatus`)
//! for kinds they do not know.

use serde_json::Value;

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kstatus {
    /// Not yet what its spec asks for.
    InProgress,
    /// What its spec asks for.
    Current,
    /// It will not become so without somebody doing something.
    Failed,
    /// Being deleted.
    Terminating,
}

/// The status of a live object. Deletion counts before all else; a status about an older generation says nothing; then `Reconciling` and
/// `Stalled`, which are there only while true; then `Ready`. An object without conditions is what it should be.
#[must_use]
pub fn kstatus(object: &Value) -> Kstatus {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Kstatus::Terminating;
    }
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    if observed.is_some() && observed != generation {
        return Kstatus::InProgress;
    }
    match (condition(object, "Reconciling"), condition(object, "Stalled"), condition(object, "Ready")) {
        (Some("True"), _, _) => Kstatus::InProgress,
        (_, Some("True"), _) => Kstatus::Failed,
        (_, _, Some("False" | "Unknown")) => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)?["status"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(observed: i64, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> =
            conditions.iter().map(|(type_, status)| json!({"type": type_, "status": status})).collect();
        json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed, "conditions": conditions}})
    }

    #[test]
    fn table() {
        for (observed, conditions, expected) in [
            (-1, &[][..], Kstatus::InProgress),
            (1, &[("Ready", "True")], Kstatus::InProgress),
            (2, &[("Ready", "True")], Kstatus::Current),
            (2, &[("Ready", "False")], Kstatus::InProgress),
            (2, &[("Ready", "Unknown")], Kstatus::InProgress),
            (2, &[("Ready", "False"), ("Reconciling", "True")], Kstatus::InProgress),
            (2, &[("Ready", "False"), ("Stalled", "True")], Kstatus::Failed),
            (2, &[("Ready", "True"), ("Compliant", "False")], Kstatus::Current),
        ] {
            assert_eq!(kstatus(&object(observed, conditions)), expected, "{observed} {conditions:?}");
        }
    }

    #[test]
    fn deletion_counts_before_all_else() {
        let mut doomed = object(1, &[("Stalled", "True")]);
        doomed["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(kstatus(&doomed), Kstatus::Terminating);
    }
}
