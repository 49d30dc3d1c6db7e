//! A list of images is believed as far as it stays within the question: these repositories, these tags, not more than asked for.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    ImageReference, printable,
    scan::{Listing, MAX_IMAGES, MAX_LISTING, Question, RepositoryQuestion},
};

use super::Refusal;

/// The longest message kept of a repository that could not be listed, in characters: all lie in one annotation.
const MAX_MESSAGE: usize = 256;
/// The longest `Retry-After` believed: one day.
const MAX_RETRY_AFTER: u32 = 86_400;

/// The listing as it is recorded: within the question, bounded and printable.
///
/// # Errors
/// [`Refusal::NotAsked`] for an image that the question does not select, [`Refusal::TooLarge`] above [`MAX_LISTING`] bytes as JSON,
/// [`Refusal::Malformed`] for more than was asked for, or anything twice.
pub fn accept(question: &Question, mut listing: Listing) -> Result<Listing, Refusal> {
    if question.repositories.is_empty() {
        return Err(Refusal::NotAsked("repositories".into()));
    }
    let failed: BTreeSet<usize> = listing.failures.iter().map(|failure| failure.repository).collect();
    if failed.len() != listing.failures.len()
        || failed.last().is_some_and(|last| *last >= question.repositories.len())
    {
        return Err(Refusal::Malformed(
            "a repository failed that was not asked about, or failed twice".into(),
        ));
    }
    let room = question.image_bound().min(MAX_IMAGES.saturating_sub(failed.len()));
    if listing.images.len() > room {
        return Err(Refusal::Malformed(format!(
            "{} images are listed; {room} are the most",
            listing.images.len()
        )));
    }
    let distinct: BTreeSet<&ImageReference> = listing.images.iter().collect();
    if distinct.len() != listing.images.len() {
        return Err(Refusal::Malformed("an image is listed twice".into()));
    }
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for image in &listing.images {
        let asked = question.repositories.iter().enumerate();
        // A repository may be asked about twice, with other tags.
        let asked = asked
            .filter(|(position, repository)| !failed.contains(position) && selects(repository, image))
            .find(|(position, repository)| {
                counts.get(position).copied().unwrap_or_default() < repository.newest()
            });
        let (position, _) = asked.ok_or_else(|| Refusal::NotAsked(image.to_string()))?;
        let count = counts.entry(position).or_default();
        *count = count.saturating_add(1);
    }
    for failure in listing.failures.iter_mut().map(|failed| &mut failed.failure) {
        failure.message = printable::line(&failure.message, MAX_MESSAGE);
        failure.retry_after_seconds = failure.retry_after_seconds.map(|seconds| seconds.min(MAX_RETRY_AFTER));
    }
    let size = serde_json::to_vec(&listing).map_err(|e| Refusal::Malformed(e.to_string()))?.len();
    if size > MAX_LISTING {
        return Err(Refusal::TooLarge(MAX_LISTING));
    }
    Ok(listing)
}

fn selects(repository: &RepositoryQuestion, image: &ImageReference) -> bool {
    image.registry == repository.registry
        && image.repository == repository.name
        && image.digest.is_none()
        && image.tag.as_deref().is_some_and(|tag| repository.selects(tag))
}

#[cfg(test)]
mod tests {
    use breakwater_core::scan::{FailureReason, RepositoryFailure, ScanFailure, ScanStage};

    use super::*;
    use crate::intake::fixtures;

    fn listed(images: &[&str], failed: &[usize]) -> Result<Listing, &'static str> {
        let failure = |repository: &usize| RepositoryFailure {
            repository: *repository,
            failure: ScanFailure {
                stage: ScanStage::Resolve,
                reason: FailureReason::NotFound,
                message: "\x1b".repeat(1_000),
                retry_after_seconds: Some(u32::MAX),
            },
        };
        let listing = Listing {
            images: images.iter().map(|image| image.parse().unwrap()).collect(),
            failures: failed.iter().map(failure).collect(),
            left_out: 0,
        };
        accept(&fixtures::registry_question(), listing).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn what_was_asked_is_taken() {
        let taken = listed(&["registry.test:5000/app:2.0", "registry.test:5000/app:1.0"], &[1]).unwrap();
        assert_eq!(taken.images.len(), 2);
        let failure = &taken.failures[0].failure;
        assert_eq!(failure.retry_after_seconds, Some(86_400));
        assert!(failure.message.chars().count() <= 256 && !failure.message.contains('\x1b'));
        assert_eq!(listed(&[], &[]).unwrap(), Listing::default());
    }

    #[test]
    fn what_was_not_asked_is_refused() {
        let other = "registry.test:5000/other:1.0";
        let digest = format!("registry.test:5000/app:1.0@sha256:{}", "a".repeat(64));
        for (images, failed, reason) in [
            (vec!["elsewhere.test/app:1.0"], vec![], "NotAsked"),
            (vec!["registry.test:5000/secret:1.0"], vec![], "NotAsked"),
            (vec!["registry.test:5000/app:1.0.sig"], vec![], "NotAsked"),
            (vec![digest.as_str()], vec![], "NotAsked"),
            // The fixture wants the two newest of the first repository, and three images in all.
            (
                vec!["registry.test:5000/app:1", "registry.test:5000/app:2", "registry.test:5000/app:3"],
                vec![],
                "NotAsked",
            ),
            (
                vec![
                    other,
                    "registry.test:5000/other:2",
                    "registry.test:5000/other:3",
                    "registry.test:5000/other:4",
                ],
                vec![],
                "Malformed",
            ),
            (vec![other, other], vec![], "Malformed"),
            (vec![other], vec![1], "NotAsked"),
            (vec![], vec![1, 1], "Malformed"),
            (vec![], vec![2], "Malformed"),
        ] {
            assert_eq!(listed(&images, &failed), Err(reason), "{images:?} {failed:?}");
        }
        let mut wide = fixtures::registry_question();
        wide.repositories[1].newest = None;
        wide.max_images = 500;
        let long = |n: usize| format!("registry.test:5000/other:{n}-{}", "x".repeat(120)).parse().unwrap();
        let listing = Listing { images: (0..500).map(long).collect(), ..Listing::default() };
        assert_eq!(
            accept(&wide, listing).unwrap_err().reason(),
            "TooLarge",
            "it must fit the Job's annotations"
        );
        let about_an_image = accept(&fixtures::question(), Listing::default());
        assert_eq!(about_an_image.unwrap_err().reason(), "NotAsked");
    }
}
