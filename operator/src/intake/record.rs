//! What intake remembers of a Job, and where: annotations of the Job itself, two per image, so that any replica can go on, a restart
//! forgets nothing, and the controller, which watches Jobs anyway, hears of an outcome at once.

use breakwater_core::{Digest, ImageReference, Platform, scan::ScanFailure};
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
