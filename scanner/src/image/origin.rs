use breakwater_core::{Digest, printable};

use super::{local::Blobs, manifest::LayerDescriptor};
use crate::{
    ScanError,
    layer::{ExpectedLayer, LayerError, LayerFacts, pieces::pieces, read_layer},
    registry::{Fetched, Repository},
};

/// Where an image's documents and layers come from. Whatever comes is checked against its digest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    Registry(&'a Repository),
    Local(&'a Blobs),
}

impl Origin<'_> {
    pub(super) async fn manifest(self, digest: &Digest) -> Result<Fetched, ScanError> {
        match self {
            Self::Registry(repository) => {
                repository.manifest(&digest.to_string()).await.map_err(ScanError::resolving)
            }
            Self::Local(blobs) => blobs.manifest(digest),
        }
    }

    pub(super) async fn config(self, digest: &Digest) -> Result<Vec<u8>, ScanError> {
        match self {
            Self::Registry(repository) => repository.config(digest).await.map_err(ScanError::pulling),
            Self::Local(blobs) => blobs.config(digest),
        }
    }

    pub(super) async fn layer(
        self,
        layer: &LayerDescriptor,
        diff_id: &Digest,
    ) -> Result<LayerFacts, ScanError> {
        let expected = ExpectedLayer { digest: layer.digest.clone(), diff_id: diff_id.clone() };
        let died = |_| ScanError::AnalysisDied(layer.digest.clone());
        let failed = |error| ScanError::Layer { digest: layer.digest.clone(), error: shown(error) };
        let repository = match self {
            Self::Registry(repository) => repository,
            Self::Local(blobs) => {
                let blob = blobs.reader(&layer.digest)?;
                let reading = tokio::task::spawn_blocking(move || read_layer(blob, &expected));
                return reading.await.map_err(died)?.map_err(failed);
            }
        };
        let (feed, pieces) = pieces();
        let reading = tokio::task::spawn_blocking(move || read_layer(pieces, &expected));
        let fed = repository.layer(&layer.digest, layer.size, &feed).await;
        drop(feed);
        match (fed, reading.await.map_err(died)?) {
            (Ok(()), Ok(facts)) => Ok(facts),
            // The reader knows best, unless it only noticed that no more came.
            (Err(error), Ok(_) | Err(LayerError::Interrupted(_))) => Err(ScanError::pulling(error)),
            (_, Err(error)) => Err(failed(error)),
        }
    }
}

fn shown(error: LayerError) -> LayerError {
    match error {
        LayerError::Corrupt(why) => LayerError::Corrupt(printable::line(&why, 200)),
        other => other,
    }
}
