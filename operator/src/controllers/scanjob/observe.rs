//! Everything a plan needs to know of one ScanJob. Caches first; the API server for what the spec names; the store for what was found.

use std::sync::Arc;

use breakwater_core::Digest;
use breakwater_crds::{
    ScanJob,
    scanjob::{ImageEntry, Trigger, VerdictEntry},
    validation::{Problems, Scan, ScanOf},
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::{batch::v1::Job, core::v1::Namespace};
use kube::{Api, ResourceExt as _};

use super::{
    Controller, ScanJobError,
    answer::{Manifest, Totals, together, totals},
    asking::{Asking, Failure, Hindrance, resolve, was_named},
    job,
    judgement::{self, Place},
    places::{attempts, trigger, waiting},
    stage::{ImageOutcome, Stage, requested, stage},
    status::image_entry,
};
use crate::{intake::record, store::Domain};

/// What is known of a ScanJob at one moment.
pub(super) struct Facts {
    pub(super) scan_job: Arc<ScanJob>,
    pub(super) trigger: Trigger,
    pub(super) now: DateTime<Utc>,
    pub(super) turn: Turn,
    /// All its Jobs.
    pub(super) jobs: Vec<Arc<Job>>,
}

/// Whose turn it is, and what that turn needs.
pub(super) enum Turn {
    Invalid(Problems),
    Finished,
    Suspended,
    /// It could start, but for this.
    Hindered(Hindrance),
    Queued,
    /// It has a place.
    Start {
        attempt: u32,
        name: String,
        asking: Asking,
    },
    Running {
        attempt: u32,
        job: String,
        ended: u32,
        images: Option<u32>,
        lacks: Option<(Arc<Job>, Asking)>,
    },
    BackOff {
        attempt: u32,
        until: DateTime<Utc>,
        failure: breakwater_core::scan::ScanFailure,
    },
    Answered {
        attempt: u32,
        outcomes: Vec<ImageOutcome>,
        found: Found,
    },
}

/// What an answered ScanJob's images contain.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) totals: Totals,
    pub(super) entries: Vec<ImageEntry>,
    /// Platforms asked for by name that an image does not have.
    pub(super) absent: Vec<String>,
    pub(super) one_image: bool,
    /// Wanted images of a registry beyond the bound.
    pub(super) left_out: u32,
    pub(super) verdicts: Vec<VerdictEntry>,
}

pub(super) async fn observe(controller: &Controller, scan_job: Arc<ScanJob>) -> Result<Facts, ScanJobError> {
    let context = &controller.context;
    let rules = controller.rules();
    let uid = scan_job.uid().unwrap_or_default();
    let jobs = controller.places.jobs_of(&uid);
    let starting = controller.places.is_starting(&uid, rules.instant);
    let max_attempts = attempts(&scan_job, rules.max_attempts);
    let at = stage(&scan_job, &jobs, starting, max_attempts, rules.now);
    let scan = scan_job.validate(&context.namespace);
    let turn = match (at, scan) {
        (Stage::Finished, _) => Turn::Finished,
        (_, Err(problems)) => Turn::Invalid(problems),
        (Stage::Suspended, Ok(_)) => Turn::Suspended,
        (Stage::BackOff { attempt, until, failure }, Ok(_)) => Turn::BackOff { attempt, until, failure },
        (Stage::Due { attempt }, Ok(scan)) => due(controller, &scan_job, &scan, attempt).await?,
        (Stage::Running { attempt, job, ended }, Ok(scan)) => {
            running(controller, &scan_job, &scan, &jobs, Stage::Running { attempt, job, ended }).await?
        }
        (Stage::Answered { attempt, job, outcomes }, Ok(scan)) => {
            let found = found(controller, &scan_job, job.as_deref(), &outcomes, &scan).await?;
            Turn::Answered { attempt, outcomes, found }
        }
    };
    let trigger = trigger(&scan_job, &context.namespace);
    Ok(Facts { trigger, now: rules.now, turn, jobs, scan_job })
}

async fn due(
    controller: &Controller,
    scan_job: &ScanJob,
    scan: &Scan,
    attempt: u32,
) -> Result<Turn, ScanJobError> {
    let (context, places) = (&controller.context, &controller.places);
    let uid = scan_job.uid().unwrap_or_default();
    let namespace = scan_job.namespace().unwrap_or_default();
    let asking = match resolve(context, &controller.workloads, &namespace, &uid, scan).await {
        Ok(asking) => asking,
        Err(Failure::Hindered(hindrance)) => {
            places.step_aside(&uid);
            return Ok(Turn::Hindered(hindrance));
        }
        Err(Failure::Api(error)) => {
            places.step_aside(&uid);
            return Err(error.into());
        }
    };
    let name = job::name(&uid, requested(scan_job).as_deref(), attempt);
    let registry = asking.question.registry_host().to_owned();
    let asks = waiting(scan_job, &context.namespace, registry);
    if places.take(&asks, &name, &controller.rules()) {
        Ok(Turn::Start { attempt, name, asking })
    } else {
        Ok(Turn::Queued)
    }
}

/// A Job whose Secret was not made, because the operator was killed in between, still lacks it.
async fn running(
    controller: &Controller,
    scan_job: &ScanJob,
    scan: &Scan,
    jobs: &[Arc<Job>],
    stage: Stage,
) -> Result<Turn, ScanJobError> {
    let Stage::Running { attempt, job, ended } = stage else { return Ok(Turn::Queued) };
    let ours = jobs.iter().find(|known| known.name_any() == job);
    let images = ours.and_then(|job| images_of(job));
    let said = scan_job.status.as_ref().and_then(|status| status.job_ref.as_ref());
    let mut lacks = None;
    if let Some(ours) = ours.filter(|ours| job::has_secret(ours) && said.is_none_or(|said| said.name != job))
    {
        let uid = scan_job.uid().unwrap_or_default();
        let namespace = scan_job.namespace().unwrap_or_default();
        if let Ok(asking) = resolve(&controller.context, &controller.workloads, &namespace, &uid, scan).await
        {
            lacks = Some((ours.clone(), asking));
        }
    }
    Ok(Turn::Running { attempt, job, ended, images, lacks })
}

/// How many images there are; `None` while repositories are being listed.
fn images_of(job: &Job) -> Option<u32> {
    let question = job::question(job)?;
    let count = if question.repositories.is_empty() {
        question.images.len()
    } else {
        let listing = record::listing(job)?;
        listing.images.len().saturating_add(listing.failures.len())
    };
    u32::try_from(count).ok()
}

/// Image by image, so that only one inventory is in memory at a time.
async fn found(
    controller: &Controller,
    scan_job: &ScanJob,
    job: Option<&Job>,
    outcomes: &[ImageOutcome],
    scan: &Scan,
) -> Result<Found, ScanJobError> {
    let Some(job) = job else { return Ok(Found::default()) };
    let Some(question) = job::question(job) else { return Ok(Found::default()) };
    let platforms = &question.platforms;
    let namespace = scan_job.namespace().unwrap_or_default();
    let mut found = Found { one_image: matches!(scan.of, ScanOf::Image(_)), ..Found::default() };
    found.left_out = record::listing(job).map_or(0, |listing| listing.left_out);
    let mut all = Vec::new();
    let place = place(controller, &namespace).await?;
    let policies = controller.policies.set();
    for outcome in outcomes {
        let mut manifests = Vec::new();
        if let Some(scanned) = &outcome.scanned {
            let domain = Domain::of(&question, scanned.manifests.len(), &namespace);
            for manifest in &scanned.manifests {
                manifests.push(manifest_of(controller, &domain, manifest).await?);
            }
        }
        let digest = outcome.scanned.as_ref().map(|scanned| scanned.digest.to_string());
        let totals = outcome.scanned.is_some().then(|| totals(&manifests));
        found.entries.push(image_entry(outcome, digest, totals.as_ref()));
        all.extend(totals);
        if outcome.scanned.is_some() {
            let images: Vec<_> = manifests.iter().map(|manifest| manifest.image.clone()).collect();
            found.verdicts.extend(judgement::verdicts(
                &policies,
                &place,
                &outcome.image,
                &images,
                controller.context.clock.now(),
            ));
        }
        if found.one_image {
            let named = platforms.iter().filter(|platform| was_named(scan, platform));
            let absent =
                named.filter(|p| outcome.scanned.as_ref().is_some_and(|scanned| scanned.absent.contains(p)));
            found.absent = absent.map(ToString::to_string).collect();
        }
    }
    found.totals = together(all);
    found.verdicts = judgement::together(std::mem::take(&mut found.verdicts));
    Ok(found)
}

/// The ScanJob's namespace with its labels: which policies speak about it.
async fn place(controller: &Controller, namespace: &str) -> Result<Place, ScanJobError> {
    let labels = Api::<Namespace>::all(controller.context.client.clone()).get_metadata_opt(namespace).await?;
    Ok(Place {
        namespace: namespace.to_owned(),
        labels: labels.and_then(|namespace| namespace.metadata.labels).unwrap_or_default(),
    })
}

async fn manifest_of(
    controller: &Controller,
    domain: &Domain,
    digest: &Digest,
) -> Result<Manifest, ScanJobError> {
    let missing = || ScanJobError::InventoryMissing { digest: digest.to_string() };
    let image = controller.images.load(domain, digest).await?.ok_or_else(missing)?;
    let inventory = controller.store.inventory(domain, digest).await?.ok_or_else(missing)?;
    Ok(Manifest { inventory: Arc::new(inventory), image })
}
