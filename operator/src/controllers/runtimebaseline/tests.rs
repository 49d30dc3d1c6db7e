//! One reconcile as the API server sees it, and every answer a person can get.

use std::sync::Arc;

use breakwater_crds::{
    RuntimeBaseline, RuntimeBaselineStatus,
    names::conditions::{LEARNED, PROMOTABLE, READY, RECONCILING, SENSOR_CONNECTED, STALLED, UNSUPPORTED},
    runtimebaseline::BaselineMode,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::{Room, reconcile};
use crate::{
    config::Config, context::Context, kube::conditions, store::fake_api::FakeApi, workloads::Workloads,
};

const PATH: &str = "/apis/breakwater.dev/v1alpha1/namespaces/shop/runtimebaselines/web";

/// A cluster with one Deployment `shop/web`, and the baseline under test.
struct Story {
    api: FakeApi,
    room: Arc<Room>,
}

impl Story {
    async fn of(spec: Value) -> Self {
        let api = FakeApi::default();
        let labels = json!({"app": "web"});
        api.hold("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop", "uid": "n"}}));
        api.hold(
            "/apis/apps/v1/namespaces/shop/deployments/web",
            json!({"metadata": {"name": "web", "namespace": "shop", "uid": "d", "labels": labels},
                "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}),
        );
        api.hold(
            PATH,
            json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "RuntimeBaseline",
                "metadata": {"name": "web", "namespace": "shop", "uid": "b", "generation": 4,
                    "annotations": {"breakwater.dev/requested-at": "today"}},
                "spec": spec, "status": {"observedGeneration": -1}}),
        );
        let context = Context::new(api.client(), "breakwater-system", "pod-1", Config::default());
        let workloads = Workloads::start(&context);
        workloads.ready().await;
        Self { api, room: Arc::new(Room { context, workloads }) }
    }

    async fn reconcile(&self) -> RuntimeBaselineStatus {
        reconcile(Arc::new(self.baseline()), self.room.clone()).await.unwrap();
        self.baseline().status.unwrap()
    }

    fn baseline(&self) -> RuntimeBaseline {
        serde_json::from_value(self.api.object(PATH).unwrap()).unwrap()
    }
}

fn of<'a>(status: &'a RuntimeBaselineStatus, type_: &str) -> Option<(&'a str, &'a str)> {
    let condition: Option<&Condition> = conditions::get(&status.conditions, type_);
    condition.map(|condition| (condition.status.as_str(), condition.reason.as_str()))
}

#[tokio::test]
async fn a_valid_baseline_is_ready_and_says_that_nobody_watches() {
    let story = Story::of(
        json!({"selector": {"workloadSelector": {"matchLabels": {"app": "web"}}}, "mode": "Enforce"}),
    )
    .await;
    let status = story.reconcile().await;
    assert_eq!(of(&status, READY), Some(("True", "Succeeded")));
    assert_eq!(of(&status, SENSOR_CONNECTED), Some(("False", "NoSensor")));
    assert_eq!(of(&status, LEARNED), Some(("Unknown", "NoSensor")));
    assert_eq!(of(&status, PROMOTABLE), Some(("Unknown", "NoSensor")));
    assert_eq!(of(&status, UNSUPPORTED), Some(("True", "FieldsNotCarriedOut")));
    let unsupported = &conditions::get(&status.conditions, UNSUPPORTED).unwrap().message;
    assert!(unsupported.contains("spec.mode;"), "{unsupported}");
    assert_eq!((status.observed_mode, status.observed_generation), (Some(BaselineMode::Off), Some(4)));
    assert_eq!(
        (status.workloads.unwrap().total, status.last_handled_request_at.as_deref()),
        (1, Some("today"))
    );
}

#[tokio::test]
async fn a_second_reconcile_writes_nothing() {
    let story =
        Story::of(json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}})).await;
    story.reconcile().await;
    assert_eq!(story.api.take_writes(), [format!("PATCH {PATH}/status")]);
    story.reconcile().await;
    assert_eq!(story.api.take_writes(), [""; 0]);
}

#[tokio::test]
async fn a_target_that_does_not_exist_is_waited_for() {
    let story =
        Story::of(json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}})).await;
    let status = story.reconcile().await;
    assert_eq!(of(&status, RECONCILING), Some(("True", "TargetNotFound")));
    assert_eq!(of(&status, READY), Some(("Unknown", "TargetNotFound")));
}

#[tokio::test]
async fn an_invalid_spec_is_stalled_and_the_field_is_named() {
    let story = Story::of(json!({"selector": {}, "learning": {"duration": "7d"}})).await;
    let status = story.reconcile().await;
    assert_eq!(of(&status, STALLED), Some(("True", "InvalidSpec")));
    let message = &conditions::get(&status.conditions, READY).unwrap().message;
    assert!(message.contains("spec.learning.duration"), "{message}");
    assert_eq!((status.observed_mode, status.workloads), (None, None));
}

#[tokio::test]
async fn namespaces_are_selected_from_the_operators_own_only() {
    let story = Story::of(json!({"selector": {"namespaceSelector": {}}})).await;
    assert_eq!(of(&story.reconcile().await, STALLED), Some(("True", "ForeignNamespace")));
}

#[tokio::test]
async fn an_object_that_is_being_deleted_is_left_alone() {
    let story = Story::of(json!({"selector": {}})).await;
    let mut leaving = story.baseline();
    leaving.metadata.deletion_timestamp = Some(conditions::time("2026-01-01T00:00:00Z".parse().unwrap()));
    reconcile(Arc::new(leaving), story.room.clone()).await.unwrap();
    assert_eq!(story.api.take_writes(), [""; 0]);
}
