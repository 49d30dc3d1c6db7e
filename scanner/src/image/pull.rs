//! An image in a registry: resolve its platforms, then read its layers.

use std::collections::BTreeMap;

use breakwater_core::{Digest, ImageReference, Inventory, Platform, printable};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    ImageDescription,
    assemble::{Identity, assemble},
    manifest::{Document, LayerDescriptor, Manifest, parse},
};
use crate::{
    ScanError,
    layer::{ExpectedLayer, LayerError, LayerFacts, pieces::pieces, read_layer},
    limits::PARALLEL_LAYERS,
    registry::{Connection, Fetched, Repository},
};

/// What a reference turned out to be.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The index's bytes, if the reference names one.
    pub index: Option<Vec<u8>>,
    /// The manifest of each wanted platform that the image has, in the order they were wanted.
    pub manifests: Vec<PlatformManifest>,
    /// Wanted platforms that it does not have.
    pub absent: Vec<Platform>,
}

#[derive(Debug, Clone)]
pub struct PlatformManifest {
    pub platform: Platform,
    pub digest: Digest,
    pub bytes: Vec<u8>,
    manifest: Manifest,
}

/// How far an analysis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Layers, and their compressed bytes in all.
    Begun {
        platform: Platform,
        layers: usize,
        bytes: u64,
    },
    LayerRead {
        digest: Digest,
        bytes: u64,
    },
}

/// An image in a registry.
#[derive(Debug)]
pub struct RegistryImage {
    reference: ImageReference,
    repository: Repository,
}

impl RegistryImage {
    /// # Errors
    /// As [`Connection::repository`].
    pub fn open(connection: &Connection, reference: &ImageReference) -> Result<Self, ScanError> {
        let repository = connection.repository(reference).map_err(ScanError::resolving)?;
        Ok(Self { reference: reference.clone(), repository })
    }

    /// Fetches the index, if there is one, and the manifest of each wanted platform. A platform that is absent is no error here.
    ///
    /// # Errors
    /// The registry's refusals, and manifests that are invalid, not read, or no image's.
    pub async fn resolve(&self, wanted: &[Platform]) -> Result<Resolved, ScanError> {
        let fetched =
            self.repository.manifest(&self.reference.selector()).await.map_err(ScanError::resolving)?;
        match parse(&fetched.bytes, fetched.media_type.as_deref())? {
            Document::Manifest(manifest) => self.resolve_manifest(fetched, manifest, wanted).await,
            Document::Index(entries) => {
                let mut resolved =
                    Resolved { index: Some(fetched.bytes), manifests: Vec::new(), absent: Vec::new() };
                for platform in wanted {
                    let manifests = || entries.iter().filter(|entry| entry.is_manifest);
                    let exact = manifests().find(|entry| entry.platform.as_ref() == Some(platform));
                    let fits = |found: &Platform| found.satisfies(platform);
                    let entry = exact.or_else(|| manifests().find(|e| e.platform.as_ref().is_some_and(fits)));
                    match entry {
                        Some(entry) => {
                            let manifest = self.manifest_of(&entry.digest, platform.clone()).await?;
                            resolved.manifests.push(manifest);
                        }
                        None => resolved.absent.push(platform.clone()),
                    }
                }
                Ok(resolved)
            }
        }
    }

    async fn manifest_of(&self, digest: &Digest, platform: Platform) -> Result<PlatformManifest, ScanError> {
        let fetched = self.repository.manifest(&digest.to_string()).await.map_err(ScanError::resolving)?;
        match parse(&fetched.bytes, fetched.media_type.as_deref())? {
            Document::Manifest(manifest) => {
                Ok(PlatformManifest { platform, digest: fetched.digest, bytes: fetched.bytes, manifest })
            }
            Document::Index(_) => Err(super::manifest::ManifestError::Invalid(
                "the index lists an index as a platform's manifest".into(),
            )
            .into()),
        }
    }

    /// A lone manifest does not tell its platform; its configuration does.
    async fn resolve_manifest(
        &self,
        fetched: Fetched,
        manifest: Manifest,
        wanted: &[Platform],
    ) -> Result<Resolved, ScanError> {
        let config = self.repository.config(&manifest.config).await.map_err(ScanError::resolving)?;
        let platform = ImageDescription::parse(&config)?.platform;
        let (has, absent): (Vec<_>, Vec<_>) =
            wanted.iter().cloned().partition(|wanted| platform.satisfies(wanted));
        let manifests = match has.first() {
            Some(_) => {
                vec![PlatformManifest { platform, digest: fetched.digest, bytes: fetched.bytes, manifest }]
            }
            None => Vec::new(),
        };
        Ok(Resolved { index: None, manifests, absent })
    }

    /// Streams the layers, two at a time, and makes the inventory.
    ///
    /// # Errors
    /// The registry's refusals, digests that do not fit, layers that cannot be read.
    pub async fn analyse(
        &self,
        image: &PlatformManifest,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Inventory, ScanError> {
        let manifest = &image.manifest;
        let config = self.repository.config(&manifest.config).await.map_err(ScanError::pulling)?;
        let mut description = ImageDescription::parse(&config)?;
        // The index has the last word on what its manifest is for.
        description.platform = image.platform.clone();
        if description.diff_ids.len() != manifest.layers.len() {
            let (manifest, config) = (manifest.layers.len(), description.diff_ids.len());
            return Err(ScanError::LayerCount { manifest, config });
        }
        // One layer may be listed many times (empty ones are); it is read once.
        let distinct: BTreeMap<&Digest, (&LayerDescriptor, &Digest)> = manifest
            .layers
            .iter()
            .zip(&description.diff_ids)
            .map(|(layer, id)| (&layer.digest, (layer, id)))
            .collect();
        let bytes = distinct.values().map(|(layer, _)| layer.size).fold(0, u64::saturating_add);
        progress(Progress::Begun { platform: image.platform.clone(), layers: distinct.len(), bytes });
        let facts: BTreeMap<Digest, LayerFacts> = stream::iter(distinct.into_values())
            .map(async |(layer, diff_id)| {
                let facts = self.layer(layer, diff_id).await?;
                progress(Progress::LayerRead { digest: layer.digest.clone(), bytes: layer.size });
                Ok::<_, ScanError>((layer.digest.clone(), facts))
            })
            .buffer_unordered(PARALLEL_LAYERS)
            .try_collect()
            .await?;
        let facts: Vec<LayerFacts> =
            manifest.layers.iter().filter_map(|layer| facts.get(&layer.digest).cloned()).collect();
        let identity = Identity {
            reference: self.reference.to_string(),
            digest: image.digest.clone(),
            config_digest: manifest.config.clone(),
            layers: manifest.layers.iter().map(|layer| (layer.digest.clone(), layer.size)).collect(),
        };
        Ok(assemble(&identity, &description, &facts))
    }

    async fn layer(&self, layer: &LayerDescriptor, diff_id: &Digest) -> Result<LayerFacts, ScanError> {
        let expected = ExpectedLayer { digest: layer.digest.clone(), diff_id: diff_id.clone() };
        let (feed, pieces) = pieces();
        let reading = tokio::task::spawn_blocking(move || read_layer(pieces, &expected));
        let fed = self.repository.layer(&layer.digest, layer.size, &feed).await;
        drop(feed);
        let read = reading.await.map_err(|_| ScanError::AnalysisDied(layer.digest.clone()))?;
        match (fed, read) {
            (Ok(()), Ok(facts)) => Ok(facts),
            // The reader knows best, unless it only noticed that no more came.
            (Err(error), Ok(_) | Err(LayerError::Interrupted(_))) => Err(ScanError::pulling(error)),
            (_, Err(error)) => Err(ScanError::Layer { digest: layer.digest.clone(), error: shown(error) }),
        }
    }
}

fn shown(error: LayerError) -> LayerError {
    match error {
        LayerError::Corrupt(why) => LayerError::Corrupt(printable::line(&why, 200)),
        other => other,
    }
}

/// Resolves and analyses: the inventories of the wanted platforms that the image has.
///
/// # Errors
/// As [`RegistryImage::resolve`] and [`RegistryImage::analyse`]; [`ScanError::PlatformMissing`] if it has none of them.
pub async fn scan(
    connection: &Connection,
    reference: &ImageReference,
    platforms: &[Platform],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Vec<Inventory>, ScanError> {
    let image = RegistryImage::open(connection, reference)?;
    let resolved = image.resolve(platforms).await?;
    if resolved.manifests.is_empty() {
        return Err(ScanError::PlatformMissing { wanted: platforms.to_vec() });
    }
    let mut inventories = Vec::with_capacity(resolved.manifests.len());
    for manifest in &resolved.manifests {
        inventories.push(image.analyse(manifest, progress).await?);
    }
    Ok(inventories)
}
