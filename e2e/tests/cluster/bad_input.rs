//! Bad input ends in a terminal state with a reason a person understands, and disturbs nothing else.

use std::{collections::BTreeMap, time::Duration};

use breakwater_crds::scanjob::ScanJob;
use serde_json::json;

use super::support::{
    client,
    hostile::{HOST, Hostile},
    namespace::with_namespace,
    objects::{condition, now, scan_job},
    product::image,
    variable,
    wait::eventually,
};

/// The repository asked for, and the reason that must be shown.
const HOSTILE: &[(&str, &str)] = &[
    ("forbidden", "Forbidden"),
    ("unauthorized", "Unauthorized"),
    ("limited", "RateLimited"),
    ("broken", "RegistryUnavailable"),
    ("html", "NotARegistry"),
    ("huge", "TooLarge"),
    ("chart", "NotAnImage"),
    ("sbom", "NotAnImage"),
    ("platformless", "PlatformMissing"),
    ("schema1", "UnsupportedMediaType"),
    ("foreign", "UnsupportedMediaType"),
    ("nonsense", "ManifestInvalid"),
    ("lying", "DigestMismatch"),
    ("cut", "ConnectionFailed"),
    ("slow", "TimedOut"),
    ("corrupt", "LayerCorrupt"),
    ("truncated", "LayerCorrupt"),
];

#[tokio::test]
async fn a_registry_that_misbehaves_is_a_reason_and_not_a_crash() {
    let client = client().await;
    let _hostile = Hostile::start().await;
    let registry = variable("REGISTRY");
    let absent = format!("sha256:{}", "0".repeat(64));
    let good = image("tiny-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let mut expected: BTreeMap<String, &str> = BTreeMap::new();
        let mut ask = Vec::new();
        for (repository, reason) in HOSTILE {
            ask.push((format!("hostile-{repository}"), format!("{HOST}/{repository}:1"), *reason));
        }
        ask.push(("unknown-host".into(), "nowhere.test/app:1".into(), "HostUnknown"));
        ask.push(("unknown-repository".into(), format!("{registry}/e2e/none:1"), "NotFound"));
        ask.push(("unknown-tag".into(), format!("{registry}/e2e/tiny-app:none"), "NotFound"));
        ask.push(("unknown-digest".into(), format!("{registry}/e2e/tiny-app@{absent}"), "NotFound"));
        ask.push(("no-ca".into(), format!("{}/e2e/private:1", variable("REGISTRY_AUTH")), "TlsFailed"));
        for (name, image, reason) in ask {
            scan_job(&client, &namespace, &name, json!({"image": image, "attempts": 1, "timeout": "90s"}))
                .await;
            expected.insert(name, reason);
        }
        // Among all the bad ones, a good one is not disturbed.
        scan_job(&client, &namespace, "good", json!({"image": good})).await;
        let complete = eventually("the good image is scanned", Duration::from_secs(120), || async {
            let job: ScanJob = now(&client, &namespace, "good").await;
            condition(&job, "Complete").filter(|(status, _)| status == "True").ok_or(job.status)
        });
        complete.await;
        for (name, reason) in expected {
            let job = eventually(&format!("{name} fails for {reason}"), Duration::from_secs(240), || async {
                let job: ScanJob = now(&client, &namespace, &name).await;
                match condition(&job, "Failed") {
                    Some((status, _)) if status == "True" => Ok(job),
                    _ => Err(job.status),
                }
            })
            .await;
            let (_, shown) = condition(&job, "Failed").expect("just seen");
            assert_eq!(shown, reason, "{name}: {:#?}", job.status);
            assert_eq!(
                condition(&job, "Stalled").map(|(status, _)| status).as_deref(),
                Some("True"),
                "{name}: Failed means Stalled"
            );
            assert_eq!(
                condition(&job, "Ready").map(|(status, _)| status).as_deref(),
                Some("False"),
                "{name}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn credentials_and_certificates_open_a_private_registry_and_nothing_else_does() {
    use breakwater_e2e::{Cluster, Layout, Registry};
    use k8s_openapi::{ByteString, api::core::v1::Secret};
    use kube::{Api, api::PostParams};

    let client = client().await;
    tokio::task::spawn_blocking(|| {
        let cluster = Cluster::new(Layout::from_environment().expect("a valid environment"));
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("images/tiny-app");
        let built = cluster.images().build(&directory, &breakwater_e2e::Progress::new()).expect("it builds");
        cluster.images().push(&built, Registry::Authenticated, "e2e/private:1").expect("it can be pushed");
    })
    .await
    .expect("no panic");
    let private = format!("{}/e2e/private:1", variable("REGISTRY_AUTH"));
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        super::support::product::allow_pull_secrets(&client, &namespace).await;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let read = |name| std::fs::read(variable(name)).expect("the cluster's files are there");
        let credentials = read("REGISTRY_AUTH_FILE");
        for (name, type_, key, value) in [
            ("ca", "Opaque", "ca.crt", read("REGISTRY_AUTH_CA")),
            ("pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", credentials.clone()),
        ] {
            let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "type": type_})).expect("valid");
            let secret = Secret { data: Some([(key.to_owned(), ByteString(value))].into()), ..secret };
            secrets.create(&PostParams::default(), &secret).await.expect("a secret can be made");
        }
        let ca = json!({"name": "ca"});
        scan_job(&client, &namespace, "without", json!({"image": private, "caSecretRef": ca, "attempts": 1})).await;
        let with = json!({"image": private, "caSecretRef": ca, "imagePullSecrets": [{"name": "pull"}], "attempts": 1});
        scan_job(&client, &namespace, "with", with).await;
        for (name, type_, reason) in [("without", "Failed", Some("Unauthorized")), ("with", "Complete", None)] {
            let (_, seen) = eventually(&format!("{name} is {type_}"), Duration::from_secs(90), || async {
                let job: ScanJob = now(&client, &namespace, name).await;
                condition(&job, type_).filter(|(status, _)| status == "True").ok_or(job.status)
            })
            .await;
            assert!(reason.is_none_or(|reason| reason == seen), "{name}: {seen}");
        }
        canary_is_nowhere(&client, &credentials).await;
    })
    .await;
}

/// The registry's password appears in no Job, no pod and no log line of ours.
async fn canary_is_nowhere(client: &kube::Client, credentials: &[u8]) {
    use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
    use kube::{Api, api::LogParams};

    use super::support::product::NAMESPACE;
    let password = variable("REGISTRY_AUTH_PASSWORD");
    assert!(!credentials.is_empty() && password.len() > 5, "the canary is real");
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let jobs: Api<Job> = Api::namespaced(client.clone(), NAMESPACE);
    let mut texts = Vec::new();
    for job in jobs.list(&Default::default()).await.expect("jobs can be listed") {
        texts.push(serde_json::to_string(&job).expect("JSON"));
    }
    for pod in pods.list(&Default::default()).await.expect("pods can be listed") {
        texts.push(serde_json::to_string(&pod).expect("JSON"));
        let name = pod.metadata.name.unwrap_or_default();
        texts.extend(pods.logs(&name, &LogParams::default()).await.ok());
    }
    assert!(texts.len() > 2, "something was looked at");
    for text in texts {
        assert!(
            !text.contains(&password),
            "the password stands in {}",
            text.chars().take(300).collect::<String>()
        );
    }
}
