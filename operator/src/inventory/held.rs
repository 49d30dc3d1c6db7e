//! What is in memory: the facts about images that run, or that templates ask for.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use breakwater_core::{
    Digest, ImageReference, Platform,
    policy::{ImageFacts, ScannedImage},
    workload::{ImageIdentity, Workload},
};

use super::scans::Scans;
use crate::{evaluate::asked_for, store::Resolution};

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

    /// Takes over what runs or is asked for by templates now, forgets what is not any more, and returns the digests of which nothing is
    /// held yet.
    pub(super) fn want(
        &mut self,
        workloads: &[Arc<Workload>],
        platforms: &[Platform],
        own: &str,
    ) -> Vec<Digest> {
        self.wanted = wanted(workloads, platforms, |namespace, image, platform| {
            self.scans.tag([namespace, own], image, platform).cloned()
        });
        let digests =
            self.wanted.iter().flat_map(|(digest, platform)| [Some(digest), self.manifest(digest, platform)]);
        let in_use: HashSet<Digest> = digests.flatten().cloned().collect();
        self.scanned.retain(|digest, _| in_use.contains(digest));
        self.resolutions.retain(|digest, _| in_use.contains(digest));
        self.missing.retain(|digest| in_use.contains(digest));
        self.in_use = in_use;
        self.lacking()
    }

    /// Reports whether a manifest is one that runs, so that its facts are to be held.
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

fn wanted(
    workloads: &[Arc<Workload>],
    platforms: &[Platform],
    tag_of: impl Fn(&str, &ImageReference, &Platform) -> Option<Digest>,
) -> BTreeSet<(Digest, Platform)> {
    let mut wanted = BTreeSet::new();
    for workload in workloads {
        let running = workload.running.iter();
        wanted.extend(
            running.filter_map(|image| Some((image.identity.digest()?.clone(), image.platform.clone()))),
        );
        // What a template asks for is known before, and after, its pods run.
        let runs = |name: &str| workload.running.iter().any(|image| image.container == name);
        for container in workload.containers.iter().filter(|container| !runs(&container.name)) {
            for platform in platforms {
                let tag = |image: &ImageReference| tag_of(&workload.id.namespace, image, platform);
                let asked = asked_for(&container.image, platform, tag);
                wanted.extend(
                    asked.and_then(|(identity, platform)| Some((identity.digest()?.clone(), platform))),
                );
            }
        }
    }
    wanted
}
