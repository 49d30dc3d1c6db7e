//! Other scanners, built from their public modules at fixed versions.

use std::{
    env::{split_paths, var_os},
    path::{Path, PathBuf},
    process::Command,
};

use breakwater_e2e::Progress;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    Syft,
    OsvScanner,
}

impl Peer {
    fn module(self) -> (&'static str, &'static str) {
        match self {
            Self::Syft => ("github.com/anchore/syft/cmd/syft", "v1.51.0"),
            Self::OsvScanner => ("github.com/google/osv-scanner/v2/cmd/osv-scanner", "v2.5.0"),
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Syft => "syft",
            Self::OsvScanner => "osv-scanner",
        }
    }

    pub(crate) fn name(self) -> String {
        format!("{} {}", self.program(), self.module().1.trim_start_matches('v'))
    }

    /// Built by [`install`], else on PATH, where the version is the user's affair.
    pub(crate) fn find(self, directory: &Path) -> Option<PathBuf> {
        let path = var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(directory.join("bin")).chain(split_paths(&path));
        directories.map(|directory| directory.join(self.program())).find(|program| program.is_file())
    }
}

/// Builds what is not there yet.
pub(crate) fn install(directory: &Path, progress: &Progress) {
    let bin = directory.join("bin");
    for peer in [Peer::Syft, Peer::OsvScanner] {
        if bin.join(peer.program()).is_file() {
            continue;
        }
        progress.note(&format!("building {}, minutes, once per machine", peer.name()));
        let (module, version) = peer.module();
        let built = Command::new("go")
            .args(["install", &format!("{module}@{version}")])
            .env("GOBIN", &bin)
            .env("CGO_ENABLED", "0")
            .status();
        assert!(built.expect("go").success(), "{} builds", peer.name());
    }
}
