//! The `scale` subresource of Deployments, ReplicaSets and StatefulSets.
//!
//! As `k8s.io/kubernetes/pkg/registry/apps/deployment/storage` has it: a Scale carries the parent's uid and resourceVersion; both are
//! preconditions of its replacement, and an empty resourceVersion is none. A write bumps the parent's version and generation.

use serde_json::{Value, json};

use crate::{
    apply::Manager,
    call::{Call, Target, Verb},
    merge::merge,
    refusal::Refusal,
    state::{Answer, State, bump_generation},
    writes::check_preconditions,
};

impl State {
    pub(crate) fn read_scale(&self, target: &Target) -> Result<Answer, Refusal> {
        Ok((200, scale_of(&self.stored(target)?.object)))
    }

    pub(crate) fn write_scale(&mut self, call: &Call, target: &Target) -> Result<Answer, Refusal> {
        let mut stored = self.stored(target)?.clone();
        let sent = &call.request.body;
        check_preconditions(target, &sent["metadata"], &stored.object)?;
        let scale = if call.request.verb == Verb::Patch {
            let mut scale = scale_of(&stored.object);
            merge(&mut scale, sent);
            scale
        } else {
            sent.clone()
        };
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 {
            let why = "spec.replicas: Invalid value: must be greater than or equal to 0";
            return Err(Refusal::invalid(&target.kind, &target.name, why));
        }
        let before = stored.object.clone();
        stored.object["spec"]["replicas"] = json!(replicas);
        bump_generation(&target.kind, &before, &mut stored.object);
        let by = Manager { name: call.manager().into(), is_apply: false, subresource: "scale" };
        stored.owners.update(&by, &before, &stored.object);
        Ok((200, scale_of(&self.commit(stored))))
    }
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"]},
        // A Deployment without replicas has one: defaulted when it is written.
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or(1)},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0), "selector": selector.join(",")},
    })
}
