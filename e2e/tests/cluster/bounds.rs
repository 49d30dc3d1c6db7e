//! What is too much for a status is cut, counted and said.

use std::time::Duration;

use breakwater_crds::scanjob::ScanJob;
use serde_json::json;

use super::support::{
    client,
    handmade::{Layer, Repository},
    namespace::with_namespace,
    objects::{condition, now, scan_job},
    product::{advisory, publish},
    variable,
    wait::eventually,
};

/// T-14.
#[tokio::test]
async fn twenty_thousand_findings_fit_a_status() {
    const FINDINGS: usize = 20_000;
    let client = client().await;
    with_namespace(&client, &[], |namespace| async move {
        let client = super::support::client().await;
        let package = format!("bw-many-{namespace}");
        publish(advisory(&format!("BWTEST-MANY-{}", namespace.to_uppercase()), &package)).await;
        // One finding for each version: what lies in many places is one finding.
        let content =
            |n| serde_json::to_vec(&json!({"name": package, "version": format!("1.0.{n}")})).expect("JSON");
        let contents: Vec<Vec<u8>> = (0..FINDINGS).map(content).collect();
        let path = |n| format!("app/{n}/node_modules/{package}/package.json");
        let files = contents.iter().enumerate().map(|(n, content)| (path(n), content.as_slice()));
        let repository = Repository::new(&variable("REGISTRY_ADDRESS"), "e2e/many");
        let manifest = repository.push("many-amd64", "amd64", &[Layer::of(files)], &namespace).await;
        repository.index(&namespace, &[manifest]).await;
        let image = format!("{}/e2e/many:{namespace}", variable("REGISTRY"));
        scan_job(&client, &namespace, "many", json!({"image": image, "platforms": ["linux/amd64"]})).await;
        let job = eventually("the scan is complete", Duration::from_secs(120), || async {
            let job: ScanJob = now(&client, &namespace, "many").await;
            let is = |type_| condition(&job, type_).is_some_and(|(status, _)| status == "True");
            assert!(!is("Failed"), "{:#?}", job.status);
            if is("Complete") { Ok(job) } else { Err(job.status) }
        })
        .await;
        let status = job.status.expect("complete");
        let size = serde_json::to_vec(&status).expect("JSON").len();
        assert!(size < 100 << 10, "the status has {size} bytes");
        assert_eq!(status.total_findings, i32::try_from(FINDINGS).ok());
        assert!(status.truncated && status.top_findings.len() == 50);
        assert_eq!(status.summary.expect("complete").critical, i32::try_from(FINDINGS).expect("small"));
    })
    .await;
}
