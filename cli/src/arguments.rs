//! The command line, as `--help` shows it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cluster::WorkloadName;
use crate::db::{FileLocation, SourceLocation};
pub(crate) use format::{Format, Target};
pub(crate) use image::{Diff, FailOn, FixPlan, Knowledge, Reading, Scan};
pub(crate) use registry::Registry;

mod format;
mod image;
mod registry;

/// Breakwater: what is inside container images, what is known about it, and what happens to workloads that run it.
#[derive(Debug, Parser)]
#[command(name = "breakwater", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit status: 0 all is well; 1 a policy is violated; 2 it could not be told, or something failed; \
                  130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read an image and say what is known about what is inside
    Scan(Scan),
    /// Say which upgrades clear a policy, layer by layer
    FixPlan(FixPlan),
    /// Compare what is inside two images, and what is known about it
    Diff(Diff),
    /// Build, look at and serve the advisory index
    #[command(subcommand)]
    Db(Db),
    /// Say why a workload is judged as it is, and what would happen next
    Explain(Explain),
    /// Take back what Breakwater did to a workload
    Undo(Undo),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people: grouped by package, 80 columns
    Table,
    /// For programs: versioned, documented
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Build an index from OSV records
    Build(Build),
    /// Bring the index on this machine up to date: fetch what changed, build, replace
    Update(Update),
    /// Say what an index holds
    Status {
        /// [default: that of `db update`]
        file: Option<PathBuf>,
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Look at every byte of an index: checksum, and everything in it
    Verify {
        /// [default: that of `db update`]
        file: Option<PathBuf>,
    },
    /// Keep an index current and serve it to operators (the advisories Deployment)
    Sync(Sync),
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// A directory, zip archive or JSON record; a file: or http(s): URL of the layout of OSV's bulk export
    /// (ecosystems.txt, <ecosystem>/all.zip, and where it has it <ecosystem>/modified_id.csv); or
    /// oci://REGISTRY/REPOSITORY[:TAG][@DIGEST], an artifact whose layers are such archives and records
    #[arg(long, value_name = "DIR|URL", default_value = EXPORT)]
    pub(crate) source: SourceLocation,
    /// Fetch only these ecosystems of a URL, for example Debian (repeatable; default: all whose version order is known)
    #[arg(long, value_name = "NAME")]
    pub(crate) ecosystem: Vec<String>,
    /// The CISA Known Exploited Vulnerabilities catalogue (JSON)
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) kev: Option<FileLocation>,
    /// FIRST's EPSS scores (CSV: cve,epss,percentile; gzip or not)
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) epss: Option<FileLocation>,
    /// Severities of CVEs that no advisory rates: NVD JSON 2.0, or CSV cve,cvss,severity; gzip or not (repeatable, the later one wins)
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) severities: Vec<FileLocation>,
    #[command(flatten)]
    pub(crate) registry: Registry,
}

/// OSV's bulk export.
const EXPORT: &str = "https://storage.googleapis.com/osv-vulnerabilities";

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The index file [default: $XDG_CACHE_HOME/breakwater/advisories.bwdb, or below ~/.cache]; downloads are kept beside it
    #[arg(long, value_name = "FILE", env = "BREAKWATER_DB")]
    pub(crate) db: Option<PathBuf>,
    /// Replace the index even if an ecosystem shrank by more than 5 %
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The index file; replaced only by a complete one
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Its number [default: the seconds since 1970]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Where downloads and the last two indexes are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where to serve
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8443")]
    pub(crate) listen: std::net::SocketAddr,
    /// How often to look at the source (1s to 7d)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Serve HTTPS with this certificate (PEM), read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Publish an index even if an ecosystem shrank by more than 5 %
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OnWorkload {
    /// [KIND/]NAME, for example deployment/web; the kind defaults to Deployment
    pub(crate) workload: WorkloadName,
    /// Its namespace [default: that of the current context]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long)]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) on: OnWorkload,
    /// The namespace that the operator runs in
    #[arg(long, value_name = "NAMESPACE", default_value = "breakwater-system")]
    pub(crate) operator_namespace: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) on: OnWorkload,
    /// How long to wait until it is done; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
    if bounds.contains(&duration) { Ok(duration) } else { Err("must be from 1s to 7d".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
