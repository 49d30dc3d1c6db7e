//! The installed product and the images it judges.

use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

use breakwater_e2e::{Cluster, Layout, Progress, Registry};
use serde_json::json;

use super::variable;

pub const NAMESPACE: &str = "breakwater-system";

/// The command line that was built for the installation.
pub fn breakwater() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("x86_64-unknown-linux-gnu/release/breakwater")
}

/// Builds and pushes an image of `e2e/images` once per run; returns its reference by tag.
pub async fn image(name: &'static str) -> String {
    static BUILT: OnceLock<tokio::sync::Mutex<Vec<(&'static str, String)>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(tokio::sync::Mutex::default).lock().await;
    if let Some((_, reference)) = built.iter().find(|(known, _)| *known == name) {
        return reference.clone();
    }
    let reference = tokio::task::spawn_blocking(move || {
        let cluster = Cluster::new(Layout::from_environment().expect("a valid environment"));
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("images").join(name);
        let built = cluster.images().build(&directory, &Progress::new()).expect("the image builds");
        cluster.images().push(&built, Registry::Open, &format!("e2e/{name}:1")).expect("it can be pushed");
        format!("{}/e2e/{name}:1", Registry::Open.host())
    })
    .await
    .expect("the build does not panic");
    built.push((name, reference.clone()));
    reference
}

/// Publishes an advisory with this id about the lodash that the demo application carries.
pub async fn publish_for_lodash(id: &str) {
    publish(advisory(id, "lodash")).await;
}

/// An advisory of our own: every version of an npm package is affected, and none mends it.
pub fn advisory(id: &str, package: &str) -> serde_json::Value {
    json!({
        "id": id, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "summary": "made for a test",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{
            "package": {"ecosystem": "npm", "name": package},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
        }],
    })
}

/// Adds a record to the mirror that the advisories Deployment reads.
pub async fn publish(record: serde_json::Value) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    tokio::task::spawn_blocking(move || {
        let _turn = ONE_AT_A_TIME.lock().expect("no poison");
        let mirror = PathBuf::from(variable("MIRROR_DIR"));
        breakwater_e2e::publication::publish_records(&mirror, "npm", &[record])
            .expect("the mirror can be written");
    })
    .await
    .expect("no panic");
}

/// Lets the operator read the pull secrets of a namespace, as its administrator would.
pub async fn allow_pull_secrets(client: &kube::Client, namespace: &str) {
    let _: k8s_openapi::api::rbac::v1::RoleBinding = super::objects::create(
        client,
        namespace,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "breakwater-credentials"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "breakwater-credentials"},
            "subjects": [{"kind": "ServiceAccount", "name": "breakwater-operator", "namespace": NAMESPACE}],
        }),
    )
    .await;
}
