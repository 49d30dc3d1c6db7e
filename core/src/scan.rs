//! The words between the operator and its scan Jobs: the question, what the Job offers, what it reports.
//!
//! A scan pod reads hostile bytes, so intake takes nothing on trust: manifests travel as bytes and are hashed by the receiver, and only
//! what those bytes name may be posted afterwards.

mod listing;
mod version;

use serde::{Deserialize, Serialize};

pub use listing::{Listing, MAX_REPOSITORIES, MAX_TAGS, RepositoryFailure, RepositoryQuestion};
pub use version::newest_first;

use crate::{Digest, ImageReference, Inventory, Platform};

/// The audience of the token a scan pod presents to intake; it is good for nothing else.
pub const INTAKE_AUDIENCE: &str = "breakwater-intake";
/// The largest manifest or index accepted, in bytes (distribution-spec recommends 4 MiB).
pub const MAX_MANIFEST: usize = 4 << 20;
/// The most images one Job is asked about.
pub const MAX_IMAGES: usize = 500;
/// The most pods that share one Job's images.
pub const MAX_SHARDS: u32 = 8;
/// The largest listing, in bytes of JSON: it lies in one annotation, beside a word about every image (256 KiB in all).
pub const MAX_LISTING: usize = 64 << 10;

/// The most mirrors of one registry.
pub const MAX_MIRRORS: usize = 8;

/// Where a scan pod finds what it is given. Nothing is in its arguments; the question alone, which holds no secret, is in its environment.
pub mod pod {
    /// Environment variable: the [`Question`](super::Question) as JSON.
    pub const QUESTION: &str = "BREAKWATER_QUESTION";
    /// The projected token for intake. The kubelet renews it: read it for each request.
    pub const TOKEN_FILE: &str = "/var/run/breakwater/token/token";
    /// PEM: the authority that signs intake's certificate.
    pub const CA_FILE: &str = "/var/run/breakwater/ca/ca.crt";
    /// A docker `config.json` with at most the one registry's entry. Absent: anonymous.
    pub const CREDENTIALS_FILE: &str = "/var/run/breakwater/registry/config.json";
    /// PEM: further authorities to trust for the registry. Absent: the usual ones alone.
    pub const REGISTRY_CA_FILE: &str = "/var/run/breakwater/registry/ca.crt";
}

/// `POST`: a Job that was asked about repositories says which images it found. Before any offer.
pub const LISTING_PATH: &str = "/v1/listing";
/// `POST`: a Job that was asked about repositories says what a tag names now; if all of that is known, nothing needs to be fetched.
pub const TAG_PATH: &str = "/v1/tag";
/// `POST`: a Job offers the manifest bytes it fetched; the answer says which inventories are wanted.
pub const OFFER_PATH: &str = "/v1/offer";
/// `POST`, body zstd-compressed JSON: an inventory.
pub const INVENTORY_PATH: &str = "/v1/inventory";
/// `POST`: how the scan of one image ended. The last word about it.
pub const OUTCOME_PATH: &str = "/v1/outcome";

/// What a Job is asked. Frozen into the Job when it is made; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// UID of the ScanJob that asks.
    pub scan_job: String,
    /// Empty if there are `repositories`: their images are the Job's to find.
    pub images: Vec<ImageReference>,
    /// At most [`MAX_REPOSITORIES`], all of one registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryQuestion>,
    /// The most images of `repositories` that are scanned, at most [`MAX_IMAGES`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_images: u32,
    /// How many pods share the images of `repositories`, each taking its block of the list; 1 to [`MAX_SHARDS`].
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: u32,
    /// Platforms to scan; an image without one of them reports that.
    pub platforms: Vec<Platform>,
    pub registry: RegistryAccess,
    /// Hosts that serve the registry's content, asked first, in this order. At most [`MAX_MIRRORS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// Base URL of intake.
    pub intake: String,
    /// Seconds for the whole Job.
    pub timeout_seconds: u32,
}

impl Question {
    /// Host and port of the one registry that is asked.
    #[must_use]
    pub fn registry_host(&self) -> &str {
        let image = self.images.first().map(|image| &image.registry);
        image
            .or_else(|| self.repositories.first().map(|repository| &repository.registry))
            .map_or("", |host| host)
    }

    /// An image of the one registry, for whoever knows credentials by image.
    #[must_use]
    pub fn example(&self) -> Option<ImageReference> {
        self.images.first().cloned().or_else(|| self.repositories.first().map(RepositoryQuestion::reference))
    }

    /// The pods that share its images.
    #[must_use]
    pub fn shards(&self) -> u32 {
        if self.repositories.is_empty() { 1 } else { self.shards.clamp(1, MAX_SHARDS) }
    }

    /// The block of `images` that pod `index` reads. The list has each repository's images together, so that those that share layers
    /// mostly come to one pod.
    #[must_use]
    pub fn block<'a>(&self, images: &'a [ImageReference], index: u32) -> &'a [ImageReference] {
        let shards = usize::try_from(self.shards()).unwrap_or(1);
        let size = images.len().div_ceil(shards).max(1);
        let mut blocks = images.chunks(size);
        usize::try_from(index).ok().and_then(|index| blocks.nth(index)).unwrap_or_default()
    }

    /// How many images of its repositories may be listed.
    #[must_use]
    pub fn image_bound(&self) -> usize {
        usize::try_from(self.max_images).unwrap_or(MAX_IMAGES).min(MAX_IMAGES)
    }
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde's `skip_serializing_if` asks for")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde's `skip_serializing_if` asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How the one registry of a question may be spoken to. Comes from the operator's configuration, never from a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryAccess {
    /// Plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// Private and loopback addresses are refused unless the operator's configuration allows them for this host.
    #[serde(default)]
    pub allow_private_addresses: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Hosts reached without the proxy, as `NO_PROXY` has them: names, domains, addresses, CIDR ranges, divided by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
    /// `host[:port]` of token endpoints that get the registry's credentials although they are of another domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_hosts: Vec<String>,
}

/// A host that serves a registry's content, and how it may be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// `host[:port]`.
    pub host: String,
    pub access: RegistryAccess,
}

/// Manifest bytes as fetched, base64 in JSON. `index` is absent when the reference names a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offer {
    pub image: ImageReference,
    #[serde(default, with = "base64_option", skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u8>>,
    /// Indexes that it lists, and those list, each after the one that names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<OfferedIndex>,
    /// The manifest of each wanted platform that the image has.
    pub manifests: Vec<OfferedManifest>,
    /// Wanted platforms that the image does not have.
    #[serde(default)]
    pub absent: Vec<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferedIndex {
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferedManifest {
    pub platform: Platform,
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// The answer to an offer: digests of manifests whose inventory is wanted, and those of which a current one is there already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferAnswer {
    pub needed: Vec<Digest>,
    pub current: Vec<Digest>,
    /// Other pods of the Job are reading these. If there are any, the offer does not count: make it again later.
    #[serde(default)]
    pub pending: Vec<Digest>,
}

/// What a tag names now, as the registry says without giving the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag {
    pub image: ImageReference,
    /// Of the index or manifest.
    pub digest: Digest,
}

/// The answer to a tag: whether every wanted platform's inventory is there already. Then that is the image's outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagAnswer {
    pub current: bool,
}

/// A posted inventory and the reference it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostedInventory {
    pub image: ImageReference,
    pub inventory: Inventory,
}

/// How the scan of one image ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    pub image: ImageReference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ScanFailure>,
}

/// Why an image could not be scanned, in words a person understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanFailure {
    pub stage: ScanStage,
    pub reason: FailureReason,
    /// One line, at most 512 characters: which host, repository, digest or layer, and what to do.
    pub message: String,
    /// The registry's own `Retry-After`, in seconds, at most one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScanStage {
    Resolve,
    Pull,
    Analyse,
    Report,
}

/// The reason shown in `status.conditions[].reason`, `status.failures[].reason` and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// The registry's host name has no address.
    HostUnknown,
    /// No connection, or it broke off.
    ConnectionFailed,
    /// The registry's certificate is not trusted.
    TlsFailed,
    /// The address is loopback, link-local or private, and the operator's configuration does not allow it for this host.
    AddressRefused,
    /// 401: credentials are missing or wrong.
    Unauthorized,
    /// The registry wants its credentials to be sent to a host of another domain.
    CredentialsWithheld,
    /// 403.
    Forbidden,
    /// 404: no such repository, tag or digest.
    NotFound,
    /// No tag of the repositories is wanted.
    NothingSelected,
    /// 429.
    RateLimited,
    /// 5xx.
    RegistryUnavailable,
    /// The answer is no registry's: HTML, or not the JSON that was asked for.
    NotARegistry,
    /// Slower than the lowest rate accepted, or past the deadline.
    TimedOut,
    /// A body larger than its bound.
    TooLarge,
    /// The bytes do not have the digest they were asked by.
    DigestMismatch,
    /// A manifest that does not follow its specification.
    ManifestInvalid,
    /// A media type that is not read (Docker schema 1, foreign layers, unknown compression).
    UnsupportedMediaType,
    /// None of the wanted platforms.
    PlatformMissing,
    /// An artifact, not a container image: a Helm chart, an SBOM, a signature.
    NotAnImage,
    /// A layer that does not inflate, or whose tar breaks off.
    LayerCorrupt,
    /// The Job ended without a word: killed, out of memory, past its deadline.
    ScannerDied,
    /// Intake refused what the Job reported.
    Refused,
    /// Intake did not answer: the operator was away for longer than the Job could wait.
    IntakeUnreachable,
    /// A credential file that cannot be used.
    CredentialsInvalid,
}

impl FailureReason {
    /// Whether trying again, without anybody doing anything, may end better.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::HostUnknown
                | Self::ConnectionFailed
                | Self::RateLimited
                | Self::RegistryUnavailable
                | Self::TimedOut
                | Self::ScannerDied
                | Self::IntakeUnreachable
        )
    }
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

mod base64_option {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Bytes(#[serde(with = "super::base64_bytes")] Vec<u8>);

    #[allow(clippy::ref_option, reason = "the signature serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => super::base64_bytes::serialize(bytes, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Bytes>::deserialize(from)?.map(|Bytes(bytes)| bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_in_one_block() {
        let repository = RepositoryQuestion {
            registry: "registry.test".into(),
            name: "app".into(),
            include: vec![],
            exclude: vec![],
            versions: None,
            newest: None,
        };
        let mut question = Question {
            scan_job: "uid".into(),
            images: vec![],
            repositories: vec![repository],
            max_images: 0,
            shards: 1,
            platforms: vec![],
            registry: RegistryAccess::default(),
            mirrors: vec![],
            intake: String::new(),
            timeout_seconds: 60,
        };
        for (count, shards) in [(0, 3), (1, 3), (7, 3), (8, 4), (500, 8), (3, 100), (5, 0)] {
            question.shards = shards;
            let images: Vec<ImageReference> =
                (0..count).map(|n| format!("registry.test/app:{n}").parse().unwrap()).collect();
            let blocks: Vec<ImageReference> =
                (0..question.shards()).flat_map(|index| question.block(&images, index).to_vec()).collect();
            assert_eq!(blocks, images, "{count} in {shards}");
            assert_eq!(question.block(&images, question.shards()), [], "there is no further pod");
        }
        question.repositories.clear();
        assert_eq!(question.shards(), 1, "one image is one scan");
    }
}
