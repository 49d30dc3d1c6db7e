//! What package managers and linkers leave behind: one parser a format, each a pure function over the file's text.

pub mod apk;
pub mod auditable;
pub mod composer;
pub mod conda;
pub mod cran;
pub mod distribution;
pub mod dotnet;
pub mod dpkg;
mod family;
pub mod gobuild;
pub mod java;
pub mod license;
mod listing;
pub mod locks;
pub mod npm;
pub mod os_release;
pub mod program;
mod purl;
pub mod python;
pub mod rpm;
pub mod ruby;

pub use family::Family;
pub use listing::Listing;
pub use purl::{InvalidPackageUrl, PackageUrl};

use breakwater_core::{inventory::SourcePackage, printable};

use crate::limits::{MAX_NAME, MAX_VERSION};

/// A distribution's package, before it is known which distribution's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsPackage {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub source: Option<SourcePackage>,
    pub licenses: Vec<String>,
    /// The label of the module it was built in (`nodejs:18:8060020230306170042:ad008a3a`, Fedora modularity); empty outside of rpm.
    pub module: String,
}

/// A package of a language's own package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguagePackage {
    /// As OSV writes it: `npm`, `PyPI`, `Go`.
    pub ecosystem: &'static str,
    pub name: String,
    pub version: String,
    pub purl: String,
    pub licenses: Vec<String>,
    /// Of a Go module: its packages that are linked, sorted; empty if that is not known.
    pub imports: Vec<String>,
    /// Where it lies within the file that told of it (`BOOT-INF/lib/a.jar` in an archive); empty for the file itself.
    pub within: String,
}

impl LanguagePackage {
    pub(crate) fn new(ecosystem: &'static str, name: String, version: String, purl: String) -> Self {
        let (licenses, imports, within) = (Vec::new(), Vec::new(), String::new());
        Self { ecosystem, name, version, purl, licenses, imports, within }
    }
}

fn name(text: &str) -> String {
    printable::line(text.trim(), MAX_NAME)
}

fn version(text: &str) -> String {
    printable::line(text.trim(), MAX_VERSION)
}
