use breakwater_core::{Digest, ImageReference};

use super::{Connection, Referrer, RegistryError, endpoint::Endpoint};
use crate::layer::pieces::Feed;

/// One repository of one registry.
#[derive(Debug)]
pub struct Repository {
    /// Asked first, in this order; each with credentials of its own.
    mirrors: Vec<Endpoint>,
    registry: Endpoint,
}

/// Who may serve a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// Mirrors first.
    All,
    RegistryAlone,
}

/// A manifest or index as the registry gave it.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    pub media_type: Option<String>,
    pub digest: Digest,
}

impl Repository {
    pub(super) fn new(connection: &Connection, image: &ImageReference) -> Result<Self, RegistryError> {
        let mirror = |(host, connection): &(String, Connection)| {
            Endpoint::new(connection, &ImageReference { registry: host.clone(), ..image.clone() })
        };
        Ok(Self {
            mirrors: connection.mirrors.iter().map(mirror).collect::<Result<_, _>>()?,
            registry: Endpoint::new(connection, image)?,
        })
    }

    /// The manifest or index behind a tag or digest, at most 4 MiB; behind a digest, checked against it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn manifest(&self, selector: &str) -> Result<Fetched, RegistryError> {
        self.anywhere(async |endpoint| endpoint.manifest(selector).await).await
    }

    /// The digest that a tag names now, without the bytes. `None`: the registry does not say.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn digest(&self, tag: &str) -> Result<Option<Digest>, RegistryError> {
        self.anywhere(async |endpoint| endpoint.digest(tag).await).await
    }

    /// An image configuration, at most 4 MiB, checked against its digest.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn config(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        self.anywhere(async |endpoint| endpoint.config(digest).await).await
    }

    /// All tags, without those that no image reference can have.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::TooManyTags`] beyond [`breakwater_core::scan::MAX_TAGS`].
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        self.anywhere(async |endpoint| endpoint.tags().await).await
    }

    /// What refers to the manifest `of`, at most [`crate::limits::MAX_REFERRERS`].
    ///
    /// # Errors
    /// [`RegistryError`]. A registry that knows no referrers has none.
    pub async fn referrers(&self, of: &Digest) -> Result<Vec<Referrer>, RegistryError> {
        self.anywhere(async |endpoint| endpoint.referrers(of).await).await
    }

    #[must_use]
    pub fn has_mirrors(&self) -> bool {
        !self.mirrors.is_empty()
    }

    /// Feeds a layer of `size` bytes to its reader, `from` those that serve it. Ends early, without error, if the reader hangs up: it knows why.
    ///
    /// # Errors
    /// [`RegistryError`]. Whether the bytes are the right ones is the reader's to say.
    pub async fn layer(
        &self,
        digest: &Digest,
        size: u64,
        from: Servers,
        feed: &Feed,
    ) -> Result<(), RegistryError> {
        let mut offset = 0;
        for mirror in self.mirrors.iter().filter(|_| from == Servers::All) {
            match mirror.layer(digest, size, &mut offset, feed).await {
                Ok(()) => return Ok(()),
                Err(error) => passed_over(mirror, &error),
            }
        }
        self.registry.layer(digest, size, &mut offset, feed).await
    }

    /// The first good answer. If there is none, the registry's own refusal counts.
    async fn anywhere<T>(
        &self,
        ask: impl AsyncFn(&Endpoint) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        for mirror in &self.mirrors {
            match ask(mirror).await {
                Ok(answer) => return Ok(answer),
                Err(error) => passed_over(mirror, &error),
            }
        }
        ask(&self.registry).await
    }
}

fn passed_over(mirror: &Endpoint, error: &RegistryError) {
    tracing::info!(mirror = mirror.host, %error, "the mirror does not serve it: asking the next");
}
