//! `breakwater scan`: an image's inventory, what is known about it, and what a policy says of it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context;
use breakwater_advisories::{Index, match_inventory};
use breakwater_core::policy::Compliance;
use breakwater_core::scan::RegistryAccess;
use breakwater_core::{ImageReference, Inventory};
use breakwater_scanner::registry::{Connection, Credentials, Options, Pace, RegistryError, Trust};
use breakwater_scanner::{Progress, ScanError};
use chrono::{DateTime, Utc};

use crate::arguments::{Output, Scan};
use crate::db::size;
use crate::terminal::{Palette, ProgressLine, count};
use crate::{UNTOLD, VIOLATED};
use report::Report;

mod document;
mod judgement;
mod report;
mod table;

/// The largest file of credentials or certificates that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

pub(crate) async fn run(arguments: &Scan, now: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    // What can be wrong on this side is said before anybody is asked.
    let reference = reference(&arguments.source)?;
    let policy = arguments.policy.as_deref().map(judgement::read_policy).transpose()?;
    let index = arguments.db.as_deref().map(Index::open).transpose()?;
    let connection = connection(arguments)?;

    let inventory = inventory(arguments, &connection, &reference).await?;
    let matches = index.as_ref().map(|index| match_inventory(index, &inventory)).unwrap_or_default();
    let verdict =
        policy.as_ref().map(|policy| judgement::judge(policy, &inventory, index.as_ref(), &matches, now));
    let report =
        Report { inventory: &inventory, index: index.as_ref(), matches: &matches, verdict: verdict.as_ref() };
    match arguments.output {
        Output::Table => print!("{}", table::render(&report, Palette::of_stdout(), now)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&document::Document::of(&report))?),
    }
    Ok(match verdict.map(|verdict| verdict.compliance) {
        None | Some(Compliance::Compliant) => ExitCode::SUCCESS,
        Some(Compliance::Violating) => ExitCode::from(VIOLATED),
        Some(Compliance::Unknown) => ExitCode::from(UNTOLD),
    })
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

fn connection(arguments: &Scan) -> anyhow::Result<Connection> {
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

async fn inventory(
    arguments: &Scan,
    connection: &Connection,
    reference: &ImageReference,
) -> anyhow::Result<Inventory> {
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
    let inventories = breakwater_scanner::scan(connection, reference, &platforms, &progress).await;
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
