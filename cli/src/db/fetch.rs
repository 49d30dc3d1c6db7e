//! Files over HTTP: fetched again only when the server says that they changed, and put in place only whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use breakwater_advisories::source::SourceError;
use breakwater_core::{Digest, printable};
use breakwater_scanner::registry::{RegistryError, Trust};
use reqwest::{Client, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::connection::option_for;

/// The largest file fetched, in bytes; npm's archive, the largest of OSV's, is below 300 MB.
pub(super) const MAX_FILE: u64 = 4 << 30;
const CONNECT: Duration = Duration::from_secs(10);
/// How the resolver begins to say that a name has no address.
const NO_ADDRESS: &str = "no records found";
/// The longest silence within a body.
const STALL: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot fetch {url}: {cause}")]
    Unreachable { url: Url, cause: String },
    #[error("cannot fetch {url}: the server answered {status}{}", advice(*status))]
    Refused { url: Url, status: StatusCode },
    #[error("{url} is larger than {max} bytes")]
    TooLarge { url: Url, max: u64 },
    #[error("{url}: {cause}")]
    Damaged { url: Url, cause: Box<SourceError> },
    #[error("{url}: {line:?} is not the name of an ecosystem")]
    BadName { url: Url, line: String },
    #[error("{url} lists no ecosystem that can be judged{}", if *.chosen { ", or none of those given with --ecosystem" } else { "" })]
    NothingListed { url: Url, chosen: bool },
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
    #[error("oci://{artifact}: {error}{}", option_for(error))]
    Registry { artifact: String, error: Box<RegistryError> },
    #[error("oci://{artifact} holds no advisory records: {why}")]
    NoRecords { artifact: String, why: String },
    #[error("oci://{artifact}: the layer {title} is not what its digest names, but {digest}")]
    WrongDigest { artifact: String, title: String, digest: Digest },
    #[error("oci://{artifact}: the layer {title}: {cause}")]
    DamagedLayer { artifact: String, title: String, cause: Box<SourceError> },
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

/// What the server said of a file when it was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    pub(super) fn of(answer: &Response) -> Self {
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    http: Client,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, FetchError> {
        let tls = Trust::system().client_config().map_err(|error| FetchError::Client(error.to_string()))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent(concat!("breakwater/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FetchError::Client(error.to_string()))?;
        Ok(Self { http })
    }

    /// Asks for a file, unless it is as `known` says.
    pub(super) async fn get(&self, url: &Url, known: &Validators) -> Result<Response, FetchError> {
        let mut request = self.http.get(url.clone());
        if let Some(etag) = &known.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(time) = &known.last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, time);
        }
        let answer = request.send().await.map_err(|error| unreachable(url, &error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(answer),
            status => Err(FetchError::Refused { url: url.clone(), status }),
        }
    }

    /// A small file as a whole; `None` if there is none.
    pub(super) async fn bytes(&self, url: &Url, max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let mut answer = match self.get(url, &Validators::default()).await {
            Err(FetchError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
            answer => answer?,
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > max {
                return Err(FetchError::TooLarge { url: url.clone(), max: max as u64 });
            }
        }
        Ok(Some(bytes))
    }
}

/// Streams the body beside its place, lets `check` look at it, and renames it: a file is whole or as it was.
pub(super) async fn store(
    url: &Url,
    mut answer: Response,
    path: &Path,
    progress: &(dyn Fn(u64, Option<u64>) + Send + Sync),
    check: impl FnOnce(&Path) -> Result<(), SourceError>,
) -> Result<(), FetchError> {
    let unwritable = |cause| FetchError::Unwritable { path: path.to_owned(), cause };
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(unwritable)?;
    let total = answer.content_length();
    let mut received = 0_u64;
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
        received = received.saturating_add(chunk.len() as u64);
        if received > MAX_FILE {
            return Err(FetchError::TooLarge { url: url.clone(), max: MAX_FILE });
        }
        file.write_all(&chunk).map_err(unwritable)?;
        progress(received, total);
    }
    check(file.path()).map_err(|cause| FetchError::Damaged { url: url.clone(), cause: Box::new(cause) })?;
    file.persist(path).map_err(|error| unwritable(error.error))?;
    Ok(())
}

fn unreachable(url: &Url, error: &reqwest::Error) -> FetchError {
    // The outermost message repeats the address; the innermost says what happened.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let cause = match cause.to_string() {
        // What the resolver says is about its queries.
        said if error.is_connect() && said.starts_with(NO_ADDRESS) => {
            format!(
                "the host {} has no address: check its name and the network",
                url.host_str().unwrap_or_default()
            )
        }
        said => said,
    };
    FetchError::Unreachable { url: url.clone(), cause: printable::line(&cause, 200) }
}
