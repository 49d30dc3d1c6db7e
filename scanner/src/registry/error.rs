use std::net::IpAddr;

use breakwater_core::{
    Digest, printable,
    scan::{FailureReason, MAX_TAGS},
};

use super::address::ResolveError;

/// Why a registry did not give what it was asked for. A variant is the reason that people see.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    #[error("the host {host} has no address: check the registry's name and the DNS that is asked")]
    HostUnknown { host: String },
    #[error("no connection to {host}: {why}")]
    ConnectionFailed { host: String, why: String },
    #[error("the certificate of {host} is not trusted: {why}")]
    TlsFailed { host: String, why: String },
    #[error("{host} is at {address}, a {kind} address, which is not allowed for this registry")]
    AddressRefused { host: String, address: IpAddr, kind: &'static str },
    #[error(
        "{host} asks for credentials for {what}: they are missing or wrong, or the repository does not exist"
    )]
    Unauthorized { host: String, what: String },
    #[error(
        "{host} wants its credentials to be sent to {realm}, which is of another domain: allow that host as a token host of this registry"
    )]
    CredentialsWithheld { host: String, realm: String },
    #[error("{host} forbids {what}")]
    Forbidden { host: String, what: String },
    #[error("{host} has no {what}")]
    NotFound { host: String, what: String },
    #[error("{host} answers that there are too many requests")]
    RateLimited { host: String, retry_after_seconds: Option<u32> },
    #[error("{host} answers with HTTP {status}")]
    RegistryUnavailable { host: String, status: u16, retry_after_seconds: Option<u32> },
    #[error("{host} does not answer as a registry: {why}")]
    NotARegistry { host: String, why: String },
    #[error("{host} is too slow: {why}")]
    TimedOut { host: String, why: String },
    #[error("{what} is larger than {bound} bytes")]
    TooLarge { what: String, bound: u64 },
    #[error(
        "{what} of {host} has more than {MAX_TAGS} tags: name the wanted ones one by one, without patterns"
    )]
    TooManyTags { host: String, what: String },
    #[error("{what} is not what its digest names: expected {expected}, {found}")]
    DigestMismatch { what: String, expected: Digest, found: String },
    #[error("the credentials cannot be used: {0}")]
    CredentialsInvalid(String),
}

impl RegistryError {
    #[must_use]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::HostUnknown { .. } => FailureReason::HostUnknown,
            Self::ConnectionFailed { .. } => FailureReason::ConnectionFailed,
            Self::TlsFailed { .. } => FailureReason::TlsFailed,
            Self::AddressRefused { .. } => FailureReason::AddressRefused,
            Self::Unauthorized { .. } => FailureReason::Unauthorized,
            Self::CredentialsWithheld { .. } => FailureReason::CredentialsWithheld,
            Self::Forbidden { .. } => FailureReason::Forbidden,
            Self::NotFound { .. } => FailureReason::NotFound,
            Self::RateLimited { .. } => FailureReason::RateLimited,
            Self::RegistryUnavailable { .. } => FailureReason::RegistryUnavailable,
            Self::NotARegistry { .. } => FailureReason::NotARegistry,
            Self::TimedOut { .. } => FailureReason::TimedOut,
            Self::TooLarge { .. } | Self::TooManyTags { .. } => FailureReason::TooLarge,
            Self::DigestMismatch { .. } => FailureReason::DigestMismatch,
            Self::CredentialsInvalid(_) => FailureReason::CredentialsInvalid,
        }
    }

    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after_seconds, .. }
            | Self::RegistryUnavailable { retry_after_seconds, .. } => *retry_after_seconds,
            _ => None,
        }
    }

    /// Whether the same request may succeed in a moment.
    pub(super) fn is_momentary(&self) -> bool {
        matches!(
            self,
            Self::ConnectionFailed { .. } | Self::RateLimited { .. } | Self::RegistryUnavailable { .. }
        )
    }

    /// What a failed exchange with `host` was, by its causes: the resolver's word, TLS, time, or the connection.
    pub(super) fn of_exchange(host: &str, error: &reqwest::Error) -> Self {
        let host = host.to_owned();
        let mut innermost = error.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(error) = current.downcast_ref::<ResolveError>() {
                return match error {
                    ResolveError::Unknown { name } => Self::HostUnknown { host: name.clone() },
                    ResolveError::Refused { name, address, kind } => {
                        Self::AddressRefused { host: name.clone(), address: *address, kind }
                    }
                };
            }
            if let Some(error) = current.downcast_ref::<rustls::Error>() {
                return Self::TlsFailed { host, why: line(&error.to_string()) };
            }
            if current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
                return Self::NotARegistry {
                    host,
                    why: format!("its answer is no HTTP: {}", line(&current.to_string())),
                };
            }
            innermost = current.to_string();
            // io::Error hides the error it wraps from `source`.
            cause = match current.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
                Some(wrapped) => Some(wrapped),
                None => current.source(),
            };
        }
        if error.is_timeout() {
            return Self::TimedOut { host, why: "no connection in time".into() };
        }
        Self::ConnectionFailed { host, why: line(&innermost) }
    }
}

fn line(text: &str) -> String {
    printable::line(text, 160)
}
