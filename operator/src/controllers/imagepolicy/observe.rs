//! Observe: everything a status is made from, read from memory at one moment.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use breakwater_core::{
    Digest, ImageReference, Platform,
    policy::{ImageFacts, Policy, Verdict},
    workload::{ImageIdentity, Workload},
};
use chrono::{DateTime, Utc};

use super::Rooms;
use crate::{
    evaluate::{ImageOnPlatform, images_under_test},
    inventory::{Failure, IndexState, Scan},
    mitigation::{Health, MitigationState},
    store::Domain,
};

/// What is known of a policy beside its object.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Those that the policy selects, sorted by reference.
    pub(super) judged: Vec<Judged>,
    /// Of every image that they run or that their templates pin.
    pub(super) images: HashMap<ImageOnPlatform, ImageFacts>,
    /// Why images of [`ImageFacts::ScanFailed`] failed.
    pub(super) failures: HashMap<ImageOnPlatform, (Failure, Option<DateTime<Utc>>)>,
    /// What tags of templates stand for, by namespace, reference and platform.
    pub(super) tags: HashMap<(String, ImageReference, Platform), Digest>,
    /// Platforms of the cluster's nodes.
    pub(super) platforms: Vec<Platform>,
    pub(super) index: IndexState,
    /// Scans of the policy's registries.
    pub(super) scans: Vec<Arc<Scan>>,
    pub(super) mitigations: Vec<MitigationState>,
    /// What may stop every action.
    pub(super) health: Health,
    pub(super) paused: bool,
    /// Why the report store takes no more inventories of the policy's trust domain or of what all share.
    pub(super) store_full: Option<String>,
}

/// A workload with the policy's verdict.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) workload: Arc<Workload>,
    pub(super) verdict: Arc<Verdict>,
}

pub(super) fn observe(policy: &Policy, rooms: &Rooms) -> Facts {
    let judged: Vec<Judged> = rooms
        .verdicts
        .of_policy(&policy.id.uid)
        .into_iter()
        .map(|(workload, verdict)| Judged { workload, verdict })
        .collect();
    let platforms = rooms.workloads.platforms();
    let images = &rooms.images;
    let tags = RefCell::new(HashMap::new());
    let mut known = HashMap::new();
    let mut failures = HashMap::new();
    for judged in &judged {
        let of_workload = images_under_test(
            &judged.workload,
            &platforms,
            |(identity, platform)| images.facts(identity, platform),
            |namespace, image, platform| {
                let digest = images.tag(namespace, image, platform)?;
                tags.borrow_mut()
                    .insert((namespace.to_owned(), image.clone(), platform.clone()), digest.clone());
                Some(digest)
            },
        );
        for (image, named) in of_workload {
            let Some(named) = named else { continue };
            if let (ImageFacts::ScanFailed { .. }, ImageIdentity::Pullable { digest, .. }) =
                (&image.facts, &named.0)
                && let Some(failure) = images.failure(digest, &named.1)
            {
                failures.insert(named.clone(), failure);
            }
            known.insert(named, image.facts);
        }
    }
    let mut scans = images.scans();
    scans.retain(|scan| {
        scan.namespace == policy.id.namespace && scan.policy.as_deref() == Some(policy.id.name.as_str())
    });
    Facts {
        judged,
        images: known,
        failures,
        platforms,
        tags: tags.into_inner(),
        index: images.index(),
        scans,
        mitigations: rooms.mitigation.states(&policy.id),
        health: rooms.mitigation.health(),
        paused: rooms.context.config.load().remediation.paused,
        store_full: store_full(policy, rooms),
    }
}

/// Without figures, which would change at every write.
fn store_full(policy: &Policy, rooms: &Rooms) -> Option<String> {
    let domains = [Domain::Everyone, Domain::namespace(&policy.id.namespace)];
    let full = domains.iter().find_map(|domain| rooms.store.full(domain))?;
    let whose = match full.domain {
        Domain::Everyone => "the inventories that all namespaces share".to_owned(),
        Domain::Namespace(_) => format!("the inventories of namespace {}", policy.id.namespace),
    };
    Some(format!(
        "the report store has no room left for {whose}: new images stay Unknown; delete ScanJobs and workloads that are not needed, or use a \
         larger store (store.file, store.s3)"
    ))
}
