//! Label and field selectors, as query parameters write them.

use serde_json::Value;

/// Reports whether labels meet a selector: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`, joined by commas.
pub(crate) fn matches_labels(selector: &str, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    terms(selector).all(|term| {
        let value = |key: &str| labels[key.trim()].as_str();
        if let Some((key, set)) = term.split_once(" notin ") {
            !value(key).is_some_and(|value| one_of(set, value))
        } else if let Some((key, set)) = term.split_once(" in ") {
            value(key).is_some_and(|value| one_of(set, value))
        } else if let Some((key, wanted)) = term.split_once("!=") {
            value(key) != Some(wanted.trim())
        } else if let Some((key, wanted)) = term.split_once('=') {
            value(key) == Some(wanted.trim_start_matches('=').trim())
        } else if let Some(absent) = term.strip_prefix('!') {
            value(absent).is_none()
        } else {
            value(term).is_some()
        }
    })
}

/// Reports whether fields meet a selector: `path=value` and `path!=value`. Absent fields are empty.
pub(crate) fn matches_fields(selector: &str, object: &Value) -> bool {
    terms(selector).all(|term| {
        let (path, wanted, is_equal) = match term.split_once("!=") {
            Some((path, wanted)) => (path, wanted, false),
            None => term.split_once('=').map_or((term, "", true), |(path, wanted)| (path, wanted, true)),
        };
        let field = path.split('.').fold(object, |at, key| &at[key]);
        let value = field.as_str().map_or_else(|| field.as_bool().map(|b| b.to_string()), |s| Some(s.into()));
        (value.unwrap_or_default() == wanted.trim_start_matches('=')) == is_equal
    })
}

/// The terms between those commas that are in no parentheses.
fn terms(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    selector
        .split(move |character| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            character == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
}

fn one_of(set: &str, value: &str) -> bool {
    set.trim().trim_start_matches('(').trim_end_matches(')').split(',').any(|one| one.trim() == value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_fields() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}, "status": {"phase": "Running"}});
        for selector in
            ["", "app=web", "app==web,tier", "app in (api, web),!gone", "tier notin (back),app!=api", "x!=y"]
        {
            assert!(matches_labels(selector, &object), "{selector}");
        }
        for selector in ["app=api", "gone", "!app", "app in (api)", "app notin (web)", "app!=web"] {
            assert!(!matches_labels(selector, &object), "{selector}");
        }
        assert!(matches_fields("metadata.name=web,status.phase!=Failed,spec.nodeName=", &object));
        assert!(!matches_fields("status.phase=Pending", &object));
    }
}
