//! Kubernetes objects as far as they are read. What is not named here is skipped while it is parsed and never takes memory: a pod of
//! ten kilobytes leaves a few hundred bytes.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Namespace, Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// Annotations under this prefix are kept; others can be as large as the object itself (`last-applied-configuration`).
const KEPT_ANNOTATIONS: &str = "breakwater.dev/";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

/// Reads metadata without managed fields, foreign annotations and owners that are not the controller.
pub(crate) fn meta<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let Meta {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        labels,
        annotations,
        owner_references,
    } = Meta::deserialize(from)?;
    let annotations = annotations.map(|all| all.into_iter().filter(|(key, _)| is_kept(key)).collect());
    let owner_references =
        owner_references.map(|all| all.into_iter().filter(|owner| owner.controller == Some(true)).collect());
    Ok(ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        labels,
        annotations,
        owner_references,
        ..ObjectMeta::default()
    })
}

pub(super) fn is_kept(annotation: &str) -> bool {
    annotation.starts_with(KEPT_ANNOTATIONS)
}

#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "Pod")]
#[serde(default)]
pub(super) struct PodObject {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

/// The part of a pod spec that names images, and by what rights they run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) containers: Vec<ContainerSpec>,
    pub(super) init_containers: Option<Vec<ContainerSpec>>,
    pub(super) ephemeral_containers: Option<Vec<ContainerSpec>>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) security_context: Option<SecurityContext>,
    pub(super) image_pull_secrets: Option<Vec<Named>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerSpec {
    pub(super) name: String,
    pub(super) image: Option<String>,
    pub(super) security_context: Option<SecurityContext>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SecurityContext {
    pub(super) run_as_user: Option<i64>,
    pub(super) run_as_non_root: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) image: Option<ImageVolume>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImageVolume {
    pub(super) reference: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    pub(super) container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) init_container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    #[serde(rename = "imageID")]
    pub(super) image_id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateSpec {
    pub(super) replicas: Option<i32>,
    pub(super) template: Template,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    pub(super) spec: PodSpec,
}

/// An object with a pod template in `spec.template`.
macro_rules! templated {
    ($name:ident, $kind:literal) => {
        #[derive(Debug, Clone, Default, Deserialize, Resource)]
        #[resource(inherit = $kind)]
        #[serde(default)]
        pub(super) struct $name {
            #[serde(deserialize_with = "meta")]
            pub(super) metadata: ObjectMeta,
            pub(super) spec: TemplateSpec,
        }
    };
}

templated!(DeploymentObject, "Deployment");
templated!(StatefulSetObject, "StatefulSet");
templated!(DaemonSetObject, "DaemonSet");

#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "Job")]
#[serde(default)]
pub(super) struct JobObject {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: TemplateSpec,
    pub(super) status: JobStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobStatus {
    pub(super) conditions: Option<Vec<JobCondition>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobCondition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
}

#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "CronJob")]
#[serde(default)]
pub(super) struct CronJobObject {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: CronJobSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CronJobSpec {
    pub(super) job_template: JobTemplate,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobTemplate {
    pub(super) spec: TemplateSpec,
}

#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "Namespace")]
#[serde(default)]
pub(super) struct NamespaceObject {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
}

#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "Node")]
#[serde(default)]
pub(super) struct NodeObject {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) status: NodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeStatus {
    pub(super) node_info: NodeInfo,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeInfo {
    pub(super) operating_system: String,
    pub(super) architecture: String,
}
