//! The advisories Deployment: looks at the source, builds a numbered index when it changed, serves the newest.
//!
//! What is served gets worse never: an unreachable source, a damaged archive or an index that shrank leaves the old one in place.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use breakwater_advisories::BuildReport;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::joined::Joined;
use super::records::Records;
use super::shrinkage::{MAX_SHRINK, shrunk};
use crate::arguments::Sync;
use crate::clock;
use shelf::{Published, Shelf};

mod fingerprint;
mod listener;
mod server;
mod shelf;

/// How soon a failed look is repeated, if the interval is longer.
const RETRY: Duration = Duration::from_secs(30);

pub(crate) async fn run(arguments: Sync) -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_target(false).init();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;

    let shelf = Shelf::open(&arguments.dir)?;
    let (publish, published) = watch::channel(shelf.newest().map(Arc::new));
    if let Some(newest) = published.borrow().as_deref() {
        info!(revision = newest.revision, "serving the index of the last run");
    }
    let tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    let listener = listener::bind(arguments.listen, tls, &stop).await?;
    info!(address = %listener.address(), tls = arguments.tls_cert.is_some(), "listening");
    let server = tokio::spawn(server::serve(listener, published, stop.clone()));

    let keeping = keep_current(arguments, shelf, publish, stop.clone());
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = keeping => ended,
    };
    stop.cancel();
    server.await.context("the server ended")??;
    info!("stopped");
    ended
}

async fn keep_current(
    arguments: Sync,
    mut shelf: Shelf,
    publish: watch::Sender<Option<Arc<Published>>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        match round(&arguments, &mut shelf).await {
            Ok(Some(new)) => {
                info!(revision = new.revision, bytes = new.size, "published");
                publish.send_replace(Some(Arc::new(new)));
            }
            Ok(None) => {}
            Err(cause) => {
                error!(cause = format!("{cause:#}"), "no new index; the old one stays");
                tokio::time::sleep(arguments.interval.min(RETRY)).await;
                continue;
            }
        }
        tokio::time::sleep(arguments.interval).await;
    }
    Ok(())
}

/// Looks once; the new index if the source changed and what it makes is acceptable.
async fn round(arguments: &Sync, shelf: &mut Shelf) -> anyhow::Result<Option<Published>> {
    // Anew each time: credentials that a program knows last for hours, and what is wrong with them must not end the serving.
    let records = Records::of(&arguments.source, &arguments.dir).await?;
    let records = records.refresh(&|_| ()).await?.to_owned();
    let joined = Joined::of(&arguments.source, &arguments.dir).await?;
    let fingerprint = fingerprint::of(&records, joined.paths())?;
    if shelf.was_looked_at(&fingerprint) {
        return Ok(None);
    }
    let now = clock::now();
    let revision = shelf.next_revision(now);
    let out = shelf.candidate();
    let report = {
        let out = out.clone();
        tokio::task::spawn_blocking(move || {
            breakwater_advisories::build(joined.input(&records, &out), revision, now)
        })
        .await??
    };
    say_built(&report);
    let shrunk = shelf.newest().map(|newest| shrunk(&newest.path, &report)).unwrap_or_default();
    if !shrunk.is_empty() && !arguments.force {
        shelf.reject(&fingerprint)?;
        warn!(
            ecosystems = shrunk.join("; "),
            "refused an index that shrank by more than {MAX_SHRINK} %; the old one stays. If this is right, run once with --force"
        );
        return Ok(None);
    }
    Ok(Some(shelf.accept(revision, &fingerprint)?))
}

fn say_built(report: &BuildReport) {
    info!(
        revision = report.revision,
        records = report.records,
        bytes = report.bytes,
        withdrawn = report.skipped.withdrawn,
        malformed = report.skipped.malformed,
        "built"
    );
    if report.skipped.malformed > 0 {
        warn!(
            examples = report.skipped.malformed_names.join("; "),
            "records that are no OSV records were left out"
        );
    }
}

/// SIGTERM and SIGINT.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
