use breakwater_core::{
    Digest, Platform, printable,
    scan::{FailureReason, ScanFailure, ScanStage},
};

use crate::{
    image::{ConfigError, local::SourceError, manifest::ManifestError},
    layer::LayerError,
    registry::RegistryError,
};

/// Why an image could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("{error}")]
    Registry { stage: ScanStage, error: RegistryError },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the manifest lists {manifest} layers, the configuration {config}")]
    LayerCount { manifest: usize, config: usize },
    #[error("layer {digest} cannot be read: {error}", digest = .digest.short())]
    Layer { digest: Digest, error: LayerError },
    #[error("the image has none of the platforms {}", list(.wanted))]
    PlatformMissing { wanted: Vec<Platform> },
    #[error("the scan took longer than the {seconds} s it was given")]
    TimedOut { seconds: u64 },
    #[error("the analysis of layer {} ended without a word", .0.short())]
    AnalysisDied(Digest),
    /// A source that is no registry.
    #[error("{path}: {error}")]
    Source { path: String, error: SourceError },
}

/// The longest message of a failure, in characters.
const MAX_MESSAGE: usize = 512;

impl ScanError {
    pub(crate) fn resolving(error: RegistryError) -> Self {
        Self::Registry { stage: ScanStage::Resolve, error }
    }

    pub(crate) fn pulling(error: RegistryError) -> Self {
        Self::Registry { stage: ScanStage::Pull, error }
    }

    #[must_use]
    pub fn stage(&self) -> ScanStage {
        match self {
            Self::Registry { stage, .. } => *stage,
            Self::Manifest(_) | Self::PlatformMissing { .. } | Self::Source { .. } => ScanStage::Resolve,
            Self::TimedOut { .. } => ScanStage::Pull,
            Self::Config(_) | Self::LayerCount { .. } | Self::Layer { .. } | Self::AnalysisDied(_) => {
                ScanStage::Analyse
            }
        }
    }

    #[must_use]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Registry { error, .. } => error.reason(),
            Self::Manifest(ManifestError::Invalid(_)) | Self::Config(_) | Self::LayerCount { .. } => {
                FailureReason::ManifestInvalid
            }
            Self::Manifest(ManifestError::Unsupported(_)) => FailureReason::UnsupportedMediaType,
            Self::Manifest(ManifestError::NotAnImage(_)) => FailureReason::NotAnImage,
            Self::Manifest(ManifestError::WebPage) => FailureReason::NotARegistry,
            Self::Layer { error: LayerError::DigestMismatch { .. }, .. } => FailureReason::DigestMismatch,
            Self::Layer { error: LayerError::Corrupt(_), .. } => FailureReason::LayerCorrupt,
            Self::Layer { error: LayerError::Interrupted(_), .. } => FailureReason::ConnectionFailed,
            Self::PlatformMissing { .. } => FailureReason::PlatformMissing,
            Self::TimedOut { .. } => FailureReason::TimedOut,
            Self::AnalysisDied(_) => FailureReason::ScannerDied,
            Self::Source { error: SourceError::DigestMismatch { .. }, .. } => FailureReason::DigestMismatch,
            Self::Source { error: SourceError::TooLarge { .. }, .. } => FailureReason::TooLarge,
            Self::Source { error: SourceError::Invalid { .. }, .. } => FailureReason::ManifestInvalid,
            Self::Source { .. } => FailureReason::NotFound,
        }
    }

    /// The wire form.
    #[must_use]
    pub fn failure(&self) -> ScanFailure {
        let retry_after_seconds = match self {
            Self::Registry { error, .. } => error.retry_after_seconds(),
            _ => None,
        };
        ScanFailure {
            stage: self.stage(),
            reason: self.reason(),
            message: printable::line(&self.to_string(), MAX_MESSAGE),
            retry_after_seconds,
        }
    }
}

fn list(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
