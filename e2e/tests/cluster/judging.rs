//! Running workloads are judged without anybody asking.

use std::time::Duration;

use breakwater_crds::imagepolicy::ImagePolicy;
use serde_json::json;

use super::support::{
    audit::{Mark, OPERATOR},
    client,
    namespace::with_namespace,
    objects::{condition, deployment, image_policy, now},
    product::{image, publish_for_lodash},
    wait::eventually,
};

async fn violations(client: &kube::Client, namespace: &str, policy: &str) -> Vec<serde_json::Value> {
    let policy: ImagePolicy = now(client, namespace, policy).await;
    let status = serde_json::to_value(policy.status).expect("JSON");
    status["violations"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_running_image_is_scanned_and_judged_unasked() {
    let client = client().await;
    let app = image("demo-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let rules = json!({"image": {"allowRootUser": false, "unscanned": "Warn", "incomplete": "Allow"}});
        image_policy(&client, &namespace, "no-root", json!({"rules": rules})).await;
        deployment(&client, &namespace, "app", &app, 1).await;
        let violations = eventually("the Deployment is listed", Duration::from_secs(120), || async {
            let violations = violations(&client, &namespace, "no-root").await;
            if violations.is_empty() {
                Err(now::<ImagePolicy>(&client, &namespace, "no-root").await.status)
            } else {
                Ok(violations)
            }
        })
        .await;
        assert_eq!(violations[0]["kind"], "Deployment");
        assert_eq!(violations[0]["name"], "app");
        let policy: ImagePolicy = now(&client, &namespace, "no-root").await;
        assert_eq!(
            condition(&policy, "Ready").expect("always there").0,
            "True",
            "violations are not a failure of the policy"
        );
        assert_eq!(condition(&policy, "Compliant").expect("judged").0, "False");
        for wanted in ["--for=condition=Ready", "--for=condition=Compliant=False"] {
            let words =
                ["wait", wanted, "imagepolicies.breakwater.dev/no-root", "--timeout=10s", "-n", &namespace];
            assert!(
                std::process::Command::new("kubectl").args(words).status().expect("kubectl runs").success(),
                "{wanted}"
            );
        }
        let mine = kube::Api::<breakwater_crds::scanjob::ScanJob>::namespaced(client.clone(), &namespace);
        assert!(
            mine.list(&Default::default()).await.expect("listed").items.is_empty(),
            "nobody made a ScanJob here"
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_advisory_flags_a_running_workload_without_a_new_pod() {
    let client = client().await;
    let app = image("demo-app").await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let id = format!("BWTEST-{}", namespace.to_uppercase());
        let rules = json!({"vulnerabilities": {"deny": [id]}, "image": {"incomplete": "Allow"}});
        image_policy(&client, &namespace, "deny", json!({"rules": rules})).await;
        deployment(&client, &namespace, "app", &app, 1).await;
        eventually("the workload is judged and compliant", Duration::from_secs(120), || async {
            let policy: ImagePolicy = now(&client, &namespace, "deny").await;
            let scanned = policy
                .status
                .as_ref()
                .and_then(|status| status.summary.as_ref())
                .map(|summary| summary.images.scanned);
            match condition(&policy, "Compliant") {
                Some((status, _)) if status == "True" && scanned == Some(1) => Ok(()),
                _ => Err(policy.status),
            }
        })
        .await;
        let mark = Mark::now();
        publish_for_lodash(&id).await;
        eventually("the running workload violates", Duration::from_secs(30), || async {
            let policy: ImagePolicy = now(&client, &namespace, "deny").await;
            condition(&policy, "Compliant").filter(|(status, _)| status == "False").ok_or(policy.status)
        })
        .await;
        let image_jobs: Vec<_> = mark
            .requests_of(OPERATOR)
            .into_iter()
            .filter(|request| request.verb == "create" && request.object_ref.resource == "scanjobs")
            .filter(|request| request.request_uri.contains(&namespace))
            .collect();
        assert!(image_jobs.is_empty(), "matching needs no scan: {image_jobs:#?}");
    })
    .await;
}
