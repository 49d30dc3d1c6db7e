//! One host that serves a repository: requests, challenges, attempts.

use breakwater_core::{Digest, ImageReference, scan::MAX_MANIFEST};
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE, WWW_AUTHENTICATE},
};
use tokio::sync::Mutex;
use url::Url;

use super::{
    Connection, Credential, Fetched, RegistryError, authenticate,
    body::Body,
    challenge,
    exchange::{host, pause, refusal},
};
use crate::{
    image::manifest::ACCEPTED,
    limits::{MAX_ATTEMPTS, MAX_CONFIG},
};

/// One repository at one host: at its registry, or at a mirror of it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) connection: Connection,
    pub(super) name: String,
    /// `scheme://host/v2/NAME/`
    pub(super) base: Url,
    pub(super) host: String,
    pub(super) credential: Option<Credential>,
    /// What the registry's last challenge was answered with.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Endpoint {
    pub(super) fn new(connection: &Connection, image: &ImageReference) -> Result<Self, RegistryError> {
        let scheme = if connection.access.insecure { "http" } else { "https" };
        // Docker Hub's API has a host of its own.
        let api_host = if image.registry == "docker.io" { "registry-1.docker.io" } else { &image.registry };
        let base = format!("{scheme}://{api_host}/v2/{}/", image.repository);
        let base: Url =
            base.parse().map_err(|_| RegistryError::HostUnknown { host: image.registry.clone() })?;
        Ok(Self {
            host: host(&base),
            name: image.repository.clone(),
            credential: connection.credentials.for_repository(image)?,
            connection: connection.clone(),
            base,
            authorization: Mutex::new(None),
        })
    }

    pub(super) async fn manifest(&self, selector: &str) -> Result<Fetched, RegistryError> {
        let what = format!("manifest {} of {}", selector, self.name);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let response = self.get(&format!("manifests/{selector}"), headers, &what).await?;
        let media_type = self.media_type(&response)?;
        let bytes = Body::new(&self.host, response, self.connection.pace).whole(&what, MAX_MANIFEST).await?;
        let digest = Digest::of(&bytes);
        if let Ok(expected) = selector.parse::<Digest>() {
            check(&what, &expected, &digest)?;
        }
        Ok(Fetched { bytes, media_type, digest })
    }

    /// `HEAD`: most registries that count pulls do not count it (distribution-spec, "Checking if content exists in the registry").
    pub(super) async fn digest(&self, tag: &str) -> Result<Option<Digest>, RegistryError> {
        let what = format!("digest of {}:{tag}", self.name);
        let url = self.url(&format!("manifests/{tag}"), &what)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let response = self.request(Method::HEAD, &url, headers, &what).await?;
        let digest = response.headers().get("docker-content-digest");
        Ok(digest.and_then(|digest| digest.to_str().ok()?.parse().ok()))
    }

    pub(super) async fn config(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let what = format!("configuration {} of {}", digest.short(), self.name);
        let response = self.get(&format!("blobs/{digest}"), HeaderMap::new(), &what).await?;
        let bytes = Body::new(&self.host, response, self.connection.pace).whole(&what, MAX_CONFIG).await?;
        check(&what, digest, &Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// A blob's bytes from `offset` on.
    pub(super) async fn blob(&self, digest: &Digest, offset: u64) -> Result<Response, RegistryError> {
        let mut headers = HeaderMap::new();
        if offset > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={offset}-"))
        {
            headers.insert(RANGE, range);
        }
        let what = format!("layer {} of {}", digest.short(), self.name);
        self.get(&format!("blobs/{digest}"), headers, &what).await
    }

    /// The type of an answer that is to be JSON.
    pub(super) fn media_type(&self, response: &Response) -> Result<Option<String>, RegistryError> {
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type =
            media_type.map(|value| value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase());
        if media_type.as_deref() == Some("text/html") {
            return Err(self.not_a_registry("it answers with a web page"));
        }
        Ok(media_type)
    }

    pub(super) fn not_a_registry(&self, why: impl Into<String>) -> RegistryError {
        RegistryError::NotARegistry { host: self.host.clone(), why: why.into() }
    }

    /// Asks until there is an answer that is no momentary failure, or attempts are used up.
    pub(super) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
        what: &str,
    ) -> Result<Response, RegistryError> {
        self.fetch(&self.url(path, what)?, headers, what).await
    }

    /// An address of this repository.
    pub(super) fn url(&self, path: &str, what: &str) -> Result<Url, RegistryError> {
        self.base
            .join(path)
            .map_err(|_| RegistryError::NotFound { host: self.host.clone(), what: what.to_owned() })
    }

    /// As [`Self::get`].
    pub(super) async fn fetch(
        &self,
        url: &Url,
        headers: HeaderMap,
        what: &str,
    ) -> Result<Response, RegistryError> {
        self.request(Method::GET, url, headers, what).await
    }

    async fn request(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        what: &str,
    ) -> Result<Response, RegistryError> {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut attempt = 1;
        loop {
            let error = match self.authorized(&method, url, &headers, what).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let pause = pause(attempt, &error).filter(|_| error.is_momentary() && attempt < MAX_ATTEMPTS);
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!(host = self.host, %error, attempt, "trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One answer; a challenge is answered once.
    async fn authorized(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let known = self.authorization.lock().await.clone();
        let response = self.connection.ask(method, url, headers, known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || response.url().origin() != url.origin() {
            return self.accepted(response, what);
        }
        let challenges =
            response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = challenge::parse(challenges) else { return self.accepted(response, what) };
        let answer = {
            let mut authorization = self.authorization.lock().await;
            // Another layer's request may have answered the same challenge meanwhile.
            if authorization.is_none() || *authorization == known {
                *authorization = authenticate::answer(self, &challenge).await?;
            }
            authorization.clone()
        };
        if answer.is_none() {
            return self.accepted(response, what);
        }
        let response = self.connection.ask(method, url, headers, answer.as_ref()).await?;
        self.accepted(response, what)
    }

    fn accepted(&self, response: Response, what: &str) -> Result<Response, RegistryError> {
        refusal(&response, &host(response.url()), what).map_or(Ok(response), Err)
    }
}

fn check(what: &str, expected: &Digest, found: &Digest) -> Result<(), RegistryError> {
    if expected == found {
        return Ok(());
    }
    Err(RegistryError::DigestMismatch {
        what: what.to_owned(),
        expected: expected.clone(),
        found: format!("found {found}"),
    })
}
