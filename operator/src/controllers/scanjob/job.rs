//! The scan Job: a frozen question in a pod that holds no credential but the one for its registry.
//!
//! Fixed but for the question: nothing a tenant writes reaches the pod's spec. Names derive from the question, so that a retry of a
//! write meets the same Job.

use std::{collections::BTreeMap, time::Duration};

use breakwater_core::{
    Digest,
    scan::{INTAKE_AUDIENCE, Question, pod},
};
use breakwater_crds::{names::labels, scanjob::Trigger};
use chrono::{DateTime, Utc};
use k8s_openapi::{
    ByteString,
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, EnvVar, KeyToPath, PodSecurityContext, PodSpec,
            PodTemplateSpec, ProjectedVolumeSource, ResourceRequirements, SeccompProfile, Secret,
            SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
            VolumeProjection,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, OwnerReference},
    },
};
use kube::{Resource as _, ResourceExt as _};

/// The service account of scan pods. No role is bound to it.
pub const SERVICE_ACCOUNT: &str = "breakwater-scan";
/// The ConfigMap with the authority that signs intake's certificate.
const CA: &str = "breakwater-ca";
/// On Jobs: `namespace/name` of the ScanJob. No ownerReference crosses namespaces.
const REQUESTER: &str = "breakwater.dev/scanjob";
/// On Jobs: host and port of the registry that is asked.
const REGISTRY: &str = "breakwater.dev/registry";
/// On Jobs: the number of the attempt.
const ATTEMPT: &str = "breakwater.dev/attempt";
/// The lifetime of a token, in seconds: the shortest the API server gives. The kubelet renews it in time.
const TOKEN_SECONDS: i64 = 600;
/// From the creation of a Job to the first word of its pod (scheduling, pulling the scanner's image), in seconds. Comes on top of the timeout.
const START_SECONDS: i64 = 120;
/// A Job whose controller is gone for good removes itself after so long. Otherwise the controller does it, much earlier.
const TTL_SECONDS: i32 = 25 * 3600;
/// A user without a name, as in distroless images.
const NOBODY: i64 = 65_532;

/// The files of a Job's Secret, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What differs from one Job to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub name: String,
    pub question: Question,
    pub attempt: u32,
    pub trigger: Trigger,
    /// `namespace/name` of the ScanJob.
    pub requester: String,
    /// A Secret of the Job's name holds a docker configuration.
    pub with_credentials: bool,
    /// It holds certificates to trust for the registry.
    pub with_authority: bool,
}

/// What is the same for all, from the operator's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub namespace: String,
    pub image: String,
    pub cpu_limit: String,
    pub memory_limit: String,
}

/// The name of an attempt's Job. `requested` is the value of the requested-at annotation that started the run.
#[must_use]
pub(super) fn name(scan_job_uid: &str, requested: Option<&str>, attempt: u32) -> String {
    let run = format!("{scan_job_uid}\n{}", requested.unwrap_or_default());
    format!("scan-{}-{attempt}", Digest::of(run.as_bytes()).short())
}

/// The Job that asks.
#[must_use]
pub fn build(template: &Template, order: &Order) -> Job {
    let labels = BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "breakwater-scan".to_owned()),
        ("app.kubernetes.io/part-of".to_owned(), "breakwater".to_owned()),
        // A proxy beside the scanner would see the registry's traffic and keep the pod from ending.
        ("sidecar.istio.io/inject".to_owned(), "false".to_owned()),
        (labels::SCANJOB_UID.to_owned(), order.question.scan_job.clone()),
        (labels::TRIGGER.to_owned(), format!("{:?}", order.trigger)),
    ]);
    let annotations = BTreeMap::from([
        ("linkerd.io/inject".to_owned(), "disabled".to_owned()),
        ("cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(), "true".to_owned()),
    ]);
    let registry = order.question.registry_host().to_owned();
    let facts =
        [(REQUESTER, order.requester.clone()), (REGISTRY, registry), (ATTEMPT, order.attempt.to_string())];
    let shards = order.question.shards();
    let shared = (shards > 1).then(|| i32::try_from(shards).unwrap_or(1));
    Job {
        metadata: ObjectMeta {
            name: Some(order.name.clone()),
            namespace: Some(template.namespace.clone()),
            labels: Some(labels.clone()),
            annotations: Some(facts.map(|(key, value)| (key.to_owned(), value)).into()),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            // Attempts are the controller's: each is a Job of its own. Of pods that share the images one may die alone.
            backoff_limit: shared.is_none().then_some(0),
            backoff_limit_per_index: shared.map(|_| 0),
            completion_mode: shared.map(|_| "Indexed".to_owned()),
            completions: shared,
            parallelism: shared,
            active_deadline_seconds: Some(i64::from(order.question.timeout_seconds) + START_SECONDS),
            ttl_seconds_after_finished: Some(TTL_SECONDS),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(template, order)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn pod(template: &Template, order: &Order) -> PodSpec {
    let mut volumes = vec![
        Volume {
            name: "token".into(),
            projected: Some(ProjectedVolumeSource {
                default_mode: Some(0o440),
                sources: Some(vec![VolumeProjection {
                    service_account_token: Some(ServiceAccountTokenProjection {
                        audience: Some(INTAKE_AUDIENCE.into()),
                        expiration_seconds: Some(TOKEN_SECONDS),
                        path: file(pod::TOKEN_FILE),
                    }),
                    ..VolumeProjection::default()
                }]),
            }),
            ..Volume::default()
        },
        Volume {
            name: "ca".into(),
            config_map: Some(ConfigMapVolumeSource {
                name: CA.into(),
                items: Some(vec![KeyToPath { key: "ca.crt".into(), path: file(pod::CA_FILE), mode: None }]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    let mut mounts = vec![mount("token", pod::TOKEN_FILE), mount("ca", pod::CA_FILE)];
    if order.with_credentials || order.with_authority {
        volumes.push(Volume {
            name: "registry".into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(order.name.clone()),
                default_mode: Some(0o440),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
        mounts.push(mount("registry", pod::CREDENTIALS_FILE));
    }
    PodSpec {
        service_account_name: Some(SERVICE_ACCOUNT.into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".into()),
        termination_grace_period_seconds: Some(5),
        node_selector: Some(BTreeMap::from([("kubernetes.io/os".to_owned(), "linux".to_owned())])),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            fs_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(template, order, mounts)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn container(template: &Template, order: &Order, mounts: Vec<VolumeMount>) -> Container {
    let quantities = |cpu: &str, memory: &str, storage: &str| {
        let pairs = [("cpu", cpu), ("memory", memory), ("ephemeral-storage", storage)];
        Some(pairs.map(|(name, value)| (name.to_owned(), Quantity(value.to_owned()))).into())
    };
    let question = serde_json::to_string(&order.question).unwrap_or_default();
    let files = [
        Some(("token-file", pod::TOKEN_FILE)),
        Some(("intake-ca", pod::CA_FILE)),
        order.with_credentials.then_some(("credentials", pod::CREDENTIALS_FILE)),
        order.with_authority.then_some(("registry-ca", pod::REGISTRY_CA_FILE)),
    ];
    Container {
        name: "scan".into(),
        image: Some(template.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        args: Some(files.into_iter().flatten().map(|(name, path)| format!("--{name}={path}")).collect()),
        env: Some(vec![EnvVar { name: pod::QUESTION.into(), value: Some(question), value_from: None }]),
        resources: Some(ResourceRequirements {
            requests: quantities("50m", "64Mi", "16Mi"),
            limits: quantities(&template.cpu_limit, &template.memory_limit, "64Mi"),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The directory of `path`, read-only.
fn mount(volume: &str, path: &str) -> VolumeMount {
    let directory = path.rsplit_once('/').map_or(path, |(directory, _)| directory);
    VolumeMount {
        name: volume.into(),
        mount_path: directory.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn file(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The Job's Secret: files by the names that the scan pod expects. Owned by the Job, and gone with it.
#[must_use]
pub(super) fn secret(job: &Job, files: Files) -> Secret {
    let owner = job.controller_owner_ref(&()).map(|owner| OwnerReference { controller: None, ..owner });
    Secret {
        metadata: ObjectMeta {
            name: job.metadata.name.clone(),
            namespace: job.metadata.namespace.clone(),
            labels: job.metadata.labels.clone(),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(files.into_iter().map(|(name, bytes)| (name, ByteString(bytes))).collect()),
        ..Secret::default()
    }
}

/// What the Job was asked; `None` if it is none of ours.
#[must_use]
pub fn question(job: &Job) -> Option<Question> {
    let containers = &job.spec.as_ref()?.template.spec.as_ref()?.containers;
    let env = containers.first()?.env.as_ref()?;
    let text = env.iter().find(|variable| variable.name == pod::QUESTION)?.value.as_ref()?;
    serde_json::from_str(text).ok()
}

/// Namespace and name of the ScanJob that asks.
#[must_use]
pub fn requester(job: &Job) -> Option<(String, String)> {
    let (namespace, name) = job.annotations().get(REQUESTER)?.split_once('/')?;
    Some((namespace.to_owned(), name.to_owned()))
}

/// The registry that the Job asks.
#[must_use]
pub(super) fn registry(job: &Job) -> Option<&str> {
    job.annotations().get(REGISTRY).map(String::as_str)
}

/// Whether a Secret of the Job's name is mounted.
#[must_use]
pub(super) fn has_secret(job: &Job) -> bool {
    let volumes = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.volumes.as_ref());
    volumes.is_some_and(|all| all.iter().any(|volume| volume.secret.is_some()))
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub succeeded: bool,
    /// The Job controller's words: `DeadlineExceeded`, `BackoffLimitExceeded`, …
    pub reason: String,
    pub at: Option<DateTime<Utc>>,
}

/// How the Job ended; `None` while it runs. A Job that is about to fail (its pods are being removed) has ended: nothing it says counts.
#[must_use]
pub fn ended(job: &Job) -> Option<Ending> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is_ending =
        |kind: &str| matches!(kind, "Complete" | "Failed" | "SuccessCriteriaMet" | "FailureTarget");
    let condition =
        conditions.iter().find(|condition| is_ending(&condition.type_) && condition.status == "True")?;
    let since = condition.last_transition_time.as_ref();
    Some(Ending {
        succeeded: matches!(condition.type_.as_str(), "Complete" | "SuccessCriteriaMet"),
        reason: condition.reason.clone().unwrap_or_default(),
        at: since.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0)),
    })
}

/// Whether the Job's pods are gone or going: it holds no place any more.
#[must_use]
pub(super) fn finished(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter().any(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
    })
}

/// `timeout`, bounded by the operator's, in whole seconds.
#[must_use]
pub(super) fn timeout_seconds(timeout: chrono::TimeDelta, longest: Duration) -> u32 {
    let asked = u64::try_from(timeout.num_seconds()).unwrap_or(1);
    u32::try_from(asked.clamp(1, longest.as_secs().max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use breakwater_core::{Platform, scan::RegistryAccess};

    use super::*;

    fn order(with_credentials: bool) -> Order {
        Order {
            name: name("9d2f-uid", None, 1),
            question: Question {
                scan_job: "9d2f-uid".into(),
                images: vec!["registry.test:5000/team/app:1".parse().unwrap()],
                repositories: vec![],
                max_images: 0,
                shards: 1,
                platforms: vec![Platform::linux("amd64")],
                registry: RegistryAccess {
                    insecure: true,
                    allow_private_addresses: true,
                    ..RegistryAccess::default()
                },
                mirrors: Vec::new(),
                intake: "https://breakwater-intake.breakwater-system.svc:8443".into(),
                timeout_seconds: 900,
            },
            attempt: 1,
            trigger: Trigger::Manual,
            requester: "shop/web".into(),
            with_credentials,
            with_authority: with_credentials,
        }
    }

    fn template() -> Template {
        Template {
            namespace: "breakwater-system".into(),
            image: "registry.test:5000/breakwater/scanner:dev".into(),
            cpu_limit: "1".into(),
            memory_limit: "256Mi".into(),
        }
    }

    #[test]
    fn the_job_is_the_one_in_the_golden_file() {
        insta::assert_yaml_snapshot!(build(&template(), &order(true)));
    }

    #[test]
    fn several_pods_share_the_images_of_repositories_alone() {
        let mut order = order(false);
        order.question.shards = 4;
        let of = |order: &Order| build(&template(), order).spec.unwrap();
        assert_eq!((of(&order).completion_mode, of(&order).parallelism), (None, None));
        order.question.repositories = crate::intake::fixtures::registry_question().repositories;
        let spec = of(&order);
        assert_eq!(spec.completion_mode.as_deref(), Some("Indexed"));
        assert_eq!((spec.completions, spec.parallelism), (Some(4), Some(4)));
        assert_eq!((spec.backoff_limit, spec.backoff_limit_per_index), (None, Some(0)));
    }

    #[test]
    fn without_credentials_nothing_of_a_registry_is_mounted() {
        let job = build(&template(), &order(false));
        assert!(!serde_json::to_string(&job).unwrap().contains("/var/run/breakwater/registry"));
    }

    #[test]
    fn a_job_says_what_it_was_asked() {
        let job = build(&template(), &order(false));
        assert_eq!(question(&job), Some(order(false).question));
        assert_eq!(requester(&job), Some(("shop".into(), "web".into())));
        assert_eq!(registry(&job), Some("registry.test:5000"));
        assert_eq!(question(&Job::default()), None);
    }

    #[test]
    fn names_derive_from_the_run_and_the_attempt() {
        assert_eq!(name("u", None, 1), name("u", None, 1));
        let all = [name("u", None, 1), name("u", None, 2), name("u", Some("now"), 1), name("v", None, 1)];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert!(all.iter().all(|name| name.len() <= 52), "pods add a suffix within 63");
    }

    #[test]
    fn timeouts_are_clamped() {
        let longest = Duration::from_secs(3600);
        for (asked, given) in [(900, 900), (7200, 3600), (0, 1), (-5, 1)] {
            assert_eq!(timeout_seconds(chrono::TimeDelta::seconds(asked), longest), given);
        }
    }
}
