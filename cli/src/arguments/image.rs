//! The arguments of what reads images: `scan`, `fix-plan` and `diff`.

use std::path::PathBuf;
use std::time::Duration;

use breakwater_core::{Platform, Severity};
use clap::{Args, ValueEnum};

use super::Output;
use super::format::{Target, TargetParser};
use super::registry::Registry;

const EXAMPLES: &str = "\
Examples:
  breakwater scan registry.example.com/shop/app:1.2
  breakwater scan registry.example.com/shop/app:1.2 --policy baseline.yaml
  breakwater scan registry.example.com/shop/app:1.2 --fail-on high,kev -o table -o sarif=app.sarif

Exit status: 0 passed, or nothing was demanded; 1 violated; 2 it could not be told, or something failed.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Scan {
    /// An image of a registry, [registry/]repository[:tag][@digest]; or oci-dir:PATH, oci-archive:FILE, docker-archive:FILE
    /// (each with :NAME or @DIGEST for one of several images), rootfs:DIR, sbom:FILE (CycloneDX or SPDX JSON),
    /// containerd:DIGEST
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// What to write, and where to; repeat it for several outputs of one reading
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "table", value_parser = TargetParser)]
    pub(crate) output: Vec<Target>,
    /// List only findings of this severity and above; the verdict looks at all
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) severity: Option<Level>,
    /// List, and count for --fail-on, only findings that an upgrade mends
    #[arg(long)]
    pub(crate) ignore_unfixed: bool,
    /// Judge the image by the ImagePolicy in this YAML file
    #[arg(long, value_name = "FILE", help_heading = "Judging", conflicts_with = "fail_on")]
    pub(crate) policy: Option<PathBuf>,
    /// Apply no grace period of the policy; by default published and fixAvailable count from the dates of the records
    #[arg(long, help_heading = "Judging", requires = "policy")]
    pub(crate) no_grace: bool,
    /// Without a policy: exit 1 if there is a finding of this severity or above, a known exploited one, or any
    #[arg(
        long,
        value_enum,
        value_name = "SEVERITY|kev|any",
        value_delimiter = ',',
        help_heading = "Judging"
    )]
    pub(crate) fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub(crate) knowledge: Knowledge,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct FixPlan {
    /// The image: [registry/]repository[:tag][@digest]
    #[arg(value_name = "IMAGE")]
    pub(crate) source: String,
    /// Plan what clears the ImagePolicy in this YAML file; without it, every finding that an upgrade mends
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) knowledge: Knowledge,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The image as it was
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// The image as it is
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Exit 1 if AFTER has a finding of this severity or above that BEFORE has not
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on_new: Option<Level>,
    #[command(flatten)]
    pub(crate) knowledge: Knowledge,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// What is known about packages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Advisories")]
pub(crate) struct Knowledge {
    /// The advisory index [default: advisories.bwdb in breakwater's cache directory, if it is there]; without one
    /// packages are listed, not judged
    #[arg(long, value_name = "FILE", env = "BREAKWATER_DB")]
    pub(crate) db: Option<PathBuf>,
    /// Refuse an index that is older than this; without it, one older than 7 days is warned about
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) max_db_age: Option<Duration>,
}

/// How images are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading images")]
pub(crate) struct Reading {
    /// os/architecture[/variant]
    #[arg(long, default_value_t = host_platform())]
    pub(crate) platform: Platform,
    /// An image that it may have been built from, in any form of SOURCE: recognised by its layers (repeatable)
    #[arg(long, value_name = "SOURCE")]
    pub(crate) base: Vec<String>,
    /// Where containerd keeps its content
    #[arg(long, value_name = "DIR", default_value = "/var/lib/containerd")]
    pub(crate) containerd_root: PathBuf,
    /// Do not look for secrets in files: faster
    #[arg(long)]
    pub(crate) no_secrets: bool,
    #[command(flatten)]
    pub(crate) registry: Registry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Critical,
    High,
    Medium,
    Low,
}

impl Level {
    pub(crate) fn severity(self) -> Severity {
        match self {
            Self::Critical => Severity::Critical,
            Self::High => Severity::High,
            Self::Medium => Severity::Medium,
            Self::Low => Severity::Low,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Critical,
    High,
    /// A severity that nobody said counts as medium, as in an ImagePolicy
    Medium,
    Low,
    /// Any finding, also of unknown severity
    Any,
    /// Listed in the CISA Known Exploited Vulnerabilities catalogue
    Kev,
}

fn host_platform() -> Platform {
    Platform::linux(match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    })
}
