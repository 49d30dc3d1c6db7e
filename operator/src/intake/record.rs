//! What intake remembers of a Job, and where: annotations of the Job itself, two per image
//! and one for what its repositories hold, so that any replica can go on, a restart
//! forgets nothing, and the controller, which watches Jobs anyway, hears of an outcome at once.

use breakwater_core::{
    Digest, ImageReference, Platform,
    scan::{Listing, Question, ScanFailure},
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What the manifests that a Job offered for one image name. Only this may be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// At most one per wanted platform.
    pub manifests: Vec<OfferedManifest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedManifest {
    pub platform: Platform,
    pub digest: Digest,
    pub config: Digest,
}

/// How the scan of one image ended, and when. The first word stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ScanFailure>,
}

/// On Jobs: the images that were found in the question's repositories.
const LISTING: &str = "listing.breakwater.dev/images";

/// What the Job found in the repositories it was asked about; `None` before it said so.
#[must_use]
pub(crate) fn listing(job: &Job) -> Option<Listing> {
    read(job, LISTING)
}

/// The images that the Job is asked about: the question's, or those it found.
#[must_use]
pub(crate) fn images(job: &Job, question: &Question) -> Vec<ImageReference> {
    if question.repositories.is_empty() {
        return question.images.clone();
    }
    listing(job).map(|listing| listing.images).unwrap_or_default()
}

/// The patch that records a listing: at most a hundred references and reasons.
pub(crate) fn listing_patch(listing: &Listing) -> Value {
    patch(LISTING.to_owned(), listing)
}

/// What the Job offered for `image`.
#[must_use]
pub(crate) fn offered(job: &Job, image: &ImageReference) -> Option<Offered> {
    read(job, &offer_key(image))
}

/// How the scan of `image` ended in this Job.
#[must_use]
pub(crate) fn ended(job: &Job, image: &ImageReference) -> Option<Ended> {
    read(job, &outcome_key(image))
}

/// The patch that records an offer: a few hundred bytes per platform.
pub(crate) fn offer_patch(image: &ImageReference, offered: &Offered) -> Value {
    patch(offer_key(image), offered)
}

/// The patch that records an outcome: its message has at most 512 characters.
pub(crate) fn outcome_patch(image: &ImageReference, ended: &Ended) -> Value {
    patch(outcome_key(image), ended)
}

fn patch(key: String, value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    json!({"metadata": {"annotations": {key: text}}})
}

fn read<T: DeserializeOwned>(job: &Job, key: &str) -> Option<T> {
    serde_json::from_str(job.annotations().get(key)?).ok()
}

fn offer_key(image: &ImageReference) -> String {
    format!("offer.breakwater.dev/{}", Digest::of(image.to_string().as_bytes()).short())
}

fn outcome_key(image: &ImageReference) -> String {
    format!("outcome.breakwater.dev/{}", Digest::of(image.to_string().as_bytes()).short())
}
