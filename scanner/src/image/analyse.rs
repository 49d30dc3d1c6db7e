//! A manifest's layers read and put together.

use std::collections::BTreeMap;

use breakwater_core::{Digest, Inventory, Platform};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    ImageDescription, PlatformManifest,
    assemble::{Identity, assemble},
    base,
    manifest::LayerDescriptor,
    origin::Origin,
};
use crate::{
    ScanError, ScanOptions,
    layer::{Budget, LayerFacts},
    limits::PARALLEL_LAYERS,
};

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

/// The diff ids of an image's layers, bottom first: what its configuration alone tells.
pub(super) async fn diff_ids(origin: Origin<'_>, image: &PlatformManifest) -> Result<Vec<Digest>, ScanError> {
    let config = origin.config(&image.manifest.config).await?;
    Ok(ImageDescription::parse(&config)?.diff_ids)
}

/// Streams the layers, two at a time, and makes the inventory.
pub(super) async fn analyse(
    origin: Origin<'_>,
    reference: &str,
    image: &PlatformManifest,
    options: ScanOptions,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Inventory, ScanError> {
    let manifest = &image.manifest;
    let config = origin.config(&manifest.config).await?;
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
    let budget = Budget::of_an_image();
    // The largest first: none is left alone at the end while the other core has nothing to do.
    let mut largest_first: Vec<_> = distinct.into_values().collect();
    largest_first.sort_by_key(|(layer, _)| std::cmp::Reverse(layer.size));
    let mut facts: BTreeMap<Digest, LayerFacts> = stream::iter(largest_first)
        .map(async |(layer, diff_id)| {
            let facts = origin.layer(layer, diff_id, options, &budget).await?;
            progress(Progress::LayerRead { digest: layer.digest.clone(), bytes: layer.size });
            Ok::<_, ScanError>((layer.digest.clone(), facts))
        })
        .buffer_unordered(PARALLEL_LAYERS)
        .try_collect()
        .await?;
    // A layer that is listed again covers its lower copy whole: the topmost stands for all, and nothing is held twice.
    let mut facts: Vec<LayerFacts> =
        manifest.layers.iter().rev().filter_map(|layer| facts.remove(&layer.digest)).collect();
    facts.reverse();
    let identity = Identity {
        reference: reference.to_owned(),
        digest: image.digest.clone(),
        config_digest: manifest.config.clone(),
        layers: manifest.layers.iter().map(|layer| (layer.digest.clone(), layer.size)).collect(),
    };
    let mut inventory = assemble(&identity, &description, &facts);
    inventory.base = manifest.base.clone().or_else(|| base::stated(&description.config.labels));
    Ok(inventory)
}
