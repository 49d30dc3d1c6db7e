//! The corpus of `crds/testdata`, judged by a real API server: it must agree with `crds/tests/corpus.rs`, except about
//! `bad-controller`, which OpenAPI and CEL cannot tell from good. Files are sent as they are, byte by byte but for the namespace.
//!
//! Needs the custom resource definitions, not the operator.

use std::{
    fs,
    path::{Path, PathBuf},
};

use breakwater_crds::{ImagePolicy, RuntimeBaseline, ScanJob, ScanJobSpec, definition};
use futures::{StreamExt as _, stream};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Config, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::KubeConfigOptions,
    core::Request,
};
use serde_json::json;

/// Requests in flight: the API server is shared with other tests.
const CONCURRENCY: usize = 8;

async fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config =
        Config::from_kubeconfig(&KubeConfigOptions::default()).await.expect("a kubeconfig in KUBECONFIG");
    Client::try_from(config).expect("a client from a good kubeconfig")
}

/// A namespace of our own with the definitions of this tree in place.
async fn prepared() -> (Client, String) {
    let client = client().await;
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in definition::all() {
        let apply = PatchParams::apply("breakwater-e2e").force();
        definitions.patch(&definition.name_any(), &apply, &Patch::Apply(&definition)).await.unwrap();
        let established = kube::runtime::conditions::is_crd_established();
        kube::runtime::wait::await_condition(definitions.clone(), &definition.name_any(), established)
            .await
            .unwrap();
    }
    let metadata = ObjectMeta { generate_name: Some("api-corpus-".into()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let created = Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    (client, created.name_any())
}

async fn remove(client: Client, namespace: &str) {
    Api::<Namespace>::all(client).delete(namespace, &Default::default()).await.unwrap();
}

/// The objects of ours in a folder of this repository, one a file, folders in it included.
fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let below = |path: PathBuf| match fs::read_dir(&path) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => vec![path],
    };
    let mut files: Vec<_> = below(root).into_iter().flat_map(below).collect();
    let is_ours = |text: String| {
        text.lines().find(|line| line.starts_with("apiVersion: "))
            == Some("apiVersion: breakwater.dev/v1alpha1")
    };
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "yaml")
            && fs::read_to_string(path).is_ok_and(is_ours)
    });
    files.sort();
    files
}

/// A strict server-side dry run of creating what the file says.
async fn create(client: &Client, namespace: &str, path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let url = match text.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap() {
        "ImagePolicy" => ImagePolicy::url_path(&(), Some(namespace)),
        "ScanJob" => ScanJob::url_path(&(), Some(namespace)),
        "RuntimeBaseline" => RuntimeBaseline::url_path(&(), Some(namespace)),
        other => panic!("{other} is no kind of ours"),
    };
    let here = |line: &str| {
        if line.starts_with("  namespace: ") {
            format!("  namespace: {namespace}\n")
        } else {
            format!("{line}\n")
        }
    };
    let body: String = text.lines().map(here).collect();
    let mut request = Request::new(&url).create(&PostParams::default(), body.into_bytes()).unwrap();
    *request.uri_mut() = format!("{url}?dryRun=All&fieldValidation=Strict").parse().unwrap();
    request.headers_mut().insert("content-type", "application/yaml".parse().unwrap());
    match client.request_text(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{}: {other}", path.display()),
    }
}

/// What the API server says about each file of a folder that is not as `expected`.
async fn surprises(
    client: &Client,
    namespace: &str,
    folder: &str,
    expected: impl Fn(&Path, Result<(), String>) -> Option<String>,
) -> Vec<String> {
    let judged = stream::iter(files(folder))
        .map(|path| async move {
            let answer = create(client, namespace, &path).await;
            (path, answer)
        })
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    assert!(judged.len() >= 8, "{folder} has {} objects", judged.len());
    let said = |(path, answer): (PathBuf, _)| {
        expected(&path, answer).map(|said| format!("{}: {said}", path.display()))
    };
    judged.into_iter().filter_map(said).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_agrees_with_the_validation() {
    let (client, namespace) = prepared().await;
    let accepted = |_: &Path, answer: Result<(), String>| answer.err();
    let refused = |path: &Path, answer: Result<(), String>| {
        let text = fs::read_to_string(path).unwrap();
        let field = text.lines().next().unwrap().trim_start_matches("# expect: ").to_owned();
        match answer {
            Ok(()) => Some("accepted".to_owned()),
            Err(message) => (!message.contains(&field)).then(|| format!("expected {field}, said {message}")),
        }
    };
    let mut wrong = surprises(&client, &namespace, "crds/testdata/good", accepted).await;
    wrong.extend(surprises(&client, &namespace, "crds/testdata/bad-controller", accepted).await);
    wrong.extend(surprises(&client, &namespace, "crds/testdata/bad", refused).await);
    wrong.extend(surprises(&client, &namespace, "examples", accepted).await);
    remove(client, &namespace).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_job_is_a_frozen_question() {
    let (client, namespace) = prepared().await;
    let jobs = Api::<ScanJob>::namespaced(client.clone(), &namespace);
    let spec =
        ScanJobSpec { image: Some("registry.example.com/app:1".into()), suspend: true, ..Default::default() };
    let created = jobs.create(&PostParams::default(), &ScanJob::new("frozen", spec)).await.unwrap();
    // Until a controller looks, kstatus must say InProgress.
    assert_eq!(created.status.and_then(|status| status.observed_generation), Some(-1));
    let merge = |change: serde_json::Value| {
        let jobs = jobs.clone();
        let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
        async move { jobs.patch("frozen", &dry_run, &Patch::Merge(json!({"spec": change}))).await }
    };
    for (field, change) in [
        ("image", json!({"image": "registry.example.com/app:2"})),
        ("image", json!({"image": null, "registry": {"policyRef": {"name": "a"}, "name": "b"}})),
        ("platforms", json!({"platforms": ["linux/arm64"]})),
        ("imagePullSecrets", json!({"imagePullSecrets": [{"name": "a"}]})),
        ("serviceAccountName", json!({"serviceAccountName": "a"})),
        ("caSecretRef", json!({"caSecretRef": {"name": "a"}})),
        ("credentialsFrom", json!({"credentialsFrom": {"namespace": "a", "kind": "Pod", "name": "b"}})),
        ("timeout", json!({"timeout": "1m"})),
        ("attempts", json!({"attempts": 1})),
        ("priority", json!({"priority": 1})),
    ] {
        let refused = merge(change.clone()).await;
        let message = refused.err().unwrap_or_else(|| panic!("{change} was accepted")).to_string();
        assert!(message.contains(&format!("{field} cannot change")), "{field}: {message}");
    }
    merge(json!({"suspend": false})).await.unwrap();
    merge(json!({"ttlAfterFinished": "1h"})).await.unwrap();
    remove(client, &namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_can_be_selected_by() {
    let client = client().await;
    let list = kube::api::ListParams::default().limit(1);
    let jobs = Api::<ScanJob>::all(client.clone());
    for field in ["spec.image=x", "status.trigger=Manual", "status.result=Failed"] {
        jobs.list(&list.clone().fields(field)).await.unwrap();
    }
    let baselines = Api::<RuntimeBaseline>::all(client.clone());
    for field in ["spec.mode=Learn", "status.observedMode=Detect", "spec.targetRef.name=web"] {
        baselines.list(&list.clone().fields(field)).await.unwrap();
    }
    Api::<ImagePolicy>::all(client).list(&list.fields("spec.enforcement.admission=Audit")).await.unwrap();
}
