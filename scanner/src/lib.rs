//! Container image → inventory: pull, inflate, read packages and contents. Nothing is written to disk, nothing is executed, everything
//! is bounded, and what could not be read is said.

mod clock;
pub mod contents;
mod error;
mod held;
pub mod image;
pub mod job;
pub mod layer;
pub mod limits;
mod options;
pub mod packages;
pub mod registry;
pub mod sbom;
pub mod secrets;

pub use error::ScanError;
pub use held::HeldFile;
pub use image::{
    PlatformManifest, Progress, RegistryImage, Resolved,
    local::{LocalImage, Source},
    scan,
};
pub use options::ScanOptions;
