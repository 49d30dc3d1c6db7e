use std::{pin::pin, time::Duration};

use breakwater_core::{
    ImageReference,
    scan::{Listing, Offer, OfferedManifest, Outcome, PostedInventory, Question, ScanFailure},
};

use super::{Intake, IntakeError, list};
use crate::{
    ScanError, ScanOptions,
    image::{Progress, RegistryImage},
    registry::{Connection, RegistryError},
};

/// Seconds of the question's time that are kept for reporting.
const REPORTING_SECONDS: u64 = 10;

/// Answers the question: lists its repositories if there are any, then image after image; every image gets an outcome, failures and those for which no time was left included.
///
/// # Errors
/// [`IntakeError`] if an outcome could not be delivered.
pub async fn run(
    question: &Question,
    connection: &Result<Connection, RegistryError>,
    intake: &Intake,
) -> Result<(), IntakeError> {
    let seconds = u64::from(question.timeout_seconds);
    let seconds = seconds.saturating_sub(REPORTING_SECONDS.min(seconds / 2)).max(1);
    let mut deadline = pin!(tokio::time::sleep(Duration::from_secs(seconds)));
    let mut listing = Listing { images: question.images.clone(), ..Listing::default() };
    if !question.repositories.is_empty() {
        let mut tags = Vec::new();
        for repository in &question.repositories {
            tags.push(tokio::select! {
                biased;
                () = &mut deadline => Err(ScanError::TimedOut { seconds }.failure()),
                tags = list::tags(repository, connection) => tags,
            });
        }
        listing = list::listing(question, tags);
        for failed in &listing.failures {
            tracing::warn!(repository = failed.repository, reason = ?failed.failure.reason, message = failed.failure.message, "not listed");
        }
        tracing::info!(images = listing.images.len(), left_out = listing.left_out, "listed");
        intake.listing(&listing).await?;
    }
    for image in &listing.images {
        let answered = tokio::select! {
            biased;
            () = &mut deadline => Err(ScanError::TimedOut { seconds }.failure()),
            answered = answer(question, connection, intake, image) => answered,
        };
        let failure = answered.err();
        match &failure {
            None => tracing::info!(%image, "scanned"),
            Some(failure) => {
                tracing::warn!(%image, reason = ?failure.reason, stage = ?failure.stage, message = failure.message, "not scanned");
            }
        }
        intake.outcome(&Outcome { image: image.clone(), failure }).await?;
    }
    Ok(())
}

/// Resolve, offer, and post the inventories that are wanted.
async fn answer(
    question: &Question,
    connection: &Result<Connection, RegistryError>,
    intake: &Intake,
    image: &ImageReference,
) -> Result<(), ScanFailure> {
    let connection = connection.as_ref().map_err(|error| ScanError::resolving(error.clone()).failure())?;
    let opened = RegistryImage::open(connection, image).map_err(|error| error.failure())?;
    let resolved = opened.resolve(&question.platforms).await.map_err(|error| error.failure())?;
    let manifests = resolved.manifests.iter();
    let offer = Offer {
        image: image.clone(),
        index: resolved.index.clone(),
        manifests: manifests
            .map(|manifest| OfferedManifest {
                platform: manifest.platform.clone(),
                bytes: manifest.bytes.clone(),
            })
            .collect(),
        absent: resolved.absent.clone(),
    };
    let wanted = intake.offer(&offer).await.map_err(|error| error.failure())?;
    drop(offer);
    if resolved.manifests.is_empty() {
        return Err(ScanError::PlatformMissing { wanted: question.platforms.clone() }.failure());
    }
    for manifest in resolved.manifests.iter().filter(|manifest| wanted.needed.contains(&manifest.digest)) {
        let progress = |progress: Progress| tracing::info!(%image, ?progress, "analysing");
        let analysed = opened.analyse(manifest, ScanOptions::default(), &progress).await;
        let inventory = analysed.map_err(|error| error.failure())?;
        let posted = PostedInventory { image: image.clone(), inventory };
        intake.inventory(&posted).await.map_err(|error| error.failure())?;
    }
    Ok(())
}
