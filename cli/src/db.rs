//! The advisory index: built, looked at, kept current and served.

use std::path::{Path, PathBuf};

use anyhow::Context;
use breakwater_advisories::{BuildReport, Index, Skipped};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::arguments::{Build, Output};
use crate::terminal::{Palette, ProgressLine, count};
pub(crate) use cache::default_index;
use joined::Joined;
pub(crate) use location::{FileLocation, SourceLocation};
use records::Records;

mod artifact;
mod cache;
mod fetch;
mod joined;
mod location;
mod mirror;
mod records;
mod shrinkage;
pub(crate) mod sync;
pub(crate) mod update;

/// How to come by an index, as the end of a sentence.
pub(crate) const MAKING_AN_INDEX: &str = "fetch one with `breakwater db update`, or make one of other records with \
                                          `breakwater db build` and name it with --db FILE";
/// From this age on, an index is called old.
const OLD: TimeDelta = TimeDelta::hours(48);

pub(crate) async fn build(arguments: &Build, now: DateTime<Utc>) -> anyhow::Result<()> {
    let progress = ProgressLine::new();
    let source = &arguments.source;
    let scratch = tempfile::tempdir().context("cannot make a directory for downloads")?;
    let records = Records::of(source, scratch.path()).await?;
    let records = records.refresh(&|text| progress.show(text)).await?.to_owned();
    progress.show("building the index");
    let revision = arguments.revision.unwrap_or_else(|| u64::try_from(now.timestamp()).unwrap_or(0));
    let joined = Joined::of(source, scratch.path()).await?;
    let out = arguments.out.clone();
    let report = tokio::task::spawn_blocking(move || {
        breakwater_advisories::build(joined.input(&records, &out), revision, now)
    })
    .await??;
    drop(progress);
    say_built(&report, &arguments.out);
    Ok(())
}

fn say_built(report: &BuildReport, out: &Path) {
    let packages: u32 = report.ecosystems.iter().map(|ecosystem| ecosystem.packages).sum();
    println!(
        "{}: revision {}, {} about {} in {}, {}",
        out.display(),
        report.revision,
        count(report.records as usize, "advisory"),
        count(packages as usize, "package"),
        count(report.ecosystems.len(), "ecosystem"),
        size(report.bytes),
    );
    for line in skipped(&report.skipped) {
        println!("  {line}");
    }
}

fn skipped(skipped: &Skipped) -> Vec<String> {
    let Skipped {
        withdrawn,
        duplicate,
        not_security,
        without_packages,
        oversize,
        malformed,
        malformed_names,
    } = skipped;
    let mut lines: Vec<String> = [
        (*withdrawn, "withdrawn"),
        (*duplicate, "seen twice"),
        (*not_security, "bug fixes without a CVE"),
        (*without_packages, "about no package that can be judged"),
        (*oversize, "too large"),
        (*malformed, "not OSV records"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} left out: {what}"))
    .collect();
    lines.extend(malformed_names.iter().map(|name| format!("  {name}")));
    lines
}

pub(crate) fn status(file: &Path, output: Output, now: DateTime<Utc>) -> anyhow::Result<()> {
    let index = open(file)?;
    let built = DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default();
    if output == Output::Json {
        let document = json!({
            "schemaVersion": 1,
            "revision": index.revision(),
            "builtAt": built,
            "records": index.records(),
            "bytes": index.size(),
            "ecosystems": index.ecosystems(),
        });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    let palette = Palette::of_stdout();
    println!("{}", palette.bold(&format!("{} is whole", file.display())));
    println!("  revision    {}", index.revision());
    println!("  built       {}{}", built.format("%Y-%m-%d %H:%M UTC"), age(built, now));
    println!("  advisories  {}", index.records());
    println!("  size        {}", size(index.size() as u64));
    println!();
    println!("  {:<40} {:>10} {:>10}", "ECOSYSTEM", "ADVISORIES", "PACKAGES");
    for ecosystem in index.ecosystems() {
        println!("  {:<40} {:>10} {:>10}", ecosystem.name, ecosystem.records, ecosystem.packages);
    }
    Ok(())
}

/// Opens the index, which checks its checksum, and looks at everything in it.
pub(crate) fn verify(file: &Path) -> anyhow::Result<()> {
    let index = open(file)?;
    index.walk().with_context(|| {
        format!("the advisory index {} contradicts itself; fetch or build it again", file.display())
    })?;
    println!(
        "{}: revision {}, {}, {}: whole",
        file.display(),
        index.revision(),
        count(index.records() as usize, "advisory"),
        size(index.size() as u64)
    );
    Ok(())
}

/// Opens an index; where there is none, says how to come by one.
pub(crate) fn open(file: &Path) -> anyhow::Result<Index> {
    // One that cannot be looked for is said to be unreadable, and why.
    let is_missing = matches!(file.try_exists(), Ok(false));
    anyhow::ensure!(!is_missing, "there is no advisory index {}: {MAKING_AN_INDEX}", file.display());
    Ok(Index::open(file)?)
}

/// The named index, or the one that is used where none is named.
pub(crate) fn named_or_default(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let index = named.map(Path::to_owned).or_else(default_index);
    index.context("neither XDG_CACHE_HOME nor HOME is set: name the index file")
}

/// How long ago it was, and whether that is too long.
pub(crate) fn age(built: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - built;
    let text = match (age.num_days(), age.num_hours()) {
        (0, hours) if hours <= 0 => return String::new(),
        (0, hours) => count(usize::try_from(hours).unwrap_or(0), "hour"),
        (days, _) => count(usize::try_from(days).unwrap_or(0), "day"),
    };
    if age > OLD {
        format!(" ({text} ago: old: run `breakwater db update`)")
    } else {
        format!(" ({text} ago)")
    }
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let bytes = bytes as f64;
    if bytes < 1e6 { format!("{:.0} KB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}
