//! Why a cluster could not be made, used or removed.

use std::path::{Path, PathBuf};

/// Short for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every reason has one name; its text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Namespaces, mounts and cgroups need root.
    #[error("the cluster needs root: it creates network and mount namespaces and cgroups")]
    NotRoot,
    /// The index of a cluster is not one.
    #[error("cluster index {text:?}: a number from 0 to 9 is allowed")]
    Index {
        /// As it was given.
        text: String,
    },
    /// The cluster with this index was made from another state directory.
    #[error(
        "{part} belongs to the cluster of {owner}: to use or remove that one, set BREAKWATER_CLUSTER_DIR={owner} \
         BREAKWATER_CLUSTER_INDEX={index}; for another cluster beside it, choose another index",
        owner = owner.display()
    )]
    Foreign {
        /// The index.
        index: crate::ClusterIndex,
        /// The namespace or control group.
        part: String,
        /// The owner's state directory.
        owner: PathBuf,
    },
    /// Processes of an unknown owner are where the cluster would be.
    #[error(
        "{part} holds processes and records no owner, and {state} holds no record of them: end them and remove it by hand, or choose \
         another index (BREAKWATER_CLUSTER_INDEX)",
        state = state.display()
    )]
    UnknownOwner {
        /// The namespace or control group.
        part: String,
        /// Our state directory.
        state: PathBuf,
    },
    /// The state directory is removed as a whole at the end; it must hold nothing else.
    #[error(
        "{path} holds {holds}: an empty or a new directory is allowed, set BREAKWATER_CLUSTER_DIR",
        path = path.display()
    )]
    ForeignState {
        /// The directory.
        path: PathBuf,
        /// What was found in it.
        holds: String,
    },
    /// The kernel records the owner, in few bytes.
    #[error(
        "the state directory's path is too long: at most {limit} bytes are allowed, set BREAKWATER_CLUSTER_DIR: {path}",
        path = path.display()
    )]
    StateTooLong {
        /// The directory.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// Programs that are not installed and that this machine's package system cannot be asked for.
    #[error("missing programs: {programs}. On Debian: apt-get install --no-install-recommends {packages}")]
    Missing {
        /// The programs, separated by blanks.
        programs: String,
        /// Debian's packages that hold them.
        packages: String,
    },
    /// The cluster's programs do not build with this version of Go.
    #[error("Go is too old: {found}, {needed} or newer is needed (https://go.dev/dl)")]
    GoTooOld {
        /// What is installed.
        found: String,
        /// The oldest that will do.
        needed: String,
    },
    /// There is no room for the cluster.
    #[error(
        "the disk of {path} has {free_mib} MiB free, {needed_mib} MiB are needed: remove what is not used, such as old target folders"
    )]
    DiskFull {
        /// A directory on the disk.
        path: PathBuf,
        /// What is free.
        free_mib: u64,
        /// What has to be.
        needed_mib: u64,
    },
    /// The running kernel lacks something.
    #[error("this kernel has no {feature}: {needed_for}")]
    KernelLacks {
        /// The feature.
        feature: &'static str,
        /// What needs it.
        needed_for: &'static str,
    },
    /// A program could not be started.
    #[error("cannot run {command}: {source}")]
    Unstartable {
        /// The command line.
        command: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{command} failed ({status}):\n{stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Exit status or signal.
        status: String,
        /// The end of what it said, at most 4 KiB.
        stderr: String,
    },
    /// A component ended right after its start.
    #[error("{component} ended; its last words, from {}:\n{tail}", log.display())]
    Ended {
        /// The component.
        component: String,
        /// Its log file.
        log: PathBuf,
        /// The end of the log, at most 4 KiB.
        tail: String,
    },
    /// A list in an image's directory that names what nobody can make.
    #[error("no module of e2e/cluster is called {name}")]
    Ingredient {
        /// As it was written.
        name: String,
    },
    /// An advisory that cannot be published.
    #[error("cannot publish: {0}")]
    Advisory(String),
    /// Something awaited did not happen.
    #[error("{what} not within {seconds} s")]
    NotInTime {
        /// What was awaited.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// A file or directory could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A recorded file does not say what it should.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A certificate could not be made.
    #[error("certificate {name}: {source}")]
    Certificate {
        /// Whose certificate.
        name: String,
        /// The reason.
        source: rcgen::Error,
    },
    /// There is no cluster where one is needed.
    #[error("the cluster is not up: {reason}. Run `make cluster-up`")]
    NotUp {
        /// The first thing found wrong.
        reason: String,
    },
    /// A name that cannot be an image's `name:tag`.
    #[error("image name {name:?} is not of the form name:tag")]
    ImageName {
        /// The name as given.
        name: String,
    },
}

/// Attaches the path to an I/O error.
pub(crate) trait AtPath<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File { path: path.to_owned(), source })
    }
}
