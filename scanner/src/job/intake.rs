//! The Job's client of intake.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use breakwater_core::{
    printable,
    scan::{
        FailureReason, INVENTORY_PATH, LISTING_PATH, Listing, OFFER_PATH, OUTCOME_PATH, Offer, OfferAnswer,
        Outcome, PostedInventory, ScanFailure, ScanStage, TAG_PATH, Tag, TagAnswer,
    },
};
use reqwest::{
    Client, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;
use url::Url;

use crate::{
    limits::{CONNECT_TIMEOUT, MAX_INTAKE_ANSWER, MAX_INTAKE_ATTEMPTS, MAX_PAUSE},
    registry::Trust,
};

/// Longest time for one request, the body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The first pause between attempts; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const ZSTD_LEVEL: i32 = 3;

/// Why intake did not take something.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("intake cannot be spoken to: {0}")]
    Setup(String),
    #[error("the token {path} cannot be read: {why}")]
    Token { path: PathBuf, why: String },
    #[error("intake is not reached: {0}")]
    Unreachable(String),
    #[error("intake does not take reports now, HTTP {status}: {message}")]
    Unavailable { status: u16, message: String },
    #[error("intake refuses with HTTP {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("intake's answer cannot be understood")]
    Answer,
    #[error("what is to be posted cannot be written: {0}")]
    Body(String),
}

impl IntakeError {
    pub(super) fn failure(&self) -> ScanFailure {
        let reason = match self {
            Self::Unreachable(_) | Self::Unavailable { .. } => FailureReason::IntakeUnreachable,
            _ => FailureReason::Refused,
        };
        ScanFailure {
            stage: ScanStage::Report,
            reason,
            message: printable::line(&self.to_string(), 512),
            retry_after_seconds: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Intake {
    http: Client,
    base: Url,
    token_file: PathBuf,
}

impl Intake {
    /// `authorities` (PEM) alone vouch for intake: neither the system's nor the environment's proxies have a say.
    ///
    /// # Errors
    /// [`IntakeError::Setup`].
    pub fn new(base: &str, authorities: &[u8], token_file: &Path) -> Result<Self, IntakeError> {
        let setup = |why: String| IntakeError::Setup(why);
        let base: Url = base.parse().map_err(|error: url::ParseError| setup(error.to_string()))?;
        if base.scheme() != "https" {
            return Err(setup("its address is not https".into()));
        }
        let trust = Trust::nobody().and_pem(authorities).map_err(|error| setup(error.to_string()))?;
        let http = Client::builder()
            .tls_backend_preconfigured(trust.client_config().map_err(|error| setup(error.to_string()))?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .no_hickory_dns()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .http1_only()
            .user_agent(concat!("breakwater-scanner/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| setup(error.to_string()))?;
        Ok(Self { http, base, token_file: token_file.to_owned() })
    }

    /// Says what was found in the repositories; answers what counts: of several pods the first word stands.
    ///
    /// # Errors
    /// [`IntakeError`], as for the others.
    pub async fn listing(&self, listing: &Listing) -> Result<Listing, IntakeError> {
        let answer = self.post(LISTING_PATH, json(listing)?, None).await?;
        serde_json::from_slice(&answer).map_err(|_| IntakeError::Answer)
    }

    /// # Errors
    /// [`IntakeError`].
    pub async fn tag(&self, tag: &Tag) -> Result<TagAnswer, IntakeError> {
        let answer = self.post(TAG_PATH, json(tag)?, None).await?;
        serde_json::from_slice(&answer).map_err(|_| IntakeError::Answer)
    }

    /// # Errors
    /// [`IntakeError`].
    pub async fn offer(&self, offer: &Offer) -> Result<OfferAnswer, IntakeError> {
        let answer = self.post(OFFER_PATH, json(offer)?, None).await?;
        serde_json::from_slice(&answer).map_err(|_| IntakeError::Answer)
    }

    /// # Errors
    /// [`IntakeError`].
    pub async fn inventory(&self, inventory: &PostedInventory) -> Result<(), IntakeError> {
        let compressed = zstd::bulk::compress(&json(inventory)?, ZSTD_LEVEL);
        let compressed = compressed.map_err(|error| IntakeError::Body(error.to_string()))?;
        self.post(INVENTORY_PATH, compressed, Some("zstd")).await.map(drop)
    }

    /// # Errors
    /// [`IntakeError`].
    pub async fn outcome(&self, outcome: &Outcome) -> Result<(), IntakeError> {
        self.post(OUTCOME_PATH, json(outcome)?, None).await.map(drop)
    }

    async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        encoding: Option<&'static str>,
    ) -> Result<Vec<u8>, IntakeError> {
        let url = self.base.join(path).map_err(|error| IntakeError::Setup(error.to_string()))?;
        let body = bytes::Bytes::from(body);
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let mut request = self
                .http
                .post(url.clone())
                .header(AUTHORIZATION, self.authorization().await?)
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
            if let Some(encoding) = encoding {
                request = request.header(CONTENT_ENCODING, encoding);
            }
            let (error, asked) = match request.send().await {
                Ok(response) if response.status().is_success() => return answer(response).await,
                Ok(response) => {
                    let asked = retry_after(&response);
                    let status = response.status();
                    let error = refusal(response).await;
                    if !is_momentary(status) {
                        return Err(error);
                    }
                    (error, asked)
                }
                Err(error) => (IntakeError::Unreachable(innermost(&error)), None),
            };
            if attempt == MAX_INTAKE_ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(path, attempt, %error, "intake did not answer; trying again");
            tokio::time::sleep(asked.unwrap_or(pause).min(MAX_PAUSE)).await;
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }

    /// Read anew each time: the kubelet rotates projected tokens.
    async fn authorization(&self) -> Result<HeaderValue, IntakeError> {
        let unreadable = |why: String| IntakeError::Token { path: self.token_file.clone(), why };
        let token = tokio::fs::read_to_string(&self.token_file)
            .await
            .map_err(|error| unreadable(error.to_string()))?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| unreadable("it holds characters that no token has".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Overload, restart, or a replica that must not answer now.
fn is_momentary(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::MISDIRECTED_REQUEST)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn refusal(response: Response) -> IntakeError {
    let (momentary, status) = (is_momentary(response.status()), response.status().as_u16());
    let message = answer(response).await.unwrap_or_default();
    let message = printable::line(&String::from_utf8_lossy(&message), 300);
    if momentary {
        IntakeError::Unavailable { status, message }
    } else {
        IntakeError::Refused { status, message }
    }
}

async fn answer(mut response: Response) -> Result<Vec<u8>, IntakeError> {
    let mut bytes = Vec::new();
    while let Some(piece) =
        response.chunk().await.map_err(|error| IntakeError::Unreachable(innermost(&error)))?
    {
        if bytes.len() + piece.len() > MAX_INTAKE_ANSWER {
            return Err(IntakeError::Answer);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, IntakeError> {
    serde_json::to_vec(body).map_err(|error| IntakeError::Body(error.to_string()))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    printable::line(&innermost.to_string(), 200)
}
