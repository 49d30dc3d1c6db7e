//! Where things lie: state that `down` removes, a cache that outlives it, and the sources.

use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::AtPath;

/// The directories of one cluster.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Everything that lives as long as the cluster.
    pub state: PathBuf,
    /// Built programs and images, keyed by their sources; may be deleted at any time while no cluster is up.
    pub cache: PathBuf,
    /// The repository.
    pub repository: PathBuf,
}

impl Layout {
    /// `BREAKWATER_CLUSTER_DIR` (default `/var/lib/breakwater-e2e`) and `BREAKWATER_CACHE` (default
    /// `$XDG_CACHE_HOME/breakwater` or `~/.cache/breakwater`).
    pub fn from_environment() -> Self {
        let directory = |name| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = directory("BREAKWATER_CACHE")
            .or_else(|| directory("XDG_CACHE_HOME").map(|path| path.join("breakwater")))
            .or_else(|| directory("HOME").map(|path| path.join(".cache/breakwater")))
            .unwrap_or_else(|| PathBuf::from("/var/cache/breakwater"));
        let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            state: directory("BREAKWATER_CLUSTER_DIR")
                .unwrap_or_else(|| PathBuf::from("/var/lib/breakwater-e2e")),
            cache,
            repository: e2e.parent().unwrap_or(e2e).to_owned(),
        }
    }

    /// Sources of the cluster's programs and test images.
    pub fn e2e(&self) -> PathBuf {
        self.repository.join("e2e")
    }

    /// A component's log.
    pub fn log(&self, component: &str) -> PathBuf {
        self.state.join("log").join(format!("{component}.log"))
    }

    /// A user's kubeconfig.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.state.join("kubeconfig").join(user)
    }

    /// A key, certificate or password file.
    pub fn pki(&self, file: &str) -> PathBuf {
        self.state.join("pki").join(file)
    }

    /// The API server's audit log: JSON lines, level Metadata.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("log/audit.jsonl")
    }

    /// What the advisory mirror serves.
    pub fn mirror(&self) -> PathBuf {
        self.state.join("mirror")
    }

    /// Further `address name…` lines that the cluster's DNS answers from, reread every second.
    pub fn dns_hosts(&self) -> PathBuf {
        self.state.join("dns/hosts")
    }

    /// kubectl and its kin, by name.
    pub fn bin(&self) -> PathBuf {
        self.state.join("bin")
    }
}

/// Writes a file, its directory included.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).at(parent)?;
    }
    fs::write(path, content).at(path)
}
