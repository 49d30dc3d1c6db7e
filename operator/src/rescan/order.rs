//! A ScanJob that is to be made. Its name derives from the question, so that asking again meets the same object.

use std::time::Duration;

use breakwater_core::{
    Digest, ImageReference, Platform,
    policy::{Policy, SCAN_TIMEOUT, Scanning},
    workload::WorkloadRef,
};
use breakwater_crds::{
    ScanJob, ScanJobSpec,
    names::annotations::AT_ONCE,
    scanjob::{CredentialsFrom, RegistryTarget, Trigger},
    selector::LocalReference,
};
use chrono::{DateTime, Utc};
use kube::api::ObjectMeta;

use super::plan::Subject;
use crate::inventory::marks;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub namespace: String,
    pub name: String,
    pub asks: Asks,
    /// When the scheduled run was due that it is part of.
    pub due: Option<DateTime<Utc>>,
    pub scanning: Scanning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    Image {
        reference: ImageReference,
        platform: Platform,
        credentials: Credentials,
    },
    /// One entry of `spec.registries` of a policy in the same namespace.
    Registry {
        policy: String,
        registry: String,
    },
}

/// Whose credentials pull an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Anonymous,
    /// Secrets of the ScanJob's own namespace.
    Secrets(Vec<String>),
    /// Those of the workload that runs it.
    Workload(WorkloadRef),
}

impl Order {
    /// A scan of an image. `attempt` counts from 0; each is an object of its own, for ScanJobs are history.
    pub(super) fn image(
        namespace: &str,
        subject: &Subject,
        reference: ImageReference,
        platform: &Platform,
        attempt: u32,
        credentials: Credentials,
        scanning: Scanning,
    ) -> Self {
        let base = name(subject, platform);
        let name = if attempt == 0 { base } else { format!("{base}-{attempt}") };
        let asks = Asks::Image { reference, platform: platform.clone(), credentials };
        Self { namespace: namespace.to_owned(), name, asks, due: None, scanning }
    }

    /// A scheduled, or requested, scan of a registry. `run` tells this run from every other: the last one's time, the request's text.
    #[must_use]
    pub fn registry(policy: &Policy, registry: &str, run: &str, due: DateTime<Utc>) -> Self {
        let Policy { id: policy, scanning, .. } = policy;
        let question = Digest::of(format!("{}\n{registry}\n{run}", policy.uid).as_bytes());
        let part = |text: &str, max| text.chars().take(max).collect::<String>();
        Self {
            namespace: policy.namespace.clone(),
            name: format!("{}-{}-{}", part(&policy.name, 24), part(registry, 16), question.short()),
            asks: Asks::Registry { policy: policy.name.clone(), registry: registry.to_owned() },
            due: Some(due),
            scanning: *scanning,
        }
    }

    /// The object, which goes away `keep` after its end.
    pub(super) fn scan_job(&self, keep: Duration) -> ScanJob {
        let trigger = match self.asks {
            Asks::Image { .. } => Trigger::NewImage,
            Asks::Registry { .. } => Trigger::Schedule,
        };
        let (labels, mut annotations) = marks(trigger, self.due);
        let mut spec = ScanJobSpec {
            ttl_after_finished: Some(format!("{}s", keep.as_secs().max(1))),
            ..ScanJobSpec::default()
        };
        if self.scanning.timeout != SCAN_TIMEOUT {
            spec.timeout = Some(format!("{}s", self.scanning.timeout.num_seconds()));
        }
        match &self.asks {
            Asks::Image { reference, platform, credentials } => {
                spec.image = Some(reference.to_string());
                spec.platforms = vec![platform.to_string()];
                match credentials {
                    Credentials::Anonymous => {}
                    Credentials::Secrets(names) => {
                        spec.image_pull_secrets =
                            names.iter().map(|name| LocalReference { name: name.clone() }).collect();
                    }
                    Credentials::Workload(id) => {
                        spec.credentials_from = Some(CredentialsFrom {
                            namespace: id.namespace.clone(),
                            kind: id.kind,
                            name: id.name.clone(),
                        });
                    }
                }
            }
            Asks::Registry { policy, registry } => {
                annotations.insert(AT_ONCE.to_owned(), self.scanning.registries_at_once.to_string());
                spec.registry = Some(RegistryTarget {
                    policy_ref: LocalReference { name: policy.clone() },
                    name: registry.clone(),
                    repositories: Vec::new(),
                });
            }
        }
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        };
        ScanJob { metadata, spec, status: None }
    }
}

/// Returns the name of the first scan of this image: `run-` and a hash of what is asked.
pub(super) fn name(subject: &Subject, platform: &Platform) -> String {
    let asked = match subject {
        Subject::Digest(digest) => format!("{digest} {platform}"),
        Subject::Tag { namespace, image } => format!("{namespace} {image} {platform}"),
    };
    format!("run-{}", Digest::of(asked.as_bytes()).short())
}

/// The name's base, and which attempt it is.
pub(super) fn attempt(name: &str) -> Option<(&str, u32)> {
    let hash = name.strip_prefix("run-")?;
    match hash.split_once('-') {
        None => Some((name, 0)),
        Some((hash, attempt)) => Some((name.get(..hash.len().checked_add(4)?)?, attempt.parse().ok()?)),
    }
}
