//! What the API server writes down about each request, for the tests that ask who did what.

use serde_json::{Value, json};

/// Metadata (user, verb, object, code) of every finished request, but for the control plane's own reading and
/// its leases, which would bury the rest.
pub(crate) fn policy() -> Value {
    let control_plane =
        ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"];
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": control_plane, "verbs": ["get", "list", "watch"]},
            {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
            {"level": "None", "userGroups": ["system:nodes"], "resources": [
                {"group": "coordination.k8s.io", "resources": ["leases"]},
            ]},
            {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*", "/openapi/*", "/version"]},
            {"level": "Metadata"},
        ],
    })
}
