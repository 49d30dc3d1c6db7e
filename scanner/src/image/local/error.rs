/// Why a source on this machine is not read. Shown behind the source's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{0}")]
    Unreadable(String),
    #[error("it is compressed ({0}), which forbids to read it here and there: decompress it first")]
    Compressed(&'static str),
    #[error("it is no archive of images: {0}")]
    NotAnArchive(String),
    #[error("it has no {name}: {remedy}")]
    NotThere { name: String, remedy: &'static str },
    #[error("its {what} is not what it should be: {why}")]
    Invalid { what: String, why: String },
    #[error("the digest of its {what} is {found}, expected {expected}: the file is damaged, copy it again")]
    DigestMismatch { what: String, expected: String, found: String },
    #[error("it has no image {wanted}; it has {has}")]
    NoSuchImage { wanted: String, has: String },
    #[error("it has several images, name one of them (SOURCE:NAME): {0}")]
    SeveralImages(String),
    #[error(transparent)]
    Sbom(#[from] crate::sbom::SbomError),
    #[error("its {what} is larger than {bound} bytes")]
    TooLarge { what: String, bound: u64 },
}

impl SourceError {
    pub(crate) fn unreadable(error: &std::io::Error) -> Self {
        Self::Unreadable(match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or directory".into(),
            std::io::ErrorKind::PermissionDenied => "it may not be read by this user".into(),
            _ => breakwater_core::printable::line(&error.to_string(), 160),
        })
    }
}
