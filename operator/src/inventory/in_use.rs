use std::{collections::BTreeSet, sync::Arc};

use breakwater_core::{Digest, workload::Workload};
use chrono::{DateTime, TimeDelta, Utc};

use super::scans::{Outcome, Scan};

/// The time for which the digests of a finished ScanJob count as asked for.
const ANSWERED: TimeDelta = TimeDelta::hours(1);

/// Returns the digests that a pod runs, that a template names (also at 0 replicas), or that a ScanJob asks about which has not finished,
/// or has within the last hour. Of an index or a configuration that is its own digest, and not those of its manifests.
#[must_use]
pub fn in_use(workloads: &[Arc<Workload>], scans: &[Arc<Scan>], now: DateTime<Utc>) -> BTreeSet<Digest> {
    let running = workloads
        .iter()
        .flat_map(|workload| &workload.running)
        .filter_map(|image| image.identity.digest().cloned());
    let pinned = workloads
        .iter()
        .flat_map(|workload| workload.containers.iter().chain(&workload.injected))
        .filter_map(|container| container.image.rsplit_once('@')?.1.parse().ok());
    let asked = scans.iter().filter(|scan| is_open(scan, now)).flat_map(|scan| {
        let image = scan.image.as_ref().and_then(|image| image.digest.as_ref());
        scan.digests.iter().chain(image).cloned()
    });
    running.chain(pinned).chain(asked).collect()
}

fn is_open(scan: &Scan, now: DateTime<Utc>) -> bool {
    match &scan.outcome {
        Outcome::Unfinished => true,
        // An end without a time is one that was written just now.
        Outcome::Answered { at } | Outcome::Failed { at, .. } => {
            at.is_none_or(|at| now.signed_duration_since(at) < ANSWERED)
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::{
        Platform,
        workload::{Container, ContainerKind, ImageIdentity, RunningImage, WorkloadKind, WorkloadRef},
    };

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn workload() -> Arc<Workload> {
        let container = |image: String| Container {
            name: "app".into(),
            kind: ContainerKind::App,
            image,
            run_as_user: None,
            run_as_non_root: None,
        };
        let running = |identity| RunningImage {
            container: "app".into(),
            image: "r.test/app:1".into(),
            identity,
            platform: Platform::linux("amd64"),
        };
        Arc::new(Workload {
            id: WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() },
            uid: "u".into(),
            labels: Default::default(),
            annotations: Default::default(),
            namespace_labels: Default::default(),
            replicas: Some(0),
            running_pods: 0,
            injected: vec![container(format!("r.test/mesh@{}", digest("mesh")))],
            namespace_paused: false,
            finished: false,
            controlled_by: None,
            containers: vec![
                container(format!("r.test/app@{}", digest("pinned"))),
                container("r.test/app:1".into()),
            ],
            pull_secrets: vec![],
            running: vec![
                running(ImageIdentity::Pullable { repository: "r.test/app".into(), digest: digest("web") }),
                running(ImageIdentity::Imported { config_digest: digest("config") }),
                running(ImageIdentity::Pending),
            ],
        })
    }

    fn scan(name: &str, outcome: Outcome) -> Arc<Scan> {
        Arc::new(Scan {
            namespace: "shop".into(),
            name: name.into(),
            image: None,
            platforms: vec![],
            trigger: None,
            policy: None,
            due: None,
            outcome,
            manifests: vec![],
            digests: vec![digest(name)],
        })
    }

    #[test]
    fn what_runs_what_is_pinned_and_what_is_asked_is_in_use() {
        let scans = [
            scan("open", Outcome::Unfinished),
            scan("recent", Outcome::Answered { at: Some(at(-59)) }),
            scan("past", Outcome::Answered { at: Some(at(-60)) }),
        ];
        let names = ["mesh", "pinned", "web", "config", "open", "recent"];
        assert_eq!(in_use(&[workload()], &scans, at(0)), names.iter().map(|name| digest(name)).collect());
    }
}
