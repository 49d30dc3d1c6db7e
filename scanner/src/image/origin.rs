use breakwater_core::{Digest, printable};

use super::{local::Blobs, manifest::LayerDescriptor};
use crate::{
    ScanError, ScanOptions,
    layer::{Budget, ExpectedLayer, LayerCache, LayerError, LayerFacts, pieces::pieces, read_layer_within},
    registry::{Fetched, Repository, Servers},
};

/// Where an image's documents and layers come from. Whatever comes is checked against its digest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    Registry(&'a Repository, &'a LayerCache),
    Local(&'a Blobs),
}

impl Origin<'_> {
    pub(super) async fn manifest(self, digest: &Digest) -> Result<Fetched, ScanError> {
        match self {
            Self::Registry(repository, _) => {
                repository.manifest(&digest.to_string()).await.map_err(ScanError::resolving)
            }
            Self::Local(blobs) => blobs.manifest(digest),
        }
    }

    pub(super) async fn config(self, digest: &Digest) -> Result<Vec<u8>, ScanError> {
        match self {
            Self::Registry(repository, _) => repository.config(digest).await.map_err(ScanError::pulling),
            Self::Local(blobs) => blobs.config(digest),
        }
    }

    pub(super) async fn layer(
        self,
        layer: &LayerDescriptor,
        diff_id: &Digest,
        options: ScanOptions,
        budget: &Budget,
    ) -> Result<LayerFacts, ScanError> {
        let expected = ExpectedLayer { digest: layer.digest.clone(), diff_id: diff_id.clone() };
        let died = |_| ScanError::AnalysisDied(layer.digest.clone());
        let failed = |error| ScanError::Layer { digest: layer.digest.clone(), error: shown(error) };
        let (repository, cache) = match self {
            Self::Registry(repository, cache) => (repository, cache),
            Self::Local(blobs) => {
                let blob = blobs.reader(&layer.digest)?;
                let budget = budget.clone();
                let reading =
                    tokio::task::spawn_blocking(move || read_layer_within(blob, &expected, options, &budget));
                return reading.await.map_err(died)?.map_err(failed);
            }
        };
        // What the budget does not cover is read again, up to where the budget ends.
        if let Some(facts) = cache.get(&layer.digest, diff_id)
            && budget.covers(&facts)
        {
            return Ok(facts);
        }
        let read = match from_registry(repository, Servers::All, layer, &expected, options, budget).await {
            // A mirror's wrong bytes are told from right ones only at their end: they must not hide what the registry has.
            Err(ScanError::Layer { error, .. }) if repository.has_mirrors() => {
                tracing::warn!(layer = %layer.digest, %error, "reading a layer again, without mirrors");
                from_registry(repository, Servers::RegistryAlone, layer, &expected, options, budget).await
            }
            read => read,
        }?;
        // What this image's other layers left no room for is no fact about the layer.
        if !budget.is_exceeded() {
            cache.put(diff_id, &read);
        }
        Ok(read)
    }
}

async fn from_registry(
    repository: &Repository,
    servers: Servers,
    layer: &LayerDescriptor,
    expected: &ExpectedLayer,
    options: ScanOptions,
    budget: &Budget,
) -> Result<LayerFacts, ScanError> {
    let (expected, budget) = (expected.clone(), budget.clone());
    let (feed, pieces) = pieces();
    let reading = tokio::task::spawn_blocking(move || read_layer_within(pieces, &expected, options, &budget));
    let fed = repository.layer(&layer.digest, layer.size, servers, &feed).await;
    drop(feed);
    match (fed, reading.await.map_err(|_| ScanError::AnalysisDied(layer.digest.clone()))?) {
        (Ok(()), Ok(facts)) => Ok(facts),
        // The reader knows best, unless it only noticed that no more came.
        (Err(error), Ok(_) | Err(LayerError::Interrupted(_))) => Err(ScanError::pulling(error)),
        (_, Err(error)) => Err(ScanError::Layer { digest: layer.digest.clone(), error: shown(error) }),
    }
}

fn shown(error: LayerError) -> LayerError {
    match error {
        LayerError::Corrupt(why) => LayerError::Corrupt(printable::line(&why, 200)),
        other => other,
    }
}
