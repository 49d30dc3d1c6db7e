//! What `kubectl wait`, Argo CD and Flux see of our objects through their life.

use std::time::Duration;

use breakwater_crds::{imagepolicy::ImagePolicy, runtimebaseline::RuntimeBaseline, scanjob::ScanJob};
use breakwater_e2e::kstatus::{Kstatus, kstatus};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::support::{
    client,
    namespace::with_namespace,
    objects::{create, image_policy, now, scan_job},
    product::image,
    wait::eventually,
};

async fn becomes<K>(client: &Client, namespace: &str, name: &str, wanted: Kstatus)
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
    K::DynamicType: Default,
{
    eventually(&format!("{name} is {wanted:?}"), Duration::from_secs(90), || async {
        let object = serde_json::to_value(now::<K>(client, namespace, name).await).expect("JSON");
        if kstatus(&object) == wanted { Ok(()) } else { Err(object) }
    })
    .await;
}

fn first_sight<K: Serialize>(object: &K) -> Kstatus {
    kstatus(&serde_json::to_value(object).expect("JSON"))
}

#[tokio::test]
async fn objects_are_in_progress_then_current_and_failed_only_when_somebody_must_act() {
    let client = client().await;
    let tiny = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;

        let scan = scan_job(&client, &namespace, "good", json!({"image": tiny})).await;
        assert_eq!(first_sight(&scan), Kstatus::InProgress, "nobody looked yet");
        becomes::<ScanJob>(&client, &namespace, "good", Kstatus::Current).await;
        scan_job(&client, &namespace, "bad", json!({"image": format!("{tiny}none"), "attempts": 1})).await;
        becomes::<ScanJob>(&client, &namespace, "bad", Kstatus::Failed).await;
        scan_job(&client, &namespace, "later", json!({"image": tiny, "suspend": true})).await;
        becomes::<ScanJob>(&client, &namespace, "later", Kstatus::InProgress).await;

        let policy = image_policy(&client, &namespace, "policy", json!({"rules": {"image": {"allowRootUser": false}}})).await;
        assert_eq!(first_sight(&policy), Kstatus::InProgress);
        becomes::<ImagePolicy>(&client, &namespace, "policy", Kstatus::Current).await;
        let policies: Api<ImagePolicy> = Api::namespaced(client.clone(), &namespace);
        // The API server cannot tell that only the operator's namespace may select others; the controller can.
        let foreign = Patch::Merge(json!({"spec": {"selector": {"namespaceSelector": {}}}}));
        policies.patch("policy", &PatchParams::default(), &foreign).await.expect("the API server takes it");
        becomes::<ImagePolicy>(&client, &namespace, "policy", Kstatus::Failed).await;
        let mended = Patch::Merge(json!({"spec": {"selector": null}}));
        policies.patch("policy", &PatchParams::default(), &mended).await.expect("the API server takes it");
        becomes::<ImagePolicy>(&client, &namespace, "policy", Kstatus::Current).await;

        let baseline: RuntimeBaseline = create(&client, &namespace, json!({
            "apiVersion": "breakwater.dev/v1alpha1", "kind": "RuntimeBaseline", "metadata": {"name": "baseline"},
            "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}},
        }))
        .await;
        assert_eq!(first_sight(&baseline), Kstatus::InProgress);
        // Its target is not there: it waits, and nobody has to mend the object.
        becomes::<RuntimeBaseline>(&client, &namespace, "baseline", Kstatus::InProgress).await;
    })
    .await;
}
