use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use breakwater_core::{
    ImageReference,
    scan::{
        Listing, Offer, OfferedIndex, OfferedManifest, Outcome, PostedInventory, Question, ScanFailure, Tag,
    },
};

use super::{Intake, IntakeError, list};
use crate::{
    ScanError, ScanOptions,
    image::{Progress, RegistryImage},
    layer::LayerCache,
    limits::PENDING_PAUSE,
    registry::{Connection, RegistryError},
};

/// Seconds of the question's time that are kept for reporting.
const REPORTING_SECONDS: u64 = 10;

/// How far an image is.
enum Answered {
    /// Its outcome is to be said.
    Scanned,
    /// What its tag names was known: that it is said already.
    Known,
    /// Another pod of the Job reads the same manifest.
    Pending,
}

/// Answers the question: lists its repositories if there are any, then image after image of this pod's block; every image gets an outcome, failures and those for which no time was left included.
///
/// # Errors
/// [`IntakeError`] if an outcome could not be delivered.
pub async fn run(
    question: &Question,
    index: u32,
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
        listing = intake.listing(&listing).await?;
        tracing::info!(images = listing.images.len(), left_out = listing.left_out, "listed");
    }
    let pod = Pod { question, connection, intake, cache: Arc::default() };
    let mut waiting: VecDeque<(&ImageReference, bool)> =
        question.block(&listing.images, index).iter().map(|image| (image, false)).collect();
    while let Some((image, again)) = waiting.pop_front() {
        let answered = tokio::select! {
            biased;
            () = &mut deadline => Err(ScanError::TimedOut { seconds }.failure()),
            answered = pod.answer(image, again) => answered,
        };
        let failure = match answered {
            Ok(Answered::Pending) => {
                waiting.push_back((image, true));
                continue;
            }
            Ok(Answered::Known) => {
                tracing::info!(%image, "known");
                continue;
            }
            Ok(Answered::Scanned) => {
                tracing::info!(%image, "scanned");
                None
            }
            Err(failure) => {
                tracing::warn!(%image, reason = ?failure.reason, stage = ?failure.stage, message = failure.message, "not scanned");
                Some(failure)
            }
        };
        intake.outcome(&Outcome { image: image.clone(), failure }).await?;
    }
    Ok(())
}

/// What one pod needs for all its images.
struct Pod<'a> {
    question: &'a Question,
    connection: &'a Result<Connection, RegistryError>,
    intake: &'a Intake,
    /// One Job is of one trust domain.
    cache: Arc<LayerCache>,
}

impl Pod<'_> {
    /// Ask what is known, resolve, offer, and post the inventories that are wanted. `again`: it was pending before.
    async fn answer(&self, image: &ImageReference, again: bool) -> Result<Answered, ScanFailure> {
        if again {
            tokio::time::sleep(PENDING_PAUSE).await;
        }
        let connection =
            self.connection.as_ref().map_err(|error| ScanError::resolving(error.clone()).failure())?;
        let opened = RegistryImage::open(connection, image).map_err(|error| error.failure())?;
        let opened = opened.sharing(&self.cache);
        if !self.question.repositories.is_empty() && self.is_known(&opened, image).await? {
            return Ok(Answered::Known);
        }
        let platforms = &self.question.platforms;
        let resolved = opened.resolve(platforms).await.map_err(|error| error.failure())?;
        let manifests = resolved.manifests.iter();
        let offer = Offer {
            image: image.clone(),
            index: resolved.index.clone(),
            nested: resolved.nested.iter().map(|bytes| OfferedIndex { bytes: bytes.clone() }).collect(),
            manifests: manifests
                .map(|manifest| OfferedManifest {
                    platform: manifest.platform.clone(),
                    bytes: manifest.bytes.clone(),
                })
                .collect(),
            absent: resolved.absent.clone(),
        };
        let wanted = self.intake.offer(&offer).await.map_err(|error| error.failure())?;
        drop(offer);
        if !wanted.pending.is_empty() {
            return Ok(Answered::Pending);
        }
        if resolved.manifests.is_empty() {
            return Err(ScanError::PlatformMissing { wanted: platforms.clone() }.failure());
        }
        for manifest in resolved.manifests.iter().filter(|manifest| wanted.needed.contains(&manifest.digest))
        {
            let progress = |progress: Progress| tracing::info!(%image, ?progress, "analysing");
            let analysed = opened.analyse(manifest, ScanOptions::default(), &progress).await;
            let inventory = analysed.map_err(|error| error.failure())?;
            let posted = PostedInventory { image: image.clone(), inventory };
            self.intake.inventory(&posted).await.map_err(|error| error.failure())?;
        }
        Ok(Answered::Scanned)
    }

    /// Whether what the tag names now was scanned before. A registry that does not say is read as if it was not: what it refuses here, it
    /// refuses there as well.
    async fn is_known(&self, opened: &RegistryImage, image: &ImageReference) -> Result<bool, ScanFailure> {
        let Ok(Some(digest)) = opened.current_digest().await else { return Ok(false) };
        let tag = Tag { image: image.clone(), digest };
        Ok(self.intake.tag(&tag).await.map_err(|error| error.failure())?.current)
    }
}
