//! The local cluster from the command line; `make help` lists what people need of it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use breakwater_e2e::{
    Cluster, ClusterIndex, Layout, Progress, Registry, Status, deploy, mirror, publication,
};
use clap::{Parser, Subcommand, ValueEnum};

/// A real Kubernetes cluster on this machine, in namespaces of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which of the machine's clusters, 0 to 9: they run side by side.
    #[arg(long, global = true, env = "BREAKWATER_CLUSTER_INDEX", default_value_t)]
    index: ClusterIndex,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring the cluster up; nothing to do if it is.
    Up,
    /// Take it down and remove all of its state.
    Down,
    /// Print what a shell must know: eval "$(cluster env)".
    Env,
    /// Report how the cluster is; exit code 0 only if it is up.
    Status,
    /// Print the directory that the advisory mirror serves.
    MirrorDir,
    /// Add the OSV records of a directory (<ecosystem>/*.json) to the mirror, replacing those of the same id.
    Publish { directory: PathBuf },
    /// Build images and push them.
    Image {
        #[command(subcommand)]
        command: ImageAction,
    },
    /// Build the product, push its images, apply an overlay and wait until it is ready.
    Deploy {
        /// The kustomize overlay [default: the repository's config/overlays/dev].
        #[arg(long)]
        overlay: Option<PathBuf>,
    },
    /// Set the number of nodes that only the API server knows, for tests of size; 0 removes them.
    Kwok {
        /// How many; each takes 500 pods.
        nodes: u16,
    },
    /// End a pod's processes at once, as a crash would, and have them restarted two seconds later.
    CrashPod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
    },
    /// Serve a directory over HTTP (what the cluster's mirror runs).
    #[command(hide = true)]
    ServeMirror { directory: PathBuf, address: SocketAddr },
}

#[derive(Debug, Subcommand)]
enum ImageAction {
    /// Build the Containerfile in a directory, push it and print its reference by digest.
    Build {
        /// The directory, or the name of one in e2e/images.
        directory: PathBuf,
        /// name:tag in the registry.
        name: String,
        /// Which registry.
        #[arg(long, value_enum, default_value_t = To::Open)]
        to: To,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum To {
    Open,
    Auth,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { index, command: action } = arguments;
    let cluster = Cluster::new(Layout::of(index)?);
    let progress = Progress::new();
    let mut out = std::io::stdout();
    match action {
        Action::Up => cluster.up(&std::env::current_exe()?, &progress)?,
        Action::Down => cluster.down(&progress)?,
        Action::Env => {
            cluster.require()?;
            write!(out, "{}", cluster.environment())?;
        }
        Action::Status => match cluster.status()? {
            Status::Up => writeln!(out, "up")?,
            Status::Broken(reason) => {
                writeln!(out, "broken: {reason}")?;
                return Ok(ExitCode::FAILURE);
            }
            Status::Down => {
                writeln!(out, "down")?;
                return Ok(ExitCode::FAILURE);
            }
        },
        Action::MirrorDir => writeln!(out, "{}", cluster.layout().mirror().display())?,
        Action::Publish { directory } => {
            let count = publication::publish(&cluster.layout().mirror(), &directory)?;
            writeln!(out, "{count} records published")?;
        }
        Action::Image { command: ImageAction::Build { directory, name, to } } => {
            cluster.require()?;
            let known = cluster.layout().e2e().join("images").join(&directory);
            let directory = if directory.is_dir() { directory } else { known };
            let registry = match to {
                To::Open => Registry::Open,
                To::Auth => Registry::Authenticated,
            };
            let image = cluster.images().build(&directory.canonicalize()?, &progress)?;
            let pushed = cluster.images().push(&image, registry, &name)?;
            writeln!(out, "{}@{}", pushed.reference(), pushed.digest)?;
        }
        Action::Deploy { overlay } => {
            let overlay = overlay.unwrap_or_else(|| cluster.layout().repository.join("config/overlays/dev"));
            deploy(&cluster, &overlay, &progress)?;
        }
        Action::Kwok { nodes } => cluster.kwok(nodes, &progress)?,
        Action::CrashPod { namespace, pod } => {
            writeln!(out, "{} processes ended", cluster.crash_pod(&namespace, &pod)?)?;
        }
        Action::ServeMirror { directory, address } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(mirror::serve(directory, address))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
