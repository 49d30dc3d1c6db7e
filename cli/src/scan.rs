//! `breakwater scan`: an image's inventory, what is known about it, and what a policy says of it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context;
use breakwater_advisories::match_inventory;
use breakwater_core::policy::{Compliance, Policy};
use breakwater_core::scan::RegistryAccess;
use breakwater_core::{Finding, ImageReference, Inventory};
use breakwater_scanner::registry::{Connection, Credentials, Options, Pace, RegistryError, Trust};
use breakwater_scanner::{Progress, ScanError};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::arguments::{Format, Reading, Scan, Target};
use crate::db::size;
use crate::terminal::{Page, ProgressLine, count};
use crate::{UNTOLD, VIOLATED};
use delivery::deliver;
use report::{Advisories, Judged, Report};

#[cfg(test)]
mod conformance;
mod cyclonedx;
pub(crate) mod delivery;
mod document;
mod html;
mod identity;
pub(crate) mod judgement;
mod junit;
pub(crate) mod knowledge;
mod licence;
mod markup;
mod member;
pub(crate) mod report;
mod sarif;
mod spdx;
mod table;

/// The largest file of credentials or certificates that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

pub(crate) async fn run(arguments: &Scan, now: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    // What can be wrong on this side is said before anybody is asked.
    let policy = demanded(arguments)?;
    let index = knowledge::open(&arguments.knowledge, now)?;
    let inventory = inventory(&arguments.source, &arguments.reading).await?;

    let matches = index.as_ref().map(|index| match_inventory(index, &inventory)).unwrap_or_default();
    let verdict = policy
        .as_ref()
        .map(|(_, policy)| judgement::judge(policy, &inventory, index.as_ref(), &matches, now));
    let findings: Vec<&Finding> =
        matches.findings.iter().filter(|finding| is_listed(arguments, finding)).collect();
    let report = Report {
        inventory: &inventory,
        advisories: index
            .as_ref()
            .map(|index| Advisories { revision: index.revision(), built: knowledge::built(index) }),
        hidden: matches.findings.len() - findings.len(),
        findings,
        unmatched: &matches.unanalysed,
        verdict: verdict.as_ref().zip(policy.as_ref()).map(|(verdict, (by, _))| Judged { by, verdict }),
        now,
    };
    for target in &arguments.output {
        deliver(&render(target, &report)?, target.file.as_deref())?;
    }
    Ok(verdict.map_or(ExitCode::SUCCESS, |verdict| exit(verdict.compliance)))
}

/// The policy that was asked for, and its name for people.
fn demanded(arguments: &Scan) -> anyhow::Result<Option<(&'static str, Policy)>> {
    Ok(match &arguments.policy {
        Some(path) => Some(("policy", judgement::read_policy(path)?)),
        None if arguments.fail_on.is_empty() => None,
        None => Some(("--fail-on", judgement::fail_on(&arguments.fail_on, arguments.ignore_unfixed)?)),
    })
}

fn is_listed(arguments: &Scan, finding: &Finding) -> bool {
    arguments.severity.is_none_or(|level| finding.severity >= level.severity())
        && (finding.is_fixable() || !arguments.ignore_unfixed)
}

fn render(target: &Target, report: &Report<'_>) -> anyhow::Result<String> {
    let page = match target.file {
        Some(_) => Page::of_a_file(),
        None => Page::of_stdout(),
    };
    Ok(match target.format {
        Format::Table => table::render(report, page),
        Format::Json => pretty(&document::Document::of(report))?,
        Format::Sarif => pretty(&sarif::render(report))?,
        Format::Cyclonedx => pretty(&cyclonedx::render(report))?,
        Format::Spdx => pretty(&spdx::render(report))?,
        Format::Junit => junit::render(report),
        Format::Html => html::render(report),
    })
}

/// JSON as files have it: indented, with a line's end.
pub(crate) fn pretty(document: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

pub(crate) fn exit(compliance: Compliance) -> ExitCode {
    match compliance {
        Compliance::Compliant => ExitCode::SUCCESS,
        Compliance::Violating => ExitCode::from(VIOLATED),
        Compliance::Unknown => ExitCode::from(UNTOLD),
    }
}

fn reference(source: &str) -> anyhow::Result<ImageReference> {
    for kind in ["oci-dir:", "oci-archive:", "docker-archive:", "rootfs:", "sbom:"] {
        anyhow::ensure!(
            !source.starts_with(kind),
            "{kind} is not a source this version reads: push the image to a registry and scan it there"
        );
    }
    source.parse().with_context(|| format!("IMAGE {source:?}"))
}

fn connection(arguments: &Reading) -> anyhow::Result<Connection> {
    let credentials = match &arguments.credentials {
        Some(path) => Credentials::parse(&read(path, "--credentials")?)
            .with_context(|| format!("--credentials {}", path.display()))?,
        None => Credentials::none(),
    };
    let trust = match &arguments.ca {
        Some(path) => Trust::system().and_pem(&read(path, "--ca")?)?,
        None => Trust::system(),
    };
    let access = RegistryAccess {
        insecure: arguments.insecure,
        allow_private_addresses: arguments.allow_private,
        proxy: None,
    };
    Ok(Connection::new(Options { access, credentials, trust, pace: Pace::default() })?)
}

fn read(path: &Path, option: &str) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .with_context(|| format!("{option}: cannot read {}", path.display()))?;
    Ok(bytes)
}

/// Reads one image.
pub(crate) async fn inventory(source: &str, arguments: &Reading) -> anyhow::Result<Inventory> {
    let reference = reference(source)?;
    let connection = connection(arguments)?;
    let line = ProgressLine::new();
    line.show(&format!("asking {}", reference.registry));
    let read = Mutex::new((0_usize, 0_usize, 0_u64));
    let progress = |progress: Progress| {
        let Ok(mut state) = read.lock() else { return };
        let (total, done, bytes) = &mut *state;
        match progress {
            Progress::Begun { layers, .. } => *total = layers,
            Progress::LayerRead { bytes: more, .. } => (*done, *bytes) = (*done + 1, *bytes + more),
        }
        line.show(&format!("read {done} of {}, {}", count(*total, "layer"), size(*bytes)));
    };
    let platforms = [arguments.platform.clone()];
    let inventories = breakwater_scanner::scan(&connection, &reference, &platforms, &progress).await;
    let inventories = inventories.map_err(|error| anyhow::Error::from(error).context(reference.to_string()));
    let inventories = inventories.map_err(advise)?;
    inventories.into_iter().next().context("the image has no manifest for this platform")
}

/// Names the option that mends it, where there is one.
fn advise(error: anyhow::Error) -> anyhow::Error {
    let advice = match error.downcast_ref::<ScanError>() {
        Some(ScanError::Registry { error: RegistryError::AddressRefused { .. }, .. }) => {
            "--allow-private allows such addresses"
        }
        Some(ScanError::PlatformMissing { .. }) => "--platform chooses another one",
        _ => return error,
    };
    anyhow::anyhow!("{error:#}; {advice}")
}
