//! A software bill of materials read instead of an image: packages by their package URLs, to be matched like any others.

mod component;
mod cyclonedx;
mod ecosystem;
mod spdx;

use std::{io::Read as _, path::Path};

use breakwater_core::{
    Digest, Inventory, Platform,
    inventory::{ImageConfig, ImageIdentity, SCHEMA_VERSION, ScannerIdentity},
    printable,
};
use serde::Deserialize;

use crate::{
    ScanError,
    image::{
        assemble::add_software_of_packages,
        bound::bound,
        local::{SourceError, no_configuration},
    },
    limits::MAX_SBOM,
};
use component::{Listing, packages};

/// Why a document is no bill of materials that is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    #[error("it is not the JSON it should be: {0}")]
    Malformed(String),
    #[error("it is XML: write the SBOM as JSON")]
    Xml,
    #[error("it is neither CycloneDX nor SPDX 2: its JSON has no bomFormat or spdxVersion")]
    Unknown,
    #[error("{0} is not read: write the SBOM as CycloneDX 1.4 to 1.6 or SPDX 2.3")]
    Version(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    bom_format: String,
    #[serde(default)]
    spec_version: String,
    #[serde(default)]
    spdx_version: String,
    #[serde(default, rename = "@context")]
    context: Option<serde::de::IgnoredAny>,
}

/// The inventory of the bill of materials in the file at `path`, at most 64 MiB.
///
/// # Errors
/// [`ScanError::Source`].
pub fn read(reference: &str, path: &Path, platform: &Platform) -> Result<Inventory, ScanError> {
    let failed = |error| ScanError::Source { path: reference.to_owned(), error };
    let unreadable = |error: std::io::Error| failed(SourceError::unreadable(&error));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(failed(SourceError::Unreadable("it is a directory".into())));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_SBOM as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_SBOM {
        return Err(failed(SourceError::TooLarge { what: "SBOM".into(), bound: MAX_SBOM as u64 }));
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    parse(&bytes, reference, &name, platform).map_err(|error| failed(SourceError::Sbom(error)))
}

/// The inventory that a document in CycloneDX or SPDX says; `file` is where packages of no stated place were found. Its digest is the
/// document's.
///
/// # Errors
/// [`SbomError`].
pub fn parse(bytes: &[u8], reference: &str, file: &str, platform: &Platform) -> Result<Inventory, SbomError> {
    let listing = listing(bytes)?;
    let digest = Digest::of(bytes);
    let (packages, mut unanalysed) = packages(&listing, &printable::line(file, 200));
    unanalysed.push(no_configuration());
    let mut software = Vec::new();
    add_software_of_packages(&mut software, &packages);
    let mut inventory = Inventory {
        schema_version: SCHEMA_VERSION,
        image: ImageIdentity {
            reference: reference.to_owned(),
            digest: digest.clone(),
            config_digest: digest,
            platform: platform.clone(),
            created: None,
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: env!("CARGO_PKG_VERSION").into() },
        os: listing.os,
        base: None,
        layers: Vec::new(),
        packages,
        software,
        files: Vec::new(),
        secrets: Vec::new(),
        config: ImageConfig::default(),
        unanalysed,
    };
    bound(&mut inventory);
    Ok(inventory)
}

fn listing(bytes: &[u8]) -> Result<Listing, SbomError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(SbomError::Xml);
    }
    let head: Head = json(bytes)?;
    let stated = |version: &str| printable::line(version, 40);
    if head.bom_format == "CycloneDX" {
        return match head.spec_version.as_str() {
            "1.4" | "1.5" | "1.6" => Ok(json::<cyclonedx::Document>(bytes)?.listing()),
            other => Err(SbomError::Version(format!("CycloneDX {}", stated(other)))),
        };
    }
    match head.spdx_version.as_str() {
        version if version.starts_with("SPDX-2.") => Ok(json::<spdx::Document>(bytes)?.listing()),
        "" if head.context.is_some() => Err(SbomError::Version("SPDX 3".into())),
        "" => Err(SbomError::Unknown),
        other => Err(SbomError::Version(stated(other))),
    }
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SbomError> {
    serde_json::from_slice(bytes)
        .map_err(|error| SbomError::Malformed(printable::line(&error.to_string(), 160)))
}

#[cfg(test)]
mod tests;
