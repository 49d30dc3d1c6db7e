//! What is in memory: the facts about images that run.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use breakwater_core::{
    Digest, Platform,
    policy::{ImageFacts, ScannedImage},
    workload::{ImageIdentity, Workload},
};

use super::scans::Scans;
use crate::store::Resolution;

/// Only images that run are held: their number is bounded by what the cluster runs. Others are loaded when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) scanned: HashMap<Digest, Arc<ScannedImage>>,
    pub(super) resolutions: HashMap<Digest, Arc<Resolution>>,
    /// Digests that nodes report, each with the platforms it runs on.
    wanted: BTreeSet<(Digest, Platform)>,
    /// The wanted digests, and the manifests they resolve to.
    in_use: HashSet<Digest>,
    /// Digests the store did not have when it was asked last.
    pub(super) missing: HashSet<Digest>,
    pub(super) scans: Scans,
}

impl Held {
    /// The manifest behind a digest that a node reports: itself, or what it resolves to on this platform.
    fn manifest<'a>(&'a self, digest: &'a Digest, platform: &Platform) -> Option<&'a Digest> {
        match self.resolutions.get(digest) {
            Some(resolution) => resolution.manifest(platform),
            None => Some(digest),
        }
    }

    pub(super) fn facts(&self, identity: &ImageIdentity, platform: &Platform) -> ImageFacts {
        let scanned = |digest| {
            let manifest = self.manifest(digest, platform)?;
            self.scanned.get(manifest).map(|image| ImageFacts::Scanned(Arc::clone(image)))
        };
        match identity {
            _ if platform.os != "linux" => {
                ImageFacts::Unreadable { reason: format!("images for {} cannot be read", platform.os) }
            }
            ImageIdentity::Pending => ImageFacts::NeverScanned,
            ImageIdentity::Imported { config_digest } => {
                scanned(config_digest).unwrap_or_else(|| ImageFacts::Unreadable {
                    reason: "it was imported into the node and no registry is known that has it".into(),
                })
            }
            ImageIdentity::Pullable { digest, .. } => {
                scanned(digest).unwrap_or_else(|| match self.scans.failure(digest, platform) {
                    Some((failure, _)) => {
                        ImageFacts::ScanFailed { reason: failure.reason, message: failure.message }
                    }
                    None => ImageFacts::NeverScanned,
                })
            }
        }
    }

    /// Takes over what runs now, forgets what does not any more, and says of which digests nothing is held yet.
    pub(super) fn want(&mut self, workloads: &[Arc<Workload>]) -> Vec<Digest> {
        self.wanted = wanted(workloads);
        let digests =
            self.wanted.iter().flat_map(|(digest, platform)| [Some(digest), self.manifest(digest, platform)]);
        let in_use: HashSet<Digest> = digests.flatten().cloned().collect();
        self.scanned.retain(|digest, _| in_use.contains(digest));
        self.resolutions.retain(|digest, _| in_use.contains(digest));
        self.missing.retain(|digest| in_use.contains(digest));
        self.in_use = in_use;
        self.lacking()
    }

    /// Whether a manifest is one that runs, so that its facts are to be held.
    pub(super) fn is_wanted(&self, manifest: &Digest) -> bool {
        self.in_use.contains(manifest)
    }

    /// Learns what an index or configuration digest stands for.
    pub(super) fn resolve(&mut self, digest: Digest, resolution: Resolution) {
        let platforms = self.wanted.iter().filter(|(wanted, _)| *wanted == digest);
        let manifests = platforms.filter_map(|(_, platform)| resolution.manifest(platform).cloned());
        self.in_use.extend(manifests);
        self.resolutions.insert(digest, Arc::new(resolution));
    }

    /// Digests to ask the store for.
    pub(super) fn lacking(&self) -> Vec<Digest> {
        let lacking: BTreeSet<&Digest> = self
            .wanted
            .iter()
            .filter_map(|(digest, platform)| self.manifest(digest, platform))
            .filter(|digest| !self.scanned.contains_key(*digest) && !self.missing.contains(*digest))
            .collect();
        lacking.into_iter().cloned().collect()
    }
}

fn wanted(workloads: &[Arc<Workload>]) -> BTreeSet<(Digest, Platform)> {
    let running = workloads.iter().flat_map(|workload| &workload.running);
    let running = running.filter_map(|image| {
        let digest = match &image.identity {
            ImageIdentity::Pullable { digest, .. } | ImageIdentity::Imported { config_digest: digest } => {
                digest
            }
            ImageIdentity::Pending => return None,
        };
        Some((digest.clone(), image.platform.clone()))
    });
    // A template pinned to a digest is known before, and after, its pods run.
    let pinned = workloads.iter().filter(|workload| workload.running.is_empty()).flat_map(|workload| {
        workload.containers.iter().filter_map(|container| {
            let digest = container.image.rsplit_once('@')?.1.parse().ok()?;
            Some((digest, Platform::linux("amd64")))
        })
    });
    running.chain(pinned).collect()
}
