//! The records that an index is built from, on this machine or brought to it.

use std::path::{Path, PathBuf};

use super::artifact::Artifact;
use super::fetch::FetchError;
use super::location::SourceLocation;
use super::mirror::{Mirror, Say};
use crate::arguments::Source;
use crate::connection;

#[derive(Debug)]
pub(crate) enum Records {
    Here(PathBuf),
    Mirror(Mirror),
    Artifact(Box<Artifact>),
}

impl Records {
    /// Of this source; what is fetched is kept in `directory`.
    pub(crate) async fn of(source: &Source, directory: &Path) -> anyhow::Result<Self> {
        Ok(match &source.source {
            SourceLocation::Path(path) => Self::Here(path.clone()),
            SourceLocation::Url(url) => Self::Mirror(Mirror::new(url.clone(), &source.ecosystem, directory)?),
            SourceLocation::Artifact(reference) => {
                let connection = connection::to(&[reference], &source.registry).await?;
                let (reference, chosen) = (reference.clone(), &source.ecosystem);
                Self::Artifact(Box::new(Artifact::new(reference, chosen, directory, connection)))
            }
        })
    }

    /// Fetches what changed; where the records are.
    pub(crate) async fn refresh(&self, say: Say<'_>) -> Result<&Path, FetchError> {
        match self {
            Self::Here(path) => Ok(path),
            Self::Mirror(mirror) => mirror.refresh(say).await.map(|()| mirror.directory()),
            Self::Artifact(artifact) => artifact.refresh(say).await.map(|()| artifact.directory()),
        }
    }
}
