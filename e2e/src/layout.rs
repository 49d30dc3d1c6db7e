//! Where things lie: state that `down` removes, a cache that outlives it, and the sources.

use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf, absolute};

use crate::error::AtPath;
use crate::{ClusterIndex, Result};

/// The variable that names the cluster's index.
pub(crate) const INDEX: &str = "BREAKWATER_CLUSTER_INDEX";
/// The variable that names the state directory.
pub(crate) const STATE: &str = "BREAKWATER_CLUSTER_DIR";

/// The index and the directories of one cluster.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Which of the machine's clusters.
    pub index: ClusterIndex,
    /// Everything that lives as long as the cluster; an absolute path.
    pub state: PathBuf,
    /// Built programs and images, keyed by their sources; may be deleted at any time while no cluster is up.
    pub cache: PathBuf,
    /// The repository.
    pub repository: PathBuf,
}

impl Layout {
    /// The layout that the environment names: its index is `BREAKWATER_CLUSTER_INDEX` (default 0), the rest as [`Layout::of`].
    ///
    /// # Errors
    /// As [`Layout::of`], and if the index is not a number from 0 to 9.
    pub fn from_environment() -> Result<Self> {
        let index = std::env::var(INDEX).ok().filter(|value| !value.is_empty());
        Self::of(index.map_or(Ok(ClusterIndex::default()), |index| index.parse())?)
    }

    /// The layout of the cluster with this index: `BREAKWATER_CLUSTER_DIR` (default `/var/lib/breakwater-e2e`, `-1` and so on appended for
    /// other indexes) and `BREAKWATER_CACHE` (default `$XDG_CACHE_HOME/breakwater` or `~/.cache/breakwater`).
    ///
    /// # Errors
    /// If a relative path cannot be made absolute.
    pub fn of(index: ClusterIndex) -> Result<Self> {
        let directory = |name| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = directory("BREAKWATER_CACHE")
            .or_else(|| directory("XDG_CACHE_HOME").map(|path| path.join("breakwater")))
            .or_else(|| directory("HOME").map(|path| path.join(".cache/breakwater")))
            .unwrap_or_else(|| PathBuf::from("/var/cache/breakwater"));
        let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
        let state = directory(STATE)
            .unwrap_or_else(|| PathBuf::from(format!("/var/lib/breakwater-e2e{}", index.suffix())));
        Ok(Self {
            index,
            state: absolute(&state).at(&state)?,
            cache: absolute(&cache).at(&cache)?,
            repository: e2e.parent().unwrap_or(e2e).to_owned(),
        })
    }

    /// Sources of the cluster's programs and test images.
    pub fn e2e(&self) -> PathBuf {
        self.repository.join("e2e")
    }

    /// The record of a component's process.
    pub(crate) fn process(&self, component: &str) -> PathBuf {
        self.state.join("process").join(format!("{component}.json"))
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
