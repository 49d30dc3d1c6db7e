//! The files that are joined to advisories by CVE, wherever they come from: paths are read where they are, addresses are fetched when
//! they changed.

use std::path::{Path, PathBuf};

use breakwater_advisories::BuildInput;
use reqwest::StatusCode;

use super::fetch::{self, FetchError, Fetcher, Validators};
use super::location::FileLocation;
use crate::arguments::Source;

#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    kev: Option<PathBuf>,
    epss: Option<PathBuf>,
    severities: Vec<PathBuf>,
}

impl Joined {
    /// Fetches what is fetched into `directory`.
    pub(crate) async fn of(source: &Source, directory: &Path) -> Result<Self, FetchError> {
        let directory = directory.join("joined");
        let mut joined = Self::default();
        if let Some(kev) = &source.kev {
            joined.kev = Some(local(kev, &directory, "kev").await?);
        }
        if let Some(epss) = &source.epss {
            joined.epss = Some(local(epss, &directory, "epss").await?);
        }
        for (number, location) in source.severities.iter().enumerate() {
            joined.severities.push(local(location, &directory, &format!("severities-{number}")).await?);
        }
        Ok(joined)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.kev.iter().chain(&self.epss).chain(&self.severities).map(PathBuf::as_path)
    }

    pub(crate) fn input<'a>(&'a self, source: &'a Path, out: &'a Path) -> BuildInput<'a> {
        BuildInput {
            kev: self.kev.as_deref(),
            epss: self.epss.as_deref(),
            severities: &self.severities,
            ..BuildInput::new(source, out)
        }
    }
}

async fn local(location: &FileLocation, directory: &Path, name: &str) -> Result<PathBuf, FetchError> {
    let url = match location {
        FileLocation::Path(path) => return Ok(path.clone()),
        FileLocation::Url(url) => url,
    };
    let path = directory.join(name);
    // What was fetched from another address says nothing about this one.
    let note = directory.join(format!("{name}.validators"));
    let known: Option<(String, Validators)> =
        std::fs::read(&note).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let known = known.filter(|(from, _)| from == url.as_str() && path.exists()).map(|(_, known)| known);
    let answer = Fetcher::new()?.get(url, &known.unwrap_or_default()).await?;
    if answer.status() == StatusCode::NOT_MODIFIED {
        return Ok(path);
    }
    let validators = Validators::of(&answer);
    fetch::store(url, answer, &path, &|_, _| (), |_| Ok(())).await?;
    let json = serde_json::to_vec(&(url.as_str(), validators)).unwrap_or_default();
    std::fs::write(&note, json).map_err(|cause| FetchError::Unwritable { path: note, cause })?;
    Ok(path)
}
