//! Where the index comes from: the advisories Deployment by long poll, or a file that something else replaces.

use std::{path::PathBuf, time::Duration};

use breakwater_core::printable;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use reqwest::{Certificate, Client, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;

use super::{Images, keeper::IndexRefused};

/// The largest index fetched, in bytes: OSV as a whole makes well under 1 GiB.
const MAX_INDEX: u64 = 4 << 30;
/// How long the server may hold a request until it has something new, in seconds.
const WAIT: u64 = 25;
/// The slowest that a stream of bytes may stop for.
const STALL: Duration = Duration::from_secs(60);
/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The longest wait after failures.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// The ConfigMap and its key that hold the certificates which the operator signs with.
const CA: (&str, &str) = ("breakwater-ca", "ca.crt");

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the advisories server answered {0}")]
    Status(StatusCode),
    #[error("the answer has no usable header {0}")]
    Header(&'static str),
    #[error("the index is larger than {MAX_INDEX} bytes")]
    TooLarge,
    #[error("the index that came is not the one that was announced: its sha256 differs")]
    Digest,
    #[error("the certificates of the advisories server: {0}")]
    Authority(String),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Refused(#[from] IndexRefused),
    #[error("interrupted: the process ends")]
    Interrupted,
}

pub(super) fn spawn(images: &Images) {
    let images = images.clone();
    let background = images.0.context.background.clone();
    background.spawn("advisory index", async move { follow(&images).await });
}

async fn follow(images: &Images) {
    images.reopen().await;
    let mut failures = 0_u32;
    let mut server = None;
    let mut seen = None;
    loop {
        let url = images.0.context.config.load().advisories.url.clone();
        let outcome = match url.strip_prefix("file:") {
            Some(path) => look(images, path.trim_start_matches("//").into(), &mut seen).await,
            None => poll(images, &url, &mut server).await,
        };
        match outcome {
            Ok(()) => {
                failures = 0;
                images.problem(None);
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                // The authority may have changed: the next attempt reads it anew.
                server = None;
                images.problem(Some(&error));
                let delay = Duration::from_secs(1)
                    .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(10)));
                tokio::time::sleep(delay.min(MAX_BACKOFF)).await;
            }
        }
    }
}

impl Images {
    async fn reopen(&self) {
        let images = self.clone();
        match tokio::task::spawn_blocking(move || images.0.keeper.reopen()).await {
            Ok(Ok(true)) => self.index_changed().await,
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the advisory index of the last run is not used"),
        }
    }

    async fn adopt(&self, announced: Option<u64>) -> Result<(), FetchError> {
        let images = self.clone();
        let adopted = tokio::task::spawn_blocking(move || images.0.keeper.adopt(announced)).await;
        if adopted.map_err(|_| FetchError::Interrupted)?? {
            self.index_changed().await;
        }
        Ok(())
    }

    fn problem(&self, error: Option<&FetchError>) {
        let text = error.map(|error| printable::line(&error.to_string(), 300));
        if self.0.keeper.set_problem(text.clone()) {
            if let Some(problem) = text {
                tracing::warn!(problem, "no newer advisory index can be had; the one in use stays");
            }
            self.tell();
        }
    }
}

/// What a file was when it was read: a change of any of these is a new file.
type Seen = (std::time::SystemTime, u64);

async fn look(images: &Images, path: PathBuf, seen: &mut Option<Seen>) -> Result<(), FetchError> {
    let file = |cause| FetchError::File { path: path.clone(), cause };
    let metadata = tokio::fs::metadata(&path).await.map_err(file)?;
    let now = (metadata.modified().map_err(file)?, metadata.len());
    if seen.replace(now) != Some(now) {
        // Copied, for a file that is overwritten in place would pull the ground from under the mapping.
        let directory = images.0.keeper.directory();
        tokio::fs::create_dir_all(directory).await.map_err(file)?;
        tokio::fs::copy(&path, images.0.keeper.incoming()).await.map_err(file)?;
        images.adopt(None).await?;
    }
    tokio::time::sleep(LOOK).await;
    Ok(())
}

async fn poll(images: &Images, url: &str, server: &mut Option<Client>) -> Result<(), FetchError> {
    let client = match server {
        Some(client) => client.clone(),
        None => server.insert(connect(images, url).await?).clone(),
    };
    let after = images.0.keeper.current().map_or(0, |current| current.index.revision());
    let url = format!("{}/v1/index?after={after}&wait={WAIT}", url.trim_end_matches('/'));
    let answer = client.get(url).send().await?;
    match answer.status() {
        StatusCode::NOT_MODIFIED => return Ok(()),
        StatusCode::OK => {}
        other => return Err(FetchError::Status(other)),
    }
    let header = |name: &'static str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).ok_or(FetchError::Header(name))
    };
    let revision: u64 =
        header("x-breakwater-revision")?.parse().map_err(|_| FetchError::Header("x-breakwater-revision"))?;
    let sha256 = header("x-breakwater-sha256")?.trim_start_matches("sha256:").to_owned();
    if receive(images, answer).await? != sha256 {
        return Err(FetchError::Digest);
    }
    images.adopt(Some(revision)).await
}

/// Writes the body to the incoming file and returns its sha256, in hexadecimal digits.
async fn receive(images: &Images, answer: reqwest::Response) -> Result<String, FetchError> {
    let path = images.0.keeper.incoming();
    let file = |cause| FetchError::File { path: path.clone(), cause };
    tokio::fs::create_dir_all(images.0.keeper.directory()).await.map_err(file)?;
    let mut out = tokio::fs::File::create(&path).await.map_err(file)?;
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        size = size.saturating_add(chunk.len() as u64);
        if size > MAX_INDEX {
            return Err(FetchError::TooLarge);
        }
        hash.update(&chunk);
        out.write_all(&chunk).await.map_err(file)?;
    }
    out.sync_all().await.map_err(file)?;
    Ok(hex::encode(hash.finalize()))
}

/// A client that trusts the operator's own authority and nobody else.
async fn connect(images: &Images, url: &str) -> Result<Client, FetchError> {
    let builder = Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(STALL)
        .redirect(reqwest::redirect::Policy::none());
    if url.starts_with("http://") {
        return Ok(builder.tls_certs_only([]).build()?);
    }
    let context = &images.0.context;
    let (name, key) = CA;
    let map = Api::<ConfigMap>::namespaced(context.client.clone(), &context.namespace).get_opt(name).await;
    let map = map.map_err(|error| FetchError::Authority(error.to_string()))?;
    let pem = map.and_then(|map| map.data).and_then(|mut data| data.remove(key));
    let pem = pem.ok_or_else(|| FetchError::Authority(format!("ConfigMap {name} has no {key} yet")))?;
    let trusted = Certificate::from_pem_bundle(pem.as_bytes())?;
    Ok(builder.tls_certs_only(trusted).build()?)
}
