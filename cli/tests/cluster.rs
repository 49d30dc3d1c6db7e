//! `breakwater explain` and `breakwater undo` against an API server of this test, which plays the operator's part.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

const NONCE: &str = "f00d";

#[derive(Clone)]
struct Api {
    deployment: Arc<Mutex<Value>>,
    patches: Arc<Mutex<Vec<Value>>>,
    /// Whether an operator acts on what is asked.
    operator: bool,
}

async fn api(operator: bool, contained: bool) -> (Api, tempfile::TempDir) {
    let copy = json!({"nonce": NONCE, "action": "ScaleToZero", "previousReplicas": 3,
        "restore": "kubectl -n demo scale deployment web --replicas=3"});
    let annotations =
        if contained { json!({"breakwater.dev/mitigation": copy.to_string()}) } else { json!({}) };
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo", "annotations": annotations},
        "spec": {"replicas": if contained { 0 } else { 3 },
            "template": {"spec": {"containers": [{"name": "web", "image": "registry.test/web:1"}]}}}});
    let api = Api { deployment: Arc::new(Mutex::new(deployment)), patches: Arc::default(), operator };
    let routes = Router::new()
        .route("/apis/apps/v1/namespaces/demo/deployments/web", get(read).patch(patch))
        .route("/apis/breakwater.dev/v1alpha1/imagepolicies", get(|| async { Json(policies()) }))
        .route("/apis/breakwater.dev/v1alpha1/scanjobs", get(|| async { Json(scans()) }))
        .route("/apis/breakwater.dev/v1alpha1/namespaces/breakwater-system/scanjobs", get(|| async { Json(scans()) }))
        .route("/apis/breakwater.dev/v1alpha1/namespaces/demo/scanjobs", get(|| async { Json(json!({"kind": "ScanJobList", "apiVersion": "breakwater.dev/v1alpha1", "metadata": {}, "items": []})) }))
        .route("/api/v1/namespaces/demo/pods", get(|| async { Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})) }))
        .route("/apis/apps/v1/namespaces/demo/replicasets", get(|| async { Json(json!({"kind": "ReplicaSetList", "apiVersion": "apps/v1", "metadata": {}, "items": []})) }))
        .route("/api/v1/namespaces/demo", get(|| async { Json(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "demo"}})) }))
        .fallback(|| async {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "message": "not found", "code": 404});
            (StatusCode::NOT_FOUND, Json(status))
        })
        .with_state(api.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "demo"}}]});
    std::fs::write(directory.path().join("config"), kubeconfig.to_string()).unwrap();
    (api, directory)
}

async fn read(State(api): State<Api>) -> Json<Value> {
    Json(api.deployment.lock().unwrap().clone())
}

/// The operator sees the nonce, restores the replicas and takes its marks away.
async fn patch(State(api): State<Api>, Json(body): Json<Value>) -> impl IntoResponse {
    let asked = body["metadata"]["annotations"]["breakwater.dev/undo"] == NONCE;
    api.patches.lock().unwrap().push(body);
    if asked && api.operator {
        let deployment = Arc::clone(&api.deployment);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut deployment = deployment.lock().unwrap();
            deployment["spec"]["replicas"] = json!(3);
            deployment["metadata"]["annotations"] = json!({});
        });
    }
    Json(api.deployment.lock().unwrap().clone())
}

fn policies() -> Value {
    json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicyList", "metadata": {}, "items": [{
    "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
    "metadata": {"name": "baseline", "namespace": "demo"}, "spec": {"rules": {}},
    "status": {
        "violations": [{"kind": "Deployment", "namespace": "demo", "name": "web", "rules": ["BW-VUL-001"],
            "since": "2026-11-22T10:00:00Z"}],
        "mitigations": [{"workload": "Deployment/demo/web", "action": "ScaleToZero", "mode": "DryRun",
            "state": "Planned", "reason": "missing opt-in: namespace label breakwater.dev/remediation=enabled"}]
    }}]})
}

fn scans() -> Value {
    json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJobList", "metadata": {}, "items": [{
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob",
        "metadata": {"name": "run-1", "namespace": "breakwater-system"},
        "spec": {"image": "registry.test/web:1"},
        "status": {"completionTime": "2026-11-22T10:00:00Z",
            "summary": {"critical": 2, "high": 1, "packages": 12, "fixableTotal": 3},
            "topFindings": [{"id": "CVE-2021-44906", "severity": "Critical", "package": "minimist",
                "installed": "1.2.0", "fixed": "1.2.6"}]}}]})
}

async fn breakwater(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn config(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("config")
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_names_the_containment_and_waits_for_the_replicas() {
    let (api, directory) = api(true, true).await;
    let ended = breakwater(&config(&directory), &["undo", "web", "-n", "demo"]).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(
        text(&ended.stdout).contains("Deployment/demo/web has 3 replicas again"),
        "{}",
        text(&ended.stdout)
    );
    let patches = api.patches.lock().unwrap().clone();
    assert_eq!(patches, [json!({"metadata": {"annotations": {"breakwater.dev/undo": NONCE}}})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_without_an_operator_says_how_to_do_it_by_hand() {
    let (_, directory) = api(false, true).await;
    let ended = breakwater(&config(&directory), &["undo", "deploy/web", "--timeout", "1s"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        text(&ended.stderr).contains("kubectl -n demo scale deployment web --replicas=3"),
        "{}",
        text(&ended.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_of_nothing_writes_nothing() {
    let (api, directory) = api(true, false).await;
    let ended = breakwater(&config(&directory), &["undo", "web"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(text(&ended.stderr).contains("nothing to undo"));
    assert!(api.patches.lock().unwrap().is_empty());
    let ended = breakwater(&config(&directory), &["undo", "other"]).await;
    assert!(text(&ended.stderr).contains("Deployment/demo/other does not exist"), "{}", text(&ended.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_rules_findings_and_the_missing_opt_in() {
    let (_, directory) = api(true, false).await;
    let ended = breakwater(&config(&directory), &["explain", "web"]).await;
    let said = text(&ended.stdout);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    println!("{said}");
    for words in [
        "Deployment/demo/web",
        "policy demo/baseline",
        "breaks BW-VUL-001 vulnerabilities.max since 2026-11-22T10:00:00Z",
        "ScaleToZero (DryRun): Planned",
        "missing opt-in: namespace label breakwater.dev/remediation=enabled",
        "2 critical, 1 high",
        "CVE-2021-44906 Critical minimist 1.2.0, fixed in 1.2.6",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_it_says_what_to_set() {
    let ended = breakwater(Path::new("/nonexistent/config"), &["explain", "web"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(text(&ended.stderr).contains("KUBECONFIG"), "{}", text(&ended.stderr));
}
