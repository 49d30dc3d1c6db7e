use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use breakwater_core::printable;
use serde::Serialize;

/// Why intake does not take something. The variant's name is the reason in the answer, the log and the metric.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no bearer token")]
    TokenMissing,
    #[error("the token is not valid for intake: foreign, expired, or of another audience")]
    TokenInvalid,
    #[error("the token belongs to {0}, not to a scan pod")]
    NotAScanPod(String),
    #[error("the pod that the token is bound to is gone or has ended")]
    PodGone,
    #[error("the pod belongs to no Job that asks")]
    JobUnknown,
    #[error("the Job has ended")]
    JobFinished,
    #[error("the ScanJob that asked is gone")]
    ScanJobGone,
    #[error("the ScanJob has ended")]
    ScanJobFinished,
    #[error("the ScanJob waits for another Job")]
    OtherAttempt,
    #[error("the Job was not asked about {0}")]
    NotAsked(String),
    #[error("{0} was not offered by this Job")]
    NotOffered(String),
    #[error("the inventory of {0} was not posted")]
    NotPosted(String),
    #[error("{0}")]
    Malformed(String),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the bytes have the digest {actual}, asked for was {expected}")]
    DigestMismatch { expected: String, actual: String },
    #[error("inventories of schema {0} are not read by this version")]
    SchemaUnsupported(u32),
    #[error("too many reports at a time; try again")]
    Busy,
    #[error("not within the time allowed; try again")]
    TimedOut,
    #[error("{0}")]
    StoreFull(String),
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Serialize)]
struct Body<'a> {
    reason: &'a str,
    message: String,
}

/// The longest message of a parser that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

impl Refusal {
    /// What cannot be read as JSON. A parser's message may quote what came, all of it; and this one is logged.
    pub(super) fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        let said = printable::line(&error.to_string(), MAX_MESSAGE);
        Self::Malformed(format!("the {what} cannot be read: {said}"))
    }

    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TokenMissing => "TokenMissing",
            Self::TokenInvalid => "TokenInvalid",
            Self::NotAScanPod(_) => "NotAScanPod",
            Self::PodGone => "PodGone",
            Self::JobUnknown => "JobUnknown",
            Self::JobFinished => "JobFinished",
            Self::ScanJobGone => "ScanJobGone",
            Self::ScanJobFinished => "ScanJobFinished",
            Self::OtherAttempt => "OtherAttempt",
            Self::NotAsked(_) => "NotAsked",
            Self::NotOffered(_) => "NotOffered",
            Self::NotPosted(_) => "NotPosted",
            Self::Malformed(_) => "Malformed",
            Self::TooLarge(_) => "TooLarge",
            Self::DigestMismatch { .. } => "DigestMismatch",
            Self::SchemaUnsupported(_) => "SchemaUnsupported",
            Self::Busy => "Busy",
            Self::TimedOut => "TimedOut",
            Self::StoreFull(_) => "StoreFull",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    /// 5xx may be tried again; 4xx may not.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing | Self::TokenInvalid => StatusCode::UNAUTHORIZED,
            Self::NotAScanPod(_)
            | Self::PodGone
            | Self::JobUnknown
            | Self::JobFinished
            | Self::ScanJobGone
            | Self::ScanJobFinished
            | Self::OtherAttempt
            | Self::NotAsked(_)
            | Self::NotOffered(_) => StatusCode::FORBIDDEN,
            Self::NotPosted(_) => StatusCode::CONFLICT,
            Self::Malformed(_) | Self::SchemaUnsupported(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::DigestMismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy | Self::TimedOut | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::StoreFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        tracing::warn!(%error, "the API server does not answer intake");
        Self::Unavailable("the API server does not answer; try again".into())
    }
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        match error {
            full @ crate::store::StoreError::Full { .. } => Self::StoreFull(full.to_string()),
            other => {
                tracing::warn!(error = %other, "the report store does not take a report");
                Self::Unavailable("the report store does not answer; try again".into())
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(Body { reason: self.reason(), message: self.to_string() })).into_response()
    }
}
