//! What tenants may not get by naming it.

use std::time::Duration;

use breakwater_crds::{imagepolicy::ImagePolicy, scanjob::ScanJob};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::Secret,
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{Api, Client, Config, api::PostParams};
use serde_json::json;

use super::support::{
    client,
    hostile::Hostile,
    namespace::with_namespace,
    objects::{condition, create, now, scan_job},
    product::allow_pull_secrets,
    variable,
    wait::eventually,
};

/// A client that is somebody else.
async fn as_user(user: &str) -> Client {
    let mut config = Config::infer().await.expect("the cluster's configuration");
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).expect("a client")
}

#[tokio::test]
async fn a_secret_is_used_only_for_those_who_may_read_it() {
    let client = client().await;
    let hostile = Hostile::start_at(5602).await;
    let seen = hostile.authorizations.clone();
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let credentials = json!({"auths": {"hostile.test:5602": {"auth": "Y2FuYXJ5OmNhbmFyeQ=="}}}).to_string();
        let secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": "pull"}, "type": "kubernetes.io/dockerconfigjson"})).expect("valid");
        let secret = Secret { data: Some([(".dockerconfigjson".to_owned(), ByteString(credentials.into()))].into()), ..secret };
        Api::namespaced(client.clone(), &namespace).create(&PostParams::default(), &secret).await.expect("made");
        let _: Role = create(&client, &namespace, json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "author"},
            "rules": [{"apiGroups": ["breakwater.dev"], "resources": ["scanjobs", "imagepolicies"], "verbs": ["create", "get"]}],
        }))
        .await;
        let _: RoleBinding = create(&client, &namespace, json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "author"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "author"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "author"}],
        }))
        .await;
        let author = as_user("author").await;
        let scan = |secret: bool| -> ScanJob {
            let mut object = json!({
                "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob", "metadata": {"generateName": "steal-"},
                "spec": {"image": "hostile.test:5602/unauthorized:1", "attempts": 1},
            });
            if secret {
                object["spec"]["imagePullSecrets"] = json!([{"name": "pull"}]);
            }
            serde_json::from_value(object).expect("valid")
        };
        let policy: ImagePolicy = serde_json::from_value(json!({
            "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "steal"},
            "spec": {
                "registries": [{
                    "name": "mine", "url": "https://hostile.test:5602", "authSecretRef": {"name": "pull"}, "repositories": [{"name": "app"}],
                }],
                "schedule": {"interval": "1h"},
            },
        }))
        .expect("valid");
        let scans: Api<ScanJob> = Api::namespaced(author.clone(), &namespace);
        let policies: Api<ImagePolicy> = Api::namespaced(author, &namespace);
        // Whoever may read them may name many: the check must not exceed what an expression may cost.
        let mut many = scan(true);
        many.spec.image_pull_secrets =
            (0..8).map(|n| serde_json::from_value(json!({"name": format!("pull-{n}")})).expect("valid")).collect();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let all: Api<ScanJob> = Api::namespaced(client.clone(), &namespace);
        all.create(&dry, &many).await.expect("an administrator may name eight Secrets");
        scans.create(&PostParams::default(), &scan(false)).await.expect("without a Secret it is allowed");
        let refused = scans.create(&PostParams::default(), &scan(true)).await.expect_err("the author may not read the Secret");
        assert!(refused.to_string().contains("pull"), "the message names the Secret: {refused}");
        let refused = policies.create(&PostParams::default(), &policy).await.expect_err("the author may not read the Secret");
        assert!(refused.to_string().contains("pull"), "the message names the Secret: {refused}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let seen = seen.lock().expect("no poison").clone();
        assert!(seen.is_empty(), "no credential left: {seen:?}");
    })
    .await;
}

#[tokio::test]
async fn knowing_a_digest_is_not_having_the_image() {
    use breakwater_e2e::{Cluster, Layout, Progress, Registry};

    let client = client().await;
    let pushed = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::new(Layout::from_environment().expect("a valid environment"));
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("images/tiny-app");
        let built = cluster.images().build(&directory, &Progress::new()).expect("it builds");
        cluster.images().push(&built, Registry::Authenticated, "e2e/secret:1").expect("it can be pushed")
    })
    .await
    .expect("no panic");
    let pinned = format!("{}/e2e/secret@{}", variable("REGISTRY_AUTH"), pushed.digest);
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        allow_pull_secrets(&client, &namespace).await;
        let ca = std::fs::read(variable("REGISTRY_AUTH_CA")).expect("the cluster's file");
        let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "ca"}})).expect("valid");
        let secret = Secret { data: Some([("ca.crt".to_owned(), ByteString(ca))].into()), ..secret };
        Api::namespaced(client.clone(), &namespace).create(&PostParams::default(), &secret).await.expect("made");
        // The owner scans it first, so that its inventory is known.
        with_namespace(&client, &[], |owner| {
            let (client, pinned) = (client.clone(), pinned.clone());
            async move {
                allow_pull_secrets(&client, &owner).await;
                let read = |name| std::fs::read(variable(name)).expect("the cluster's files are there");
                for (name, type_, key, value) in [
                    ("ca", "Opaque", "ca.crt", read("REGISTRY_AUTH_CA")),
                    ("pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", read("REGISTRY_AUTH_FILE")),
                ] {
                    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "type": type_})).expect("valid");
                    let secret = Secret { data: Some([(key.to_owned(), ByteString(value))].into()), ..secret };
                    Api::namespaced(client.clone(), &owner).create(&PostParams::default(), &secret).await.expect("made");
                }
                let spec = json!({"image": pinned, "caSecretRef": {"name": "ca"}, "imagePullSecrets": [{"name": "pull"}]});
                scan_job(&client, &owner, "mine", spec).await;
                eventually("the owner's scan is complete", Duration::from_secs(90), || async {
                    let job: ScanJob = now(&client, &owner, "mine").await;
                    condition(&job, "Complete").filter(|(status, _)| status == "True").ok_or(job.status)
                })
                .await;
            }
        })
        .await;
        scan_job(&client, &namespace, "theirs", json!({"image": pinned, "caSecretRef": {"name": "ca"}, "attempts": 1})).await;
        let job = eventually("the other tenant is refused", Duration::from_secs(90), || async {
            let job: ScanJob = now(&client, &namespace, "theirs").await;
            match condition(&job, "Failed") {
                Some((status, _)) if status == "True" => Ok(job),
                _ => Err(job.status),
            }
        })
        .await;
        assert_eq!(condition(&job, "Failed").map(|(_, reason)| reason).as_deref(), Some("Unauthorized"));
        let status = job.status.expect("it has one");
        assert!(status.top_findings.is_empty() && status.summary.is_none(), "nothing is told: {status:#?}");
    })
    .await;
}
