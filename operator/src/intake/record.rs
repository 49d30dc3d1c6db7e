//! What intake remembers of a Job, and where: annotations of the Job itself, one per image
//! and one for what its repositories hold, so that any replica can go on, a restart
//! forgets nothing, and the controller, which watches Jobs anyway, hears of an outcome at once.
//!
//! All annotations of an object have 256 KiB together. An offer is large and is there while its image is read; the outcome takes its
//! place, and is small enough for 500 images of three platforms.

use std::collections::BTreeSet;

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
    /// `None`: it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanned: Option<Scanned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ScanFailure>,
}

/// What an image turned out to be. Every manifest has its inventory in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// Of its index, or of its only manifest.
    #[serde(with = "compact")]
    pub digest: Digest,
    #[serde(with = "compact::list")]
    pub manifests: Vec<Digest>,
    /// Wanted platforms that it does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Platform>,
}

impl Offered {
    /// Its index, or its only manifest.
    #[must_use]
    pub fn top(&self) -> Option<&Digest> {
        self.index.as_ref().or_else(|| self.manifests.first().map(|manifest| &manifest.digest))
    }

    /// What it comes to when all its inventories are there.
    #[must_use]
    pub fn scanned(&self) -> Option<Scanned> {
        let manifests = self.manifests.iter().map(|manifest| manifest.digest.clone()).collect();
        Some(Scanned { digest: self.top()?.clone(), manifests, absent: self.absent.clone() })
    }
}

/// On Jobs: what is offered for an image.
const OFFER: &str = "offer.breakwater.dev/";
/// On Jobs: the images that were found in the question's repositories.
const LISTING: &str = "listing.breakwater.dev/images";

/// What the Job found in the repositories it was asked about; `None` before it said so.
#[must_use]
pub fn listing(job: &Job) -> Option<Listing> {
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

/// The patch that records a listing, at most [`breakwater_core::scan::MAX_LISTING`] bytes.
#[must_use]
pub fn listing_patch(listing: &Listing) -> Value {
    patch(LISTING.to_owned(), listing)
}

/// What the Job offered for `image`.
#[must_use]
pub fn offered(job: &Job, image: &ImageReference) -> Option<Offered> {
    read(job, &offer_key(image))
}

/// How the scan of `image` ended in this Job.
#[must_use]
pub fn ended(job: &Job, image: &ImageReference) -> Option<Ended> {
    read(job, &outcome_key(image))
}

/// The patch that records an offer: a few hundred bytes per platform.
#[must_use]
pub fn offer_patch(image: &ImageReference, offered: &Offered) -> Value {
    patch(offer_key(image), offered)
}

/// The patch that records an outcome in place of the offer.
#[must_use]
pub fn outcome_patch(image: &ImageReference, ended: &Ended) -> Value {
    let text = serde_json::to_string(ended).unwrap_or_default();
    json!({"metadata": {"annotations": {outcome_key(image): text, offer_key(image): null}}})
}

/// Manifests that other images of the Job are being read for.
#[must_use]
pub fn in_work(job: &Job, but: &ImageReference) -> BTreeSet<Digest> {
    let own = offer_key(but);
    let others = job.annotations().iter().filter(|(key, _)| key.starts_with(OFFER) && **key != own);
    let offered = others.filter_map(|(_, text)| serde_json::from_str::<Offered>(text).ok());
    offered.flat_map(|offered| offered.manifests).map(|manifest| manifest.digest).collect()
}

fn patch(key: String, value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    json!({"metadata": {"annotations": {key: text}}})
}

fn read<T: DeserializeOwned>(job: &Job, key: &str) -> Option<T> {
    serde_json::from_str(job.annotations().get(key)?).ok()
}

fn offer_key(image: &ImageReference) -> String {
    format!("{OFFER}{}", Digest::of(image.to_string().as_bytes()).short())
}

fn outcome_key(image: &ImageReference) -> String {
    format!("outcome.breakwater.dev/{}", Digest::of(image.to_string().as_bytes()).short())
}

mod compact {
    use breakwater_core::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&digest.compact())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        Digest::from_compact(&text).ok_or_else(|| D::Error::custom("no compact digest"))
    }

    pub(super) mod list {
        use breakwater_core::Digest;
        use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

        pub(in super::super) fn serialize<S: Serializer>(
            digests: &[Digest],
            to: S,
        ) -> Result<S::Ok, S::Error> {
            to.collect_seq(digests.iter().map(Digest::compact))
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Vec<Digest>, D::Error> {
            let read = |text: &String| Digest::from_compact(text);
            let texts = Vec::<String>::deserialize(from)?;
            texts.iter().map(read).collect::<Option<_>>().ok_or_else(|| D::Error::custom("no compact digest"))
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::scan::{FailureReason, MAX_IMAGES, MAX_LISTING, MAX_SHARDS, ScanStage};

    use super::*;

    /// The API server's bound of all annotations of an object together (apimachinery, `TotalAnnotationSizeLimitB`).
    const MAX_ANNOTATIONS: usize = 256 << 10;

    fn bytes(patch: &Value) -> usize {
        let all = patch["metadata"]["annotations"].as_object().unwrap();
        all.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
    }

    #[test]
    fn the_largest_scan_fits_the_annotations_of_its_job() {
        let digest = |n: usize| Digest::of(&n.to_le_bytes());
        let image: ImageReference = "registry.test/app:1".parse().unwrap();
        let platforms = crate::controllers::scanjob::MAX_PAIRS / MAX_IMAGES;
        let now = DateTime::from_timestamp(1_800_000_000, 999_999_999).unwrap();
        let scanned =
            Scanned { digest: digest(0), manifests: (0..platforms).map(digest).collect(), absent: vec![] };
        let good = Ended { at: now, scanned: Some(scanned), failure: None };
        let failure = ScanFailure {
            stage: ScanStage::Resolve,
            reason: FailureReason::CredentialsWithheld,
            message: "m".repeat(super::super::outcome::MAX_MESSAGE_OF_MANY),
            retry_after_seconds: Some(86_400),
        };
        let bad = Ended { at: now, scanned: None, failure: Some(failure) };
        let manifest = |n| OfferedManifest {
            platform: "linux/arm64/v8".parse().unwrap(),
            digest: digest(n),
            config: digest(n),
        };
        let offered = Offered {
            index: Some(digest(0)),
            manifests: (0..platforms).map(manifest).collect(),
            absent: vec![],
        };
        let outcome = bytes(&outcome_patch(&image, &good)).max(bytes(&outcome_patch(&image, &bad)));
        let in_flight = bytes(&offer_patch(&image, &offered)) * MAX_SHARDS as usize;
        let fixed = 1_000;
        let all = MAX_LISTING + outcome * MAX_IMAGES + in_flight + fixed;
        assert!(all < MAX_ANNOTATIONS, "{all}: {outcome} for each image, {in_flight} in flight");
    }

    #[test]
    fn an_outcome_reads_as_it_was_written() {
        let scanned = Scanned {
            digest: Digest::of(b"a"),
            manifests: vec![Digest::of(b"b"), Digest::of(b"c")],
            absent: vec![Platform::linux("s390x")],
        };
        let ended = Ended { at: DateTime::UNIX_EPOCH, scanned: Some(scanned), failure: None };
        let text = serde_json::to_string(&ended).unwrap();
        assert_eq!(serde_json::from_str::<Ended>(&text).unwrap(), ended);
        assert!(
            serde_json::from_str::<Ended>(&text.replacen("manifests\":[\"", "manifests\":[\"!", 1)).is_err()
        );
    }
}
