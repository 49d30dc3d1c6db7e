//! An image in a registry: resolve its platforms, then read its layers.

use std::sync::Arc;

use breakwater_core::{Digest, ImageReference, Inventory, Platform};

use super::{
    PlatformManifest, Progress, Resolved,
    analyse::{analyse, diff_ids},
    origin::Origin,
    resolve::resolve,
};
use crate::{
    ScanError, ScanOptions,
    layer::LayerCache,
    registry::{Connection, Referrer, Repository},
};

/// An image in a registry.
#[derive(Debug)]
pub struct RegistryImage {
    reference: ImageReference,
    repository: Repository,
    cache: Arc<LayerCache>,
}

impl RegistryImage {
    /// # Errors
    /// As [`Connection::repository`].
    pub fn open(connection: &Connection, reference: &ImageReference) -> Result<Self, ScanError> {
        let repository = connection.repository(reference).map_err(ScanError::resolving)?;
        Ok(Self { reference: reference.clone(), repository, cache: Arc::default() })
    }

    /// With layers that were read for other images of the same trust domain. All of them must be read with the same options.
    #[must_use]
    pub fn sharing(self, cache: &Arc<LayerCache>) -> Self {
        Self { cache: cache.clone(), ..self }
    }

    /// The digest that its tag names now, without fetching the manifest. `None` if the registry does not say, or there is no tag.
    ///
    /// # Errors
    /// The registry's refusals.
    pub async fn current_digest(&self) -> Result<Option<Digest>, ScanError> {
        match (&self.reference.tag, &self.reference.digest) {
            (Some(tag), None) => self.repository.digest(tag).await.map_err(ScanError::resolving),
            (_, digest) => Ok(digest.clone()),
        }
    }

    /// Fetches the index, if there is one, and the manifest of each wanted platform. A platform that is absent is no error here.
    ///
    /// # Errors
    /// The registry's refusals, and manifests that are invalid, not read, or no image's.
    pub async fn resolve(&self, wanted: &[Platform]) -> Result<Resolved, ScanError> {
        let fetched =
            self.repository.manifest(&self.reference.selector()).await.map_err(ScanError::resolving)?;
        resolve(self.origin(), fetched, wanted).await
    }

    /// Streams the layers, two at a time, and makes the inventory.
    ///
    /// # Errors
    /// The registry's refusals, digests that do not fit, layers that cannot be read.
    pub async fn analyse(
        &self,
        image: &PlatformManifest,
        options: ScanOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Inventory, ScanError> {
        analyse(self.origin(), &self.reference.to_string(), image, options, progress).await
    }

    /// What refers to the platform's manifest `image`, or to the index that the reference names.
    ///
    /// # Errors
    /// The registry's refusals.
    pub async fn referrers(&self, image: &Digest) -> Result<Vec<Referrer>, ScanError> {
        let asked = async {
            let named = self.repository.manifest(&self.reference.selector()).await?.digest;
            let mut found = self.repository.referrers(image).await?;
            if named != *image {
                found.extend(self.repository.referrers(&named).await?);
            }
            Ok(found)
        };
        asked.await.map_err(ScanError::resolving)
    }

    fn origin(&self) -> Origin<'_> {
        Origin::Registry(&self.repository, &self.cache)
    }

    /// The diff ids of its layers, bottom first; no layer is read.
    ///
    /// # Errors
    /// As [`Self::analyse`].
    pub async fn diff_ids(&self, image: &PlatformManifest) -> Result<Vec<Digest>, ScanError> {
        diff_ids(self.origin(), image).await
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
    options: ScanOptions,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Vec<Inventory>, ScanError> {
    let image = RegistryImage::open(connection, reference)?;
    let resolved = image.resolve(platforms).await?;
    if resolved.manifests.is_empty() {
        return Err(ScanError::PlatformMissing { wanted: platforms.to_vec() });
    }
    let mut inventories = Vec::with_capacity(resolved.manifests.len());
    for manifest in &resolved.manifests {
        inventories.push(image.analyse(manifest, options, progress).await?);
    }
    Ok(inventories)
}
