//! The operator may do what it does, and does nothing that it may not.

use std::collections::BTreeSet;

use super::support::{
    audit::{Mark, OPERATOR},
    product::NAMESPACE,
};

/// Verb and resource of every rule in the installed roles that are bound to the operator.
fn granted() -> BTreeSet<(String, String)> {
    let output = std::process::Command::new("kubectl")
        .args(["get", "clusterroles,roles", "-A", "-l", "app.kubernetes.io/part-of=breakwater", "-o", "json"])
        .output()
        .expect("kubectl runs");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let words = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let mut granted = BTreeSet::new();
    for role in list["items"].as_array().into_iter().flatten() {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        if !name.starts_with("breakwater-operator") && !name.starts_with("breakwater-remediation") {
            continue;
        }
        for rule in role["rules"].as_array().into_iter().flatten() {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        let path =
                            if group.is_empty() { resource.clone() } else { format!("{group}/{resource}") };
                        granted.insert((verb, path));
                    }
                }
            }
        }
    }
    granted
}

#[test]
fn nothing_is_refused_and_nothing_is_a_wildcard() {
    let granted = granted();
    assert!(!granted.is_empty(), "the roles carry app.kubernetes.io/part-of=breakwater");
    let wildcards: Vec<_> =
        granted.iter().filter(|(verb, path)| verb.contains('*') || path.contains('*')).collect();
    assert!(wildcards.is_empty(), "{wildcards:?}");
    let requests = Mark::beginning().requests_of(OPERATOR);
    assert!(requests.len() > 20, "the operator is at work");
    let refused: BTreeSet<_> = requests
        .iter()
        .filter(|request| request.response_status.code == 403)
        // A namespace that ends refuses creates; that is no lack of rights.
        .filter(|request| !granted.contains(&(request.verb.clone(), request.resource())))
        .map(|request| (request.verb.clone(), request.resource(), request.object_ref.namespace.clone()))
        .collect();
    assert!(refused.is_empty(), "the role lacks {refused:#?}");
}

#[test]
fn writes_outside_the_own_namespace_are_of_the_few_kinds_that_are_named() {
    let allowed = |request: &super::support::audit::Request| {
        let resource = request.resource();
        request.object_ref.namespace == NAMESPACE
            || resource.starts_with("breakwater.dev/")
            || resource == "events.k8s.io/events"
            || resource.starts_with("authentication.k8s.io/")
            || resource.starts_with("authorization.k8s.io/")
            || matches!(
                resource.as_str(),
                "apps/deployments"
                    | "apps/deployments/scale"
                    | "apps/statefulsets"
                    | "apps/statefulsets/scale"
                    | "pods/eviction"
                    | "pods"
            )
    };
    let odd: BTreeSet<_> = Mark::beginning()
        .requests_of(OPERATOR)
        .into_iter()
        .filter(|request| request.is_write() && !allowed(request))
        .map(|request| (request.verb.clone(), request.resource(), request.object_ref.namespace.clone()))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
}
