//! What a Job or CronJob ran last, kept while none of its pods is there to tell.

use breakwater_core::workload::{Workload, WorkloadKind};

/// Takes over the images that a Job or CronJob was seen running, if none of its pods tells anything now: finished Jobs are collected
/// within a minute, and the verdict must not change with that. Kept is what the template still asks for, of the object with the same
/// UID; so no more than it ran once, and as long as the object exists and this process runs.
pub(super) fn keep(workload: &mut Workload, before: &Workload) {
    let of_a_job = matches!(workload.id.kind, WorkloadKind::Job | WorkloadKind::CronJob);
    if !of_a_job || workload.uid != before.uid || !workload.running.is_empty() {
        return;
    }
    let template = &workload.containers;
    let ran = before.running.iter().filter(|ran| {
        template.iter().any(|container| container.name == ran.container && container.image == ran.image)
    });
    workload.running = ran.cloned().collect();
}

#[cfg(test)]
mod tests {
    use breakwater_core::{
        Digest, Platform,
        workload::{Container, ContainerKind, ImageIdentity, RunningImage, WorkloadRef},
    };

    use super::*;

    fn workload(kind: WorkloadKind, uid: &str, image: &str, runs: &[&str]) -> Workload {
        Workload {
            id: WorkloadRef { kind, namespace: "shop".into(), name: "tick".into() },
            uid: uid.into(),
            labels: [].into(),
            annotations: [].into(),
            namespace_labels: [].into(),
            replicas: None,
            running_pods: 0,
            controlled_by: None,
            containers: vec![Container {
                name: "app".into(),
                kind: ContainerKind::App,
                image: image.into(),
                run_as_user: None,
                run_as_non_root: None,
            }],
            injected: vec![],
            namespace_paused: false,
            finished: false,
            pull_secrets: vec![],
            running: runs
                .iter()
                .map(|image| RunningImage {
                    container: "app".into(),
                    image: (*image).into(),
                    identity: ImageIdentity::Pullable {
                        repository: "r.test/app".into(),
                        digest: Digest::of(image.as_bytes()),
                    },
                    platform: Platform::linux("amd64"),
                })
                .collect(),
        }
    }

    #[test]
    fn a_cron_job_between_two_runs_keeps_what_its_template_still_asks_for() {
        let before = workload(WorkloadKind::CronJob, "u", "r.test/app:1", &["r.test/app:1"]);
        let cases: [(&str, Workload, &[&str]); 5] = [
            ("no pods", workload(WorkloadKind::CronJob, "u", "r.test/app:1", &[]), &["r.test/app:1"]),
            ("another template", workload(WorkloadKind::CronJob, "u", "r.test/app:2", &[]), &[]),
            ("made again", workload(WorkloadKind::CronJob, "v", "r.test/app:1", &[]), &[]),
            (
                "a newer run",
                workload(WorkloadKind::CronJob, "u", "r.test/app:2", &["r.test/app:2"]),
                &["r.test/app:2"],
            ),
            ("a Deployment", workload(WorkloadKind::Deployment, "u", "r.test/app:1", &[]), &[]),
        ];
        for (what, mut now, expected) in cases {
            keep(&mut now, &before);
            let images: Vec<_> = now.running.iter().map(|ran| ran.image.as_str()).collect();
            assert_eq!(images, expected, "{what}");
        }
    }
}
