//! The few writes that touch what is not the operator's. Each carries the version or the identity of what was read.

use breakwater_core::{
    mitigation::Target,
    workload::{WorkloadKind, WorkloadRef},
};
use breakwater_crds::names::annotations;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        autoscaling::v1::{Scale, ScaleSpec},
        batch::v1::CronJob,
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{MitigationError, within};
use crate::kube::apply::FieldManager;

/// Sets the replicas of the object that was read; refused with a conflict if it changed since.
pub(super) async fn scale(
    client: &Client,
    workload: &WorkloadRef,
    target: &Target,
    replicas: i32,
) -> Result<(), MitigationError> {
    let scale = Scale {
        metadata: ObjectMeta {
            name: Some(workload.name.clone()),
            namespace: Some(workload.namespace.clone()),
            uid: Some(target.uid.clone()),
            resource_version: Some(target.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(ScaleSpec { replicas: Some(replicas) }),
        ..Scale::default()
    };
    let params = PostParams { field_manager: Some(FieldManager::Mitigation.as_str().into()), dry_run: false };
    let namespace = &workload.namespace;
    match workload.kind {
        WorkloadKind::Deployment => {
            let api = Api::<Deployment>::namespaced(client.clone(), namespace);
            within(api.replace_scale(&workload.name, &params, &scale)).await?;
        }
        WorkloadKind::StatefulSet => {
            let api = Api::<StatefulSet>::namespaced(client.clone(), namespace);
            within(api.replace_scale(&workload.name, &params, &scale)).await?;
        }
        WorkloadKind::CronJob => {
            let body = json!({
                "metadata": {"uid": target.uid, "resourceVersion": target.resource_version},
                "spec": {"suspend": replicas == 0},
            });
            let params = PatchParams { field_manager: params.field_manager, ..PatchParams::default() };
            let api = Api::<CronJob>::namespaced(client.clone(), namespace);
            within(api.patch(&workload.name, &params, &Patch::Merge(body))).await?;
        }
        kind => return Err(MitigationError::Unsupported(kind.as_str())),
    }
    Ok(())
}

/// Asks for the eviction of this very pod. `Ok(false)`: a disruption budget forbids it for now.
pub(super) async fn evict(
    client: &Client,
    namespace: &str,
    pod: &str,
    uid: &str,
) -> Result<bool, MitigationError> {
    // Not kube's own `evict`: it spells `deleteOptions` in a way the API server ignores, and with it the identity.
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let answer = api.create_subresource::<_, serde_json::Value>("eviction", pod, &params, &eviction);
    match within(answer).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_too_many() => Ok(false),
        // Gone, or another pod of that name: it is not there any more.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Applies the copy of the record, or removes it; refused with a conflict if the object changed since it was read.
pub(super) async fn annotate(
    client: &Client,
    workload: &WorkloadRef,
    target: &Target,
    copy: Option<&str>,
) -> Result<(), MitigationError> {
    let mut notes = serde_json::Map::new();
    if let Some(copy) = copy {
        notes.insert(annotations::MITIGATION.to_owned(), copy.into());
    }
    let body = json!({
        "apiVersion": workload.kind.api_version(),
        "kind": workload.kind.as_str(),
        // The UID keeps an apply from creating what was deleted meanwhile.
        "metadata": {
            "name": workload.name,
            "uid": target.uid,
            "resourceVersion": target.resource_version,
            "annotations": notes,
        },
    });
    let api =
        Api::<DynamicObject>::namespaced_with(client.clone(), &workload.namespace, &resource(workload.kind));
    let params = PatchParams::apply(FieldManager::Mitigation.as_str()).force();
    within(api.patch(&workload.name, &params, &Patch::Apply(body))).await?;
    Ok(())
}

fn resource(kind: WorkloadKind) -> ApiResource {
    let (group, version) = kind.api_version().split_once('/').unwrap_or(("", "v1"));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version().to_owned(),
        kind: kind.as_str().to_owned(),
        plural: format!("{}s", kind.as_str().to_lowercase()),
    }
}
