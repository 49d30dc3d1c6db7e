//! From repositories to images: which tags there are, which of them are wanted, and which of those there is room for.

use breakwater_core::{
    ImageReference,
    scan::{Listing, MAX_IMAGES, MAX_LISTING, Question, RepositoryFailure, RepositoryQuestion, ScanFailure},
};
use serde::Serialize;

use crate::{
    ScanError,
    registry::{Connection, RegistryError},
};

/// Bytes of a listing's JSON besides its images and failures.
const FRAME: usize = 80;

/// The wanted tags of a repository, newest first, or why they are not known.
pub(super) type Tags = Result<Vec<String>, ScanFailure>;

/// Asks the registry, unless every tag is written out in the question.
pub(super) async fn tags(
    repository: &RepositoryQuestion,
    connection: &Result<Connection, RegistryError>,
) -> Tags {
    let failure = |error: RegistryError| ScanError::resolving(error).failure();
    let connection = connection.as_ref().map_err(|error| failure(error.clone()))?;
    let tags = match repository.named() {
        Some(tags) => tags,
        None => {
            let opened = connection.repository(&repository.reference()).map_err(failure)?;
            opened.tags().await.map_err(failure)?
        }
    };
    Ok(repository.select(tags))
}

/// What there is room for: the newest of each repository, then the second of each, and so on, so that none keeps others out.
pub(super) fn listing(question: &Question, tags: Vec<Tags>) -> Listing {
    let mut wanted: Vec<(usize, usize, ImageReference)> = Vec::new();
    let mut failures = Vec::new();
    for (position, (repository, tags)) in question.repositories.iter().zip(tags).enumerate() {
        match tags {
            Ok(tags) => wanted.extend(tags.into_iter().enumerate().map(|(rank, tag)| {
                (rank, position, ImageReference { tag: Some(tag), ..repository.reference() })
            })),
            Err(failure) => failures.push(RepositoryFailure { repository: position, failure }),
        }
    }
    wanted.sort_by_key(|(rank, position, _)| (*rank, *position));
    let found = wanted.len();
    let room = question.image_bound().min(MAX_IMAGES.saturating_sub(failures.len()));
    wanted.truncate(room);
    let mut bytes = size(&failures).saturating_add(FRAME);
    wanted.retain(|(_, _, image)| {
        bytes = bytes.saturating_add(size(image)).saturating_add(1);
        bytes <= MAX_LISTING
    });
    let left_out = u32::try_from(found.saturating_sub(wanted.len())).unwrap_or(u32::MAX);
    // One repository's images together: what is learned of the first serves the next.
    wanted.sort_by_key(|(rank, position, _)| (*position, *rank));
    Listing { images: wanted.into_iter().map(|(_, _, image)| image).collect(), failures, left_out }
}

/// Bytes of JSON.
fn size(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
mod tests {
    use breakwater_core::{
        Platform,
        scan::{FailureReason, RegistryAccess, ScanStage},
    };

    use super::*;

    fn question(repositories: &[&str], max_images: u32) -> Question {
        let repository = |name: &&str| RepositoryQuestion {
            registry: "registry.test".into(),
            name: (*name).into(),
            include: vec![],
            exclude: vec![],
            versions: None,
            newest: None,
        };
        Question {
            scan_job: "uid".into(),
            images: vec![],
            repositories: repositories.iter().map(repository).collect(),
            max_images,
            shards: 1,
            platforms: vec![Platform::linux("amd64")],
            registry: RegistryAccess::default(),
            mirrors: Vec::new(),
            intake: String::new(),
            timeout_seconds: 60,
        }
    }

    #[test]
    fn no_repository_keeps_others_out() {
        let missing = ScanFailure {
            stage: ScanStage::Resolve,
            reason: FailureReason::NotFound,
            message: "m".into(),
            retry_after_seconds: None,
        };
        let tags = |tags: &[&str]| Ok(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let all = vec![tags(&["4", "3", "2", "1"]), Err(missing.clone()), tags(&["1"])];
        let listing = listing(&question(&["large", "missing", "small"], 3), all);
        let images: Vec<String> = listing.images.iter().map(ToString::to_string).collect();
        assert_eq!(images, ["registry.test/large:4", "registry.test/large:3", "registry.test/small:1"]);
        assert_eq!(listing.left_out, 2);
        assert_eq!(listing.failures, [RepositoryFailure { repository: 1, failure: missing }]);
    }

    #[test]
    fn a_listing_fits_its_annotation() {
        let long = "x".repeat(120);
        let tags = (0..500).map(|n| format!("{n}-{long}")).collect();
        let listing = listing(&question(&["app"], 500), vec![Ok(tags)]);
        assert!(size(&listing) <= MAX_LISTING && size(&listing) > MAX_LISTING * 9 / 10);
        assert_eq!(listing.images.len() + listing.left_out as usize, 500);
    }
}
