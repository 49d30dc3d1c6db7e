//! A copy of a bulk export that is fetched over HTTP: `ecosystems.txt`, and `<ecosystem>/all.zip` for each line of it. Archives are
//! fetched again only when the server says that they changed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use breakwater_advisories::ecosystem;
use breakwater_core::printable;
use breakwater_scanner::registry::Trust;
use reqwest::{Client, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use super::size;

/// The largest archive fetched, in bytes; npm's, the largest of OSV's, is below 300 MB.
const MAX_ARCHIVE: u64 = 4 << 30;
/// The largest `ecosystems.txt`, in bytes.
const MAX_LIST: usize = 64 << 10;
/// The most ecosystems of one source.
const MAX_ECOSYSTEMS: usize = 500;
const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence within a body.
const STALL: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    #[error("cannot fetch {url}: {cause}")]
    Unreachable { url: Url, cause: String },
    #[error("cannot fetch {url}: the server answered {status}{}", advice(*status))]
    Refused { url: Url, status: StatusCode },
    #[error("{url} is larger than {max} bytes")]
    TooLarge { url: Url, max: u64 },
    #[error("{url}: {line:?} is not the name of an ecosystem")]
    BadName { url: Url, line: String },
    #[error("{url} lists no ecosystem that can be judged{}", if *.chosen { ", or none of those given with --ecosystem" } else { "" })]
    NothingListed { url: Url, chosen: bool },
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
    #[error("cannot set up HTTP: {0}")]
    Client(String),
}

fn advice(status: StatusCode) -> &'static str {
    if status == StatusCode::NOT_FOUND {
        "; a source has ecosystems.txt and <ecosystem>/all.zip below its address"
    } else {
        ""
    }
}

/// What the server said of an archive when it was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Mirror {
    base: Url,
    chosen: Vec<String>,
    directory: PathBuf,
    http: Client,
}

impl Mirror {
    /// A mirror of `base` in `directory`; `chosen` limits it to some ecosystems.
    pub(crate) fn new(base: Url, chosen: &[String], directory: &Path) -> Result<Self, MirrorError> {
        let tls = Trust::system().client_config().map_err(|error| MirrorError::Client(error.to_string()))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent(concat!("breakwater/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| MirrorError::Client(error.to_string()))?;
        Ok(Self { base, chosen: chosen.to_vec(), directory: directory.join("mirror"), http })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Brings the copy up to date. A failure leaves whole archives, old or new.
    pub(crate) async fn refresh(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), MirrorError> {
        let archives = self.archives().await?;
        let mut known = self.validators();
        // What is no longer listed is no longer known.
        known.retain(|name, _| archives.iter().any(|(listed, _)| listed == name));
        for (name, url) in archives {
            let path = self.directory.join(&name).join("all.zip");
            let conditions = known.get(&name).filter(|_| path.exists()).cloned().unwrap_or_default();
            let answer = self.get(&url, &conditions).await?;
            if answer.status() == StatusCode::NOT_MODIFIED {
                continue;
            }
            let fetched = validators_of(&answer);
            self.store(&url, answer, &path, &|bytes| progress(&format!("fetching {name}: {}", size(bytes))))
                .await?;
            known.insert(name, fetched);
            self.remember(&known)?;
        }
        self.forget_others(&known)
    }

    /// Name and address of each archive.
    async fn archives(&self) -> Result<Vec<(String, Url)>, MirrorError> {
        if self.base.path().ends_with(".zip") {
            return Ok(vec![("archive".to_owned(), self.base.clone())]);
        }
        let url = self.join("ecosystems.txt")?;
        let mut answer = self.get(&url, &Validators::default()).await?;
        let mut list = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&url, &error))? {
            list.extend_from_slice(&chunk);
            if list.len() > MAX_LIST {
                return Err(MirrorError::TooLarge { url, max: MAX_LIST as u64 });
            }
        }
        let list = String::from_utf8_lossy(&list).into_owned();
        let names: Vec<&str> = list.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let bad = names.iter().find(|name| !is_name(name)).copied();
        if let Some(line) = bad.or((names.len() > MAX_ECOSYSTEMS).then_some("")) {
            return Err(MirrorError::BadName { url, line: printable::line(line, 80) });
        }
        let wanted = |name: &&str| {
            if !self.chosen.is_empty() {
                return self.chosen.iter().any(|chosen| chosen == name);
            }
            // The archive of `Debian` has the records of `Debian:12` as well.
            let base = ecosystem::base(name);
            ecosystem::order(name).is_some() && (base == *name || !names.contains(&base))
        };
        let archives: Result<Vec<_>, _> = names
            .iter()
            .filter(|name| wanted(name))
            .map(|name| Ok(((*name).to_owned(), self.join(&format!("{name}/all.zip"))?)))
            .collect();
        let archives = archives?;
        if archives.is_empty() {
            return Err(MirrorError::NothingListed { url, chosen: !self.chosen.is_empty() });
        }
        Ok(archives)
    }

    /// The address of a file below the base. A colon in the first segment would read as a scheme, hence the `./`.
    fn join(&self, path: &str) -> Result<Url, MirrorError> {
        self.base.join(&format!("./{path}")).map_err(|error| MirrorError::Client(error.to_string()))
    }

    async fn get(&self, url: &Url, conditions: &Validators) -> Result<Response, MirrorError> {
        let mut request = self.http.get(url.clone());
        if let Some(etag) = &conditions.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(time) = &conditions.last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, time);
        }
        let answer = request.send().await.map_err(|error| unreachable(url, &error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(answer),
            status => Err(MirrorError::Refused { url: url.clone(), status }),
        }
    }

    /// Streams the body beside its place and renames it: an archive is whole or not there.
    async fn store(
        &self,
        url: &Url,
        mut answer: Response,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), MirrorError> {
        let unwritable = |cause| MirrorError::Unwritable { path: path.to_owned(), cause };
        let directory = path.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(directory).map_err(unwritable)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(unwritable)?;
        let mut received = 0_u64;
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
            received = received.saturating_add(chunk.len() as u64);
            if received > MAX_ARCHIVE {
                return Err(MirrorError::TooLarge { url: url.clone(), max: MAX_ARCHIVE });
            }
            file.write_all(&chunk).map_err(unwritable)?;
            progress(received);
        }
        file.persist(path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }

    fn validators_path(&self) -> PathBuf {
        // Not `.json`: the directory is read as a source.
        self.directory.join("validators")
    }

    /// A lost or damaged file only means that everything is fetched again.
    fn validators(&self) -> BTreeMap<String, Validators> {
        let bytes = std::fs::read(self.validators_path()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn remember(&self, validators: &BTreeMap<String, Validators>) -> Result<(), MirrorError> {
        let path = self.validators_path();
        let json = serde_json::to_vec(validators).unwrap_or_default();
        std::fs::write(&path, json).map_err(|cause| MirrorError::Unwritable { path, cause })
    }

    /// Removes the archives that the source no longer lists.
    fn forget_others(&self, known: &BTreeMap<String, Validators>) -> Result<(), MirrorError> {
        let unwritable = |cause| MirrorError::Unwritable { path: self.directory.clone(), cause };
        for entry in std::fs::read_dir(&self.directory).map_err(unwritable)? {
            let entry = entry.map_err(unwritable)?;
            let is_known = entry.file_name().to_str().is_some_and(|name| known.contains_key(name));
            if entry.path().is_dir() && !is_known {
                std::fs::remove_dir_all(entry.path()).map_err(unwritable)?;
            }
        }
        self.remember(known)
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> MirrorError {
    // The outermost message repeats the address; the innermost says what happened.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    MirrorError::Unreachable { url: url.clone(), cause: printable::line(&cause.to_string(), 200) }
}

fn validators_of(answer: &Response) -> Validators {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
}

/// The names become directories and parts of addresses.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .:-_".contains(&byte))
}
