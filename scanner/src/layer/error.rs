use std::io;

use breakwater_core::Digest;

/// Why a layer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// It does not inflate, or its tar breaks off.
    #[error("{0}")]
    Corrupt(String),
    /// Its bytes are not the ones its digest names.
    #[error("the {what} has the digest {found}, expected {expected}")]
    DigestMismatch { what: &'static str, expected: Digest, found: Digest },
    /// The source of its bytes broke off; who feeds it knows why.
    #[error("the source broke off: {0}")]
    Interrupted(String),
}

impl From<io::Error> for LayerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionAborted => Self::Interrupted(error.to_string()),
            io::ErrorKind::UnexpectedEof => Self::Corrupt("it ends too early".into()),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}
