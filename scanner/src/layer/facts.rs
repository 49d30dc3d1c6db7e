use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use breakwater_core::{
    Digest,
    inventory::{OperatingSystem, Software, Unanalysed},
};

use crate::{
    contents::Special,
    packages::{LanguagePackage, Listing, OsPackage, locks::Lock},
    secrets::FoundSecret,
};

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    OsRelease(OperatingSystem),
    /// The branch that apk's repositories name: `v3.20`, `edge`.
    AlpineBranch(String),
    Dpkg(Vec<OsPackage>),
    Apk {
        packages: Vec<OsPackage>,
        /// Paths of the files they own, one a line.
        files: String,
    },
    Rpm {
        packages: Vec<OsPackage>,
        /// Hashes of the paths of the files they own.
        files: Vec<u64>,
        /// Why the database says less than it should.
        damage: Option<String>,
    },
    /// The licences of one dpkg package.
    Copyright(Vec<String>),
    /// Paths of the files that one dpkg package owns, one a line.
    DpkgFiles(String),
    Language(Listing),
    /// What a lock file names, and the format.
    Locked(Lock, Vec<LanguagePackage>),
    /// A hard or symbolic link to this path.
    Link(String),
    /// Holds packages that are not read, and why.
    Unread(String),
}

impl Evidence {
    /// Bytes it keeps, roughly.
    pub(super) fn size(&self) -> usize {
        const PACKAGE: usize = 320;
        match self {
            Self::OsRelease(_) | Self::AlpineBranch(_) => PACKAGE,
            Self::Dpkg(packages) => packages.len().saturating_mul(PACKAGE),
            Self::Apk { packages, files } => {
                packages.len().saturating_mul(PACKAGE).saturating_add(files.len())
            }
            Self::Rpm { packages, files, .. } => {
                packages.len().saturating_mul(PACKAGE).saturating_add(files.len().saturating_mul(8))
            }
            Self::Language(Listing { packages, unread }) => {
                let within = packages.iter().map(|package| {
                    let imports = package.imports.iter().map(|path| path.len() + size_of::<String>());
                    PACKAGE + package.within.len() + imports.sum::<usize>()
                });
                within.chain(unread.iter().map(|item| item.path.len() + item.reason.len())).sum()
            }
            Self::Locked(_, packages) => packages.len().saturating_mul(PACKAGE),
            Self::Copyright(licenses) => {
                licenses.iter().map(|license| license.len().saturating_add(24)).sum()
            }
            Self::DpkgFiles(text) | Self::Link(text) | Self::Unread(text) => text.len(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    pub evidence: Option<Evidence>,
    pub software: Vec<Software>,
    pub special: Vec<Special>,
    pub secrets: Vec<FoundSecret>,
}

/// What one layer says, before the layers above it are known.
#[derive(Debug, Clone)]
pub struct LayerFacts {
    /// Digest of the compressed blob.
    pub digest: Digest,
    pub files: BTreeMap<String, FileFacts>,
    /// Paths of lower layers that this one removes, and directories whose lower contents it hides (OCI image-spec, "Whiteouts").
    pub removed: Vec<String>,
    pub opaque: Vec<String>,
    pub unanalysed: Vec<Unanalysed>,
    /// Hashes of every path that is no directory here, sorted: what stands at or above a path of a lower layer hides it.
    pub(super) present: Vec<u64>,
    /// Hashes of the paths of directories, sorted: what one says of its rights counts for those below.
    pub(super) directories: Vec<u64>,
}

impl LayerFacts {
    pub(super) fn new(digest: Digest) -> Self {
        Self {
            digest,
            files: BTreeMap::new(),
            removed: Vec::new(),
            opaque: Vec::new(),
            unanalysed: Vec::new(),
            present: Vec::new(),
            directories: Vec::new(),
        }
    }

    /// Bytes it keeps, roughly.
    pub(super) fn size(&self) -> usize {
        const ITEM: usize = 192;
        let file = |(path, file): (&String, &FileFacts)| {
            let items = file.software.len() + file.special.len() + file.secrets.len();
            let evidence = file.evidence.as_ref().map_or(0, Evidence::size);
            let details: usize = file.special.iter().map(|(_, detail)| detail.len()).sum();
            path.len()
                .saturating_add(ITEM)
                .saturating_add(details)
                .saturating_add(items.saturating_mul(ITEM))
                .saturating_add(evidence)
        };
        let names = self.removed.iter().chain(&self.opaque).map(|path| path.len() + 24);
        let unanalysed = self.unanalysed.iter().map(|item| item.path.len() + item.reason.len() + 48);
        let hashes = self.present.len().saturating_add(self.directories.len()).saturating_mul(8);
        self.files.iter().map(file).chain(names).chain(unanalysed).fold(hashes, usize::saturating_add)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.present.binary_search(&hash(path)).is_ok()
    }

    pub(super) fn has_directory(&self, path: &str) -> bool {
        self.directories.binary_search(&hash(path)).is_ok()
    }

    /// Brings the lists of hashes in order, each once.
    pub(super) fn seal(&mut self) {
        for hashes in [&mut self.present, &mut self.directories] {
            hashes.sort_unstable();
            hashes.dedup();
            hashes.shrink_to_fit();
        }
    }
}

/// Stands for a path where keeping it would cost too much.
pub(crate) fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
