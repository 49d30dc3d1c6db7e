//! Images on this machine: files, directories, a node's content store. The same documents and layers as a registry's, and the same
//! checks: every blob is compared with its digest, every inflated layer with its diff id.

use std::path::Path;

use crate::ScanError;

pub mod archive;
mod blobs;
pub mod docker;
mod error;
mod image;
mod layout;
mod rootfs;
mod source;

pub use archive::Span;
pub(super) use blobs::Blobs;
pub use error::SourceError;
pub use image::LocalImage;
pub(crate) use rootfs::no_configuration;
pub use rootfs::rootfs;
pub use source::{InvalidSource, Pick, Source};

/// Opens the image that a source on this machine names; `None` for sources that are no images: registries', directory trees, SBOMs.
///
/// # Errors
/// As the functions of [`LocalImage`].
pub fn open(source: &Source, containerd_root: &Path) -> Result<Option<LocalImage>, ScanError> {
    let name = source.to_string();
    Ok(Some(match source {
        Source::OciDirectory { path, pick } => LocalImage::oci_directory(&name, path, pick)?,
        Source::OciArchive { path, pick } => LocalImage::oci_archive(&name, path, pick)?,
        Source::DockerArchive { path, pick } => LocalImage::docker_archive(&name, path, pick)?,
        Source::Containerd(digest) => LocalImage::containerd(&name, containerd_root, digest)?,
        Source::Registry(_) | Source::RootFs(_) | Source::Sbom(_) => return Ok(None),
    }))
}
