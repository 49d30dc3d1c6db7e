//! Objects as users would write them.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Resource, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use breakwater_crds::{imagepolicy::ImagePolicy, scanjob::ScanJob};

/// Creates what this JSON describes.
pub async fn create<K>(client: &Client, namespace: &str, object: Value) -> K
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
    K::DynamicType: Default,
{
    let object: K = serde_json::from_value(object).expect("the test writes a valid object");
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .unwrap_or_else(|error| panic!("cannot create {object:#?}: {error}"))
}

pub async fn scan_job(client: &Client, namespace: &str, name: &str, spec: Value) -> ScanJob {
    let object = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob", "metadata": {"name": name}, "spec": spec});
    create(client, namespace, object).await
}

pub async fn image_policy(client: &Client, namespace: &str, name: &str, spec: Value) -> ImagePolicy {
    let object = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": name}, "spec": spec});
    create(client, namespace, object).await
}

pub async fn deployment(
    client: &Client,
    namespace: &str,
    name: &str,
    image: &str,
    replicas: i32,
) -> Deployment {
    create(
        client,
        namespace,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {
                        "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "app", "image": image}],
                    },
                },
            },
        }),
    )
    .await
}

/// A condition's status and reason.
pub fn condition<K: Serialize>(object: &K, type_: &str) -> Option<(String, String)> {
    let object = serde_json::to_value(object).ok()?;
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    Some((found["status"].as_str()?.to_owned(), found["reason"].as_str()?.to_owned()))
}

/// The object as the API server has it now, whatever its kind.
pub async fn now<K>(client: &Client, namespace: &str, name: &str) -> K
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    Api::namespaced(client.clone(), namespace)
        .get(name)
        .await
        .unwrap_or_else(|error| panic!("cannot get {name}: {error}"))
}
