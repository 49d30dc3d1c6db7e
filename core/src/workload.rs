//! What a workload is, as far as it is judged: pruned to a few hundred bytes, whatever the object was.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::Digest;

/// A top owner: the object a person would change. Bare pods are their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadRef {
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Job,
    CronJob,
    Pod,
}

impl WorkloadKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
        }
    }

    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet => "apps/v1",
            Self::Job | Self::CronJob => "batch/v1",
            Self::Pod => "v1",
        }
    }
}

/// Facts of one workload, gathered from its own object, its namespace and its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub id: WorkloadRef,
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    /// Only those under `breakwater.dev/` and the owner keys.
    pub annotations: BTreeMap<String, String>,
    pub namespace_labels: BTreeMap<String, String>,
    /// Whether the namespace is annotated `breakwater.dev/pause-remediation`.
    pub namespace_paused: bool,
    /// `spec.replicas`; absent for kinds without.
    pub replicas: Option<i32>,
    /// Pods that are not terminating.
    pub running_pods: i32,
    /// `kind/name` of the controller above it, if it has one: then it is not ours to scale.
    pub controlled_by: Option<String>,
    /// The containers of the template, and nothing else: template is compared with template.
    pub containers: Vec<Container>,
    /// Containers that its pods have and the template lacks: injected side-cars, debug containers, those of an earlier revision.
    pub injected: Vec<Container>,
    /// Whether it is a Job that has completed or failed: nothing of it runs again.
    pub finished: bool,
    /// Names of the template's image pull secrets, sorted.
    pub pull_secrets: Vec<String>,
    /// What its pods run, without repetition, sorted.
    pub running: Vec<RunningImage>,
}

/// A container of a pod template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container {
    pub name: String,
    pub kind: ContainerKind,
    /// As written in the template.
    pub image: String,
    /// The container's `runAsUser`, else the pod's.
    pub run_as_user: Option<i64>,
    /// The container's `runAsNonRoot`, else the pod's.
    pub run_as_non_root: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    App,
    Init,
    Ephemeral,
    /// An image volume (KEP-4639).
    Volume,
}

/// What a node says it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunningImage {
    pub container: String,
    /// The template's image of that container, as the pod has it.
    pub image: String,
    pub identity: ImageIdentity,
    /// `os/architecture` of the node.
    pub platform: crate::Platform,
}

/// A node's `imageID`: an index, a manifest or a bare configuration digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageIdentity {
    /// `repository@sha256:…`: pullable. May be the digest of an index.
    Pullable { repository: String, digest: Digest },
    /// `sha256:…` only: imported into the node, known to no registry.
    Imported { config_digest: Digest },
    /// The container has not started; nothing is known.
    Pending,
}

impl ImageIdentity {
    /// The digest by which the node names it.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Pullable { digest, .. } | Self::Imported { config_digest: digest } => Some(digest),
            Self::Pending => None,
        }
    }

    /// Reads `containerStatuses[].imageID`; the docker-era prefixes `docker-pullable://` and `docker://` are dropped.
    #[must_use]
    pub fn from_image_id(image_id: &str) -> Self {
        let id = image_id
            .strip_prefix("docker-pullable://")
            .or(image_id.strip_prefix("docker://"))
            .unwrap_or(image_id);
        match id.rsplit_once('@') {
            Some((repository, digest)) => match digest.parse() {
                Ok(digest) => Self::Pullable { repository: repository.to_owned(), digest },
                Err(_) => Self::Pending,
            },
            None => id.parse().map_or(Self::Pending, |config_digest| Self::Imported { config_digest }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_ids_of_every_runtime() {
        let digest = Digest::of(b"x");
        let pullable = ImageIdentity::Pullable { repository: "r.test:5000/a".into(), digest: digest.clone() };
        assert_eq!(ImageIdentity::from_image_id(&format!("r.test:5000/a@{digest}")), pullable);
        assert_eq!(
            ImageIdentity::from_image_id(&format!("docker-pullable://r.test:5000/a@{digest}")),
            pullable
        );
        assert_eq!(
            ImageIdentity::from_image_id(&digest.to_string()),
            ImageIdentity::Imported { config_digest: digest }
        );
        for odd in ["", "sha256:xyz", "a@b"] {
            assert_eq!(ImageIdentity::from_image_id(odd), ImageIdentity::Pending);
        }
    }
}
