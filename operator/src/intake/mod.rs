//! Intake: where scan Jobs deliver. HTTPS, one bounded request at a time, nothing taken on trust.
//!
//! Who may say what is decided by the caller's token alone: token → pod → Job → ScanJob → question ([`access`]). What is said is
//! checked against the question, and then against the manifest bytes that the same Job offered before ([`offer`], [`posted`]).

mod access;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod listing;
mod manifest;
pub mod offer;
pub mod outcome;
pub mod posted;
pub mod record;
mod refusal;
mod server;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, header::AUTHORIZATION},
    routing::post,
};
use breakwater_core::{
    Digest, Inventory, Platform,
    inventory::{MAX_INVENTORY, SCHEMA_VERSION},
    scan::{
        INTAKE_AUDIENCE, INVENTORY_PATH, LISTING_PATH, Listing, MAX_LISTING, MAX_MANIFEST, OFFER_PATH,
        OUTCOME_PATH, Offer, OfferAnswer, Outcome, TAG_PATH, Tag, TagAnswer,
    },
};
use breakwater_crds::{ScanJob, scanjob::ScanTarget};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    batch::v1::Job,
    core::v1::Pod,
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde::Serialize;
use tokio::sync::Semaphore;

use access::Asked;
pub use record::{Ended, Offered, OfferedManifest, Scanned};
pub use refusal::Refusal;
pub use server::{ServeError, serve};

use crate::{
    context::Context,
    kube::apply::{FieldManager, apply_status},
    store::{Domain, Key, Resolution, Store, StoreError},
};

/// The largest offer: an index and three manifests of the largest size, in base64, and their frame. More platforms come with less.
const MAX_OFFER: usize = 4 * MAX_MANIFEST * 4 / 3 + (64 << 10);
/// The largest of the other messages: a listing, an outcome, a tag.
const MAX_WORD: usize = MAX_LISTING + (64 << 10);
/// Of two that change a Job at once one tries again, so often.
const MAX_CONFLICTS: usize = 16;
/// Bodies above a few kilobytes that are in memory at the same time.
const LARGE_BODIES: usize = 2;
/// The longest one request may take, waiting for its turn included.
const REQUEST: Duration = Duration::from_secs(60);

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    context: Context,
    store: Store,
    large_bodies: Arc<Semaphore>,
}

#[derive(Serialize)]
struct Target {
    target: ScanTarget,
}

/// The endpoints, for [`serve`] and for tests.
pub fn router(context: Context, store: Store) -> Router {
    let intake = Intake { context, store, large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)) };
    let offer =
        async |State(intake): State<Intake>, request| intake.answer("offer", intake.offer(request)).await;
    let inventory = async |State(intake): State<Intake>, request| {
        intake.answer("inventory", intake.inventory(request)).await
    };
    let outcome =
        async |State(intake): State<Intake>, request| intake.answer("outcome", intake.outcome(request)).await;
    let listing =
        async |State(intake): State<Intake>, request| intake.answer("listing", intake.listing(request)).await;
    let tag = async |State(intake): State<Intake>, request| intake.answer("tag", intake.tag(request)).await;
    Router::new()
        .route(TAG_PATH, post(tag))
        .route(LISTING_PATH, post(listing))
        .route(OFFER_PATH, post(offer))
        .route(INVENTORY_PATH, post(inventory))
        .route(OUTCOME_PATH, post(outcome))
        .with_state(intake)
}

impl Intake {
    async fn answer<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<Json<T>, Refusal>>,
    ) -> Result<Json<T>, Refusal> {
        let answer = tokio::time::timeout(REQUEST, work).await.unwrap_or(Err(Refusal::TimedOut));
        match &answer {
            Ok(_) => self.context.metrics.intake(what, "Accepted"),
            Err(refusal) => {
                self.context.metrics.intake(what, refusal.reason());
                tracing::warn!(what, reason = refusal.reason(), message = %refusal, "intake refused a report");
            }
        }
        answer
    }

    /// The images a Job found in its repositories: from now on it is asked about these. The first word stands, and is the answer.
    async fn listing(&self, request: Request<Body>) -> Result<Json<Listing>, Refusal> {
        let (asked, mut job) = self.authorise(request.headers()).await?;
        let listing: Listing = json(&body(request, MAX_WORD).await?)?;
        let listing = listing::accept(&asked.question, listing)?;
        for _ in 0..MAX_CONFLICTS {
            if let Some(said) = record::listing(&job) {
                return Ok(Json(said));
            }
            if self.annotate_unchanged(&job, record::listing_patch(&listing)).await? {
                tracing::info!(
                    job = asked.job,
                    images = listing.images.len(),
                    failures = listing.failures.len(),
                    "repositories were listed"
                );
                return Ok(Json(listing));
            }
            job = self.again(&asked).await?;
        }
        Err(Refusal::Busy)
    }

    /// What a tag names now. If all of it was scanned before for the namespace that asks, that is the image's outcome.
    async fn tag(&self, request: Request<Body>) -> Result<Json<TagAnswer>, Refusal> {
        let (asked, job) = self.authorise(request.headers()).await?;
        let Tag { image, digest } = json(&body(request, MAX_WORD).await?)?;
        // What a pod with one image says is everyone's fact: it shows the bytes.
        if asked.question.repositories.is_empty() {
            return Err(Refusal::NotAsked("tags".into()));
        }
        offer::is_asked(&asked.images, &image)?;
        if record::ended(&job, &image).is_some() {
            return Ok(Json(TagAnswer { current: true }));
        }
        let scanned = self.scanned_before(&asked, &digest).await?;
        let current = scanned.is_some();
        if current {
            let ended = Ended { at: self.context.clock.now(), scanned, failure: None };
            self.annotate(&asked, record::outcome_patch(&image, &ended)).await?;
        }
        Ok(Json(TagAnswer { current }))
    }

    /// What `digest` names, if the inventories of all its wanted platforms are current facts of the asking namespace's own. Nobody else's
    /// count: whoever says a digest has not shown that he may read what it names.
    async fn scanned_before(&self, asked: &Asked, digest: &Digest) -> Result<Option<Scanned>, Refusal> {
        let domain = Domain::namespace(&asked.namespace);
        let resolution = self.store.resolution(digest).await.unwrap_or_default();
        let (mut manifests, mut absent) = (Vec::new(), Vec::new());
        for platform in &asked.question.platforms {
            let manifest = match &resolution {
                Some(resolution) => resolution.manifest(platform),
                None => Some(digest),
            };
            let Some(manifest) = manifest else {
                if resolution.as_ref().is_some_and(Resolution::is_full) {
                    return Ok(None);
                }
                absent.push(platform.clone());
                continue;
            };
            let Some(inventory) = self.own_inventory(&domain, manifest).await? else { return Ok(None) };
            let of = &inventory.image.platform;
            // What no index offers is of one platform; what one offers may be of a lower variant, and is of no other architecture.
            if resolution.is_none() && !of.satisfies(platform) {
                absent.push(platform.clone());
            } else if !of.satisfies(&Platform { variant: None, ..platform.clone() }) {
                return Ok(None);
            } else if !manifests.contains(manifest) {
                manifests.push(manifest.clone());
            }
        }
        Ok((!manifests.is_empty()).then(|| Scanned { digest: digest.clone(), manifests, absent }))
    }

    /// The manifest bytes a Job fetched; answers which inventories are wanted.
    async fn offer(&self, request: Request<Body>) -> Result<Json<OfferAnswer>, Refusal> {
        let (asked, mut job) = self.authorise(request.headers()).await?;
        let _permit = self.large_bodies.acquire().await.map_err(|_| Refusal::Busy)?;
        let offer: Offer = json(&body(request, MAX_OFFER).await?)?;
        let accepted = offer::accept(&asked.question, &asked.images, &offer)?;
        if let Some((index, resolution)) = &accepted.resolution {
            let document = serde_json::to_vec(resolution).map_err(|e| Refusal::Malformed(e.to_string()))?;
            self.store.put(&Key::Resolution(index.clone()), &document).await?;
        }
        let domain = asked.domain(&accepted.offered);
        for _ in 0..MAX_CONFLICTS {
            let in_work = record::in_work(&job, &offer.image);
            let mut answer = OfferAnswer::default();
            for manifest in &accepted.offered.manifests {
                let digest = manifest.digest.clone();
                if self.current(&domain, &digest).await?.is_some() {
                    answer.current.push(digest);
                } else if in_work.contains(&digest) {
                    answer.pending.push(digest);
                } else {
                    answer.needed.push(digest);
                }
            }
            // Of two pods that offer one manifest at once, one sees the other's word. What has ended is in nobody's way again.
            if !answer.pending.is_empty()
                || record::ended(&job, &offer.image).is_some()
                || self.annotate_unchanged(&job, record::offer_patch(&offer.image, &accepted.offered)).await?
            {
                return Ok(Json(answer));
            }
            job = self.again(&asked).await?;
        }
        Err(Refusal::Busy)
    }

    /// An inventory of an offered manifest.
    async fn inventory(&self, request: Request<Body>) -> Result<Json<()>, Refusal> {
        let (asked, job) = self.authorise(request.headers()).await?;
        let _permit = self.large_bodies.acquire().await.map_err(|_| Refusal::Busy)?;
        let body = body(request, MAX_INVENTORY).await?;
        let accepted = tokio::task::spawn_blocking(move || {
            let posted = posted::read(&body)?;
            offer::is_asked(&asked.images, &posted.image)?;
            let offered = record::offered(&job, &posted.image);
            let offered = offered.ok_or_else(|| Refusal::NotOffered(posted.image.to_string()))?;
            let inventory = posted::accept(&offered, posted)?;
            let document = serde_json::to_vec(&inventory).map_err(|e| Refusal::Malformed(e.to_string()))?;
            Ok::<_, Refusal>((asked.domain(&offered), inventory.image, document))
        });
        let (domain, image, document) = accepted.await.map_err(|e| Refusal::Unavailable(e.to_string()))??;
        // The first inventory of a manifest stands until the scanner changes: no other Job can replace it.
        if self.current(&domain, &image.digest).await?.is_none() {
            self.store.put(&Key::Inventory(domain, image.digest.clone()), &document).await?;
        }
        self.resolve_config(&image).await?;
        Ok(Json(()))
    }

    /// How the scan of one image ended.
    async fn outcome(&self, request: Request<Body>) -> Result<Json<()>, Refusal> {
        let (asked, job) = self.authorise(request.headers()).await?;
        let outcome: Outcome = json(&body(request, MAX_WORD).await?)?;
        offer::is_asked(&asked.images, &outcome.image)?;
        if record::ended(&job, &outcome.image).is_some() {
            return Ok(Json(()));
        }
        let image = outcome.image.clone();
        let mut scanned = None;
        if outcome.failure.is_none() {
            let offered =
                record::offered(&job, &image).ok_or_else(|| Refusal::NotOffered(image.to_string()))?;
            let domain = asked.domain(&offered);
            let mut inventories = Vec::new();
            for manifest in &offered.manifests {
                let inventory = self.current(&domain, &manifest.digest).await?;
                inventories.push(inventory.ok_or_else(|| Refusal::NotPosted(manifest.digest.to_string()))?);
            }
            scanned = offered.scanned();
            // What a ScanJob about repositories found is in its status.images.
            if let [_] = asked.question.images.as_slice() {
                let target = outcome::target(&image, &offered, &inventories);
                let scan_job = self.scan_job(&asked).await?.ok_or(Refusal::ScanJobGone)?;
                apply_status(&self.context.client, FieldManager::Intake, &scan_job, &Target { target })
                    .await?;
            }
        }
        let ended = outcome::record(outcome, asked.images.len(), scanned, self.context.clock.now());
        self.annotate(&asked, record::outcome_patch(&image, &ended)).await?;
        tracing::info!(job = asked.job, %image, failure = ?ended.failure.map(|f| f.reason), "the scan of an image ended");
        Ok(Json(()))
    }

    /// The inventory of a manifest that is a fact in `domain`, if this version's scanner made it and it is whole. A damaged one is
    /// wanted again.
    async fn current(&self, domain: &Domain, manifest: &Digest) -> Result<Option<Inventory>, Refusal> {
        current(self.store.inventory(domain, manifest).await)
    }

    /// As [`Self::current`], of the domain alone.
    async fn own_inventory(&self, domain: &Domain, manifest: &Digest) -> Result<Option<Inventory>, Refusal> {
        current(self.store.own_inventory(domain, manifest).await)
    }

    /// Some nodes report a configuration's digest only: remember which manifest has it.
    async fn resolve_config(&self, image: &breakwater_core::inventory::ImageIdentity) -> Result<(), Refusal> {
        let mut resolution =
            self.store.resolution(&image.config_digest).await.unwrap_or_default().unwrap_or_default();
        if resolution.add(&image.platform, &image.digest) {
            let document = serde_json::to_vec(&resolution).map_err(|e| Refusal::Malformed(e.to_string()))?;
            self.store.put(&Key::Resolution(image.config_digest.clone()), &document).await?;
        }
        Ok(())
    }

    /// Records on the Job as it was seen; `false` if it has changed since.
    async fn annotate_unchanged(&self, job: &Job, mut patch: serde_json::Value) -> Result<bool, Refusal> {
        if let Some(metadata) = patch.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), job.metadata.resource_version.clone().into());
        }
        match self.patch(&job.name_any(), patch).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            patched => Ok(patched.map(|()| true)?),
        }
    }

    async fn again(&self, asked: &Asked) -> Result<Job, Refusal> {
        self.own::<Job>().get_opt(&asked.job).await?.ok_or(Refusal::JobUnknown)
    }

    async fn annotate(&self, asked: &Asked, patch: serde_json::Value) -> Result<(), Refusal> {
        Ok(self.patch(&asked.job, patch).await?)
    }

    async fn patch(&self, job: &str, patch: serde_json::Value) -> Result<(), kube::Error> {
        let manager = PatchParams {
            field_manager: Some(FieldManager::Intake.as_str().into()),
            ..PatchParams::default()
        };
        self.own::<Job>().patch_metadata(job, &manager, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// What the caller was asked, and the Job it runs in.
    async fn authorise(&self, headers: &HeaderMap) -> Result<(Asked, Job), Refusal> {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::TokenMissing)?;
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.into()),
                audiences: Some(vec![INTAKE_AUDIENCE.into()]),
            },
            ..TokenReview::default()
        };
        let review = Api::all(self.context.client.clone()).create(&PostParams::default(), &review).await?;
        let review = review.status.unwrap_or_default();
        let caller = access::caller(&review, &self.context.namespace, INTAKE_AUDIENCE)?;
        let pod = self.own::<Pod>().get_opt(&caller.pod).await?;
        let owner = access::owner(pod.as_ref(), &caller)?;
        let job = self.own::<Job>().get_opt(&owner.job).await?;
        let asked = access::asked(job.as_ref(), &owner)?;
        access::open(self.scan_job(&asked).await?.as_ref(), &asked)?;
        Ok((asked, job.unwrap_or_default()))
    }

    async fn scan_job(&self, asked: &Asked) -> Result<Option<ScanJob>, kube::Error> {
        Api::namespaced(self.context.client.clone(), &asked.namespace).get_opt(&asked.scan_job).await
    }

    fn own<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), &self.context.namespace)
    }
}

/// What is stored, if this version's scanner made it. A damaged one is wanted again.
fn current(stored: Result<Option<Inventory>, StoreError>) -> Result<Option<Inventory>, Refusal> {
    match stored {
        Ok(stored) => Ok(stored.filter(|inventory| {
            inventory.schema_version == SCHEMA_VERSION
                && inventory.scanner.version == env!("CARGO_PKG_VERSION")
        })),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn body(request: Request<Body>, limit: usize) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| Refusal::TooLarge(limit))
}

fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::unreadable("body", &error))
}
