//! Observe: everything a policy is judged by, read from memory at one moment.

use std::{collections::HashMap, sync::Arc};

use breakwater_core::{
    Platform,
    policy::{ImageFacts, Policy},
    workload::{ImageIdentity, Workload},
};
use chrono::{DateTime, Utc};

use crate::{
    inventory::{Failure, Images, IndexState, Scan},
    mitigation::{Mitigation, MitigationState},
    workloads::Workloads,
};

/// An image as a node names it, on the node's platform.
pub(super) type Named = (ImageIdentity, Platform);

/// What is known when a policy is judged.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Those that the policy selects, sorted by reference.
    pub(super) workloads: Vec<Arc<Workload>>,
    /// Of every image that they run or that their templates pin.
    pub(super) images: HashMap<Named, ImageFacts>,
    /// Why images of [`ImageFacts::ScanFailed`] failed.
    pub(super) failures: HashMap<Named, (Failure, Option<DateTime<Utc>>)>,
    pub(super) index: IndexState,
    /// Scans of the policy's registries.
    pub(super) scans: Vec<Arc<Scan>>,
    pub(super) mitigations: Vec<MitigationState>,
}

pub(super) fn observe(
    policy: &Policy,
    workloads: &Workloads,
    images: &Images,
    mitigation: &Mitigation,
) -> Facts {
    let mut workloads = workloads.all();
    workloads.retain(|workload| policy.selector.selects(workload, &policy.id.namespace));
    let mut known = HashMap::new();
    let mut failures = HashMap::new();
    for named in workloads.iter().flat_map(|workload| names(workload)) {
        let facts = images.facts(&named.0, &named.1);
        if let (ImageFacts::ScanFailed { .. }, ImageIdentity::Pullable { digest, .. }) = (&facts, &named.0)
            && let Some(failure) = images.failure(digest, &named.1)
        {
            failures.insert(named.clone(), failure);
        }
        known.insert(named, facts);
    }
    let mut scans = images.scans();
    scans.retain(|scan| {
        scan.namespace == policy.id.namespace && scan.policy.as_deref() == Some(policy.id.name.as_str())
    });
    Facts {
        workloads,
        images: known,
        failures,
        index: images.index(),
        scans,
        mitigations: mitigation.states(&policy.id),
    }
}

fn names(workload: &Workload) -> Vec<Named> {
    let running = workload.running.iter().map(|image| (image.identity.clone(), image.platform.clone()));
    running.chain(workload.containers.iter().filter_map(|container| pinned(&container.image))).collect()
}

/// The image of a template that pins a digest, for the platform that most nodes have.
pub(super) fn pinned(image: &str) -> Option<Named> {
    let (repository, digest) = image.rsplit_once('@')?;
    let identity =
        ImageIdentity::Pullable { repository: repository.to_owned(), digest: digest.parse().ok()? };
    Some((identity, Platform::linux("amd64")))
}
