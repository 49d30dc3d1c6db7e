use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, PostParams},
};

/// Runs a test in a namespace of its own with these labels; dumps it when the test fails, and removes it either way.
pub async fn with_namespace<F: Future<Output = ()>>(
    client: &Client,
    labels: &[(&str, &str)],
    test: impl FnOnce(String) -> F,
) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let labels: BTreeMap<String, String> = labels
        .iter()
        .chain(&[("breakwater.dev/e2e", "true")])
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let namespace = Namespace {
        metadata: ObjectMeta {
            generate_name: Some("e2e-".into()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let created =
        namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace can be made");
    let name = created.metadata.name.expect("the API server names it");
    let outcome = AssertUnwindSafe(test(name.clone())).catch_unwind().await;
    if outcome.is_err() {
        dump(&name);
    }
    let removed = namespaces.delete(&name, &DeleteParams::background()).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    removed.expect("the namespace can be removed");
}

/// What a person would look at first.
fn dump(namespace: &str) {
    for words in [
        &[
            "get",
            "imagepolicies.breakwater.dev,scanjobs.breakwater.dev,runtimebaselines.breakwater.dev",
            "-o",
            "yaml",
            "-n",
            namespace,
        ][..],
        &["get", "deployments,replicasets,pods,events", "-o", "wide", "-n", namespace],
        &["get", "scanjobs.breakwater.dev,jobs,pods", "-o", "wide", "-n", "breakwater-system"],
        &["logs", "-n", "breakwater-system", "deployment/breakwater-operator", "--tail=80"],
        &["logs", "-n", "breakwater-system", "deployment/breakwater-advisories", "--tail=20"],
    ] {
        eprintln!("--- kubectl {}", words.join(" "));
        match std::process::Command::new("kubectl").args(words).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                let start = text.len().saturating_sub(20_000);
                let start = (start..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(start);
                eprintln!("{}{}", &text[start..], String::from_utf8_lossy(&output.stderr));
            }
            Err(error) => eprintln!("kubectl did not run: {error}"),
        }
    }
}
