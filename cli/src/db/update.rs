//! `breakwater db update`: the index on this machine, brought up to date.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use breakwater_advisories::Index;
use chrono::{DateTime, Utc};

use super::joined::Joined;
use super::records::Records;
use super::shrinkage::{MAX_SHRINK, shrunk};
use super::{named_or_default, say_built};
use crate::arguments::Update;
use crate::terminal::ProgressLine;

pub(crate) async fn run(arguments: &Update, now: DateTime<Utc>) -> anyhow::Result<()> {
    let progress = ProgressLine::new();
    let db = named_or_default(arguments.db.as_deref())?;
    let directory = db.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let source = &arguments.source;
    let records = Records::of(source, &directory).await?;
    let records = records.refresh(&|text| progress.show(text)).await?.to_owned();
    progress.show("fetching what is joined by CVE");
    let joined = Joined::of(source, &directory).await?;
    progress.show("building the index");
    // The number only grows, even where a clock went back.
    let before = Index::open(&db).ok().map_or(0, |index| index.revision());
    let revision = u64::try_from(now.timestamp()).unwrap_or(0).max(before.saturating_add(1));
    let candidate = tempfile::TempDir::with_prefix_in(".update-", &directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    let out = candidate.path().join("index");
    let report = {
        let out = out.clone();
        tokio::task::spawn_blocking(move || {
            breakwater_advisories::build(joined.input(&records, &out), revision, now)
        })
        .await??
    };
    let shrunk = if db.exists() { shrunk(&db, &report) } else { Vec::new() };
    ensure!(
        shrunk.is_empty() || arguments.force,
        "the new index knows more than {MAX_SHRINK} % less ({}), so the old one stays; if this is right, give --force",
        shrunk.join("; ")
    );
    std::fs::rename(&out, &db).with_context(|| format!("cannot replace {}", db.display()))?;
    drop(progress);
    say_built(&report, &db);
    Ok(())
}
