//! Where images hide in a pod: the one extractor for every path.

use breakwater_core::workload::{Container, ContainerKind, ImageIdentity};

use super::objects::{ContainerSpec, ContainerStatus, PodSpec, PodStatus, SecurityContext};

/// What a pod template asks for. Thousands of pods share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct TemplateFacts {
    pub(super) containers: Vec<Container>,
    /// Sorted.
    pub(super) pull_secrets: Vec<String>,
}

/// What one container of a pod runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ContainerImage {
    pub(super) container: String,
    /// As the pod's spec has it.
    pub(super) image: String,
    pub(super) identity: ImageIdentity,
}

impl TemplateFacts {
    pub(super) fn of(spec: &PodSpec) -> Self {
        let pod = spec.security_context.unwrap_or_default();
        let read = |containers: &[ContainerSpec], kind| -> Vec<Container> {
            containers.iter().map(|container| read_container(container, kind, pod)).collect()
        };
        let mut containers = read(&spec.containers, ContainerKind::App);
        containers.extend(read(spec.init_containers.as_deref().unwrap_or_default(), ContainerKind::Init));
        containers
            .extend(read(spec.ephemeral_containers.as_deref().unwrap_or_default(), ContainerKind::Ephemeral));
        for volume in spec.volumes.iter().flatten() {
            if let Some(reference) = volume.image.as_ref().and_then(|image| image.reference.clone()) {
                containers.push(Container {
                    name: volume.name.clone(),
                    kind: ContainerKind::Volume,
                    image: reference,
                    run_as_user: None,
                    run_as_non_root: None,
                });
            }
        }
        // Without an image a container cannot run: an image comes from a webhook, or the pod is refused.
        containers.retain(|container| !container.image.is_empty());
        let mut pull_secrets: Vec<String> =
            spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone()).collect();
        pull_secrets.sort_unstable();
        pull_secrets.dedup();
        Self { containers, pull_secrets }
    }
}

fn read_container(container: &ContainerSpec, kind: ContainerKind, pod: SecurityContext) -> Container {
    let own = container.security_context.unwrap_or_default();
    Container {
        name: container.name.clone(),
        kind,
        image: container.image.clone().unwrap_or_default(),
        run_as_user: own.run_as_user.or(pod.run_as_user),
        run_as_non_root: own.run_as_non_root.or(pod.run_as_non_root),
    }
}

/// What the node says each container runs; containers that have not started are left out.
pub(super) fn running(template: &TemplateFacts, status: &PodStatus) -> Vec<ContainerImage> {
    let of = |statuses: &Option<Vec<ContainerStatus>>, kind| -> Vec<ContainerImage> {
        statuses
            .iter()
            .flatten()
            .filter_map(|status| {
                let container =
                    template.containers.iter().find(|c| c.kind == kind && c.name == status.name)?;
                let identity = ImageIdentity::from_image_id(&status.image_id);
                (identity != ImageIdentity::Pending).then(|| ContainerImage {
                    container: container.name.clone(),
                    image: container.image.clone(),
                    identity,
                })
            })
            .collect()
    };
    let mut images = of(&status.container_statuses, ContainerKind::App);
    images.extend(of(&status.init_container_statuses, ContainerKind::Init));
    images.extend(of(&status.ephemeral_container_statuses, ContainerKind::Ephemeral));
    images.sort_unstable();
    images.dedup();
    images
}
