//! An offer is believed as far as its bytes go: they are hashed here, and what they name is what may be posted.

use breakwater_core::{
    Digest, ImageReference,
    scan::{MAX_MANIFEST, Offer, Question},
};

use super::{
    Refusal,
    manifest::{Index, Manifest},
    record::{Offered, OfferedManifest},
};
use crate::store::Resolution;

/// The most indexes within an index: each is looked for among all that the others list. Scan pods stop much earlier.
const MAX_NESTED: usize = 100;

/// An offer whose bytes are what they claim to be.
#[derive(Debug, PartialEq)]
pub struct Accepted {
    pub offered: Offered,
    /// What the index resolves to, all its platforms.
    pub resolution: Option<(Digest, Resolution)>,
}

/// What an offer comes to that a Job makes which was asked `question` and is asked about `images`.
///
/// # Errors
/// [`Refusal::NotAsked`] for another image, [`Refusal::DigestMismatch`] for bytes that are not those that were asked for or that the
/// index names, [`Refusal::TooLarge`] and [`Refusal::Malformed`] for all that is out of bounds or cannot be read.
pub fn accept(question: &Question, images: &[ImageReference], offer: &Offer) -> Result<Accepted, Refusal> {
    is_asked(images, &offer.image)?;
    // Each manifest and each absence answers for a platform of its own, and each is recorded.
    if offer.manifests.len().saturating_add(offer.absent.len()) > question.platforms.len() {
        return Err(Refusal::Malformed("more manifests and absences than platforms were asked for".into()));
    }
    if offer.nested.len() > MAX_NESTED {
        return Err(Refusal::Malformed(format!("more than {MAX_NESTED} indexes within the index")));
    }
    let indexes = offer.index.iter().chain(offer.nested.iter().map(|nested| &nested.bytes));
    let bodies = offer.manifests.iter().map(|manifest| &manifest.bytes).chain(indexes);
    if bodies.into_iter().any(|bytes| bytes.len() > MAX_MANIFEST) {
        return Err(Refusal::TooLarge(MAX_MANIFEST));
    }
    if offer.absent.iter().any(|platform| !question.platforms.contains(platform)) {
        return Err(Refusal::Malformed("a platform is called absent that was not asked for".into()));
    }
    let mut index = offer
        .index
        .as_deref()
        .map(|bytes| Ok::<_, Refusal>((Digest::of(bytes), Index::parse(bytes)?)))
        .transpose()?;
    for nested in &offer.nested {
        let (_, index) = index.as_mut().ok_or_else(|| Refusal::Malformed("an index within none".into()))?;
        index.absorb(&nested.bytes)?;
    }
    if index.is_none() && offer.manifests.len() > 1 {
        return Err(Refusal::Malformed("several manifests and no index that names them".into()));
    }
    let mut manifests: Vec<OfferedManifest> = Vec::new();
    for manifest in &offer.manifests {
        let platform = &manifest.platform;
        let wanted = question.platforms.iter().any(|wanted| platform.satisfies(wanted));
        if !wanted || manifests.iter().any(|known| known.platform == *platform) {
            return Err(Refusal::Malformed(format!("{platform} was not asked for, or is offered twice")));
        }
        let digest = Digest::of(&manifest.bytes);
        if let Some((_, index)) = index.as_ref().filter(|(_, index)| !index.names(&digest)) {
            let named: Vec<String> =
                index.manifests.iter().take(8).map(|(_, digest)| digest.short()).collect();
            return Err(Refusal::DigestMismatch { expected: named.join(" or "), actual: digest.to_string() });
        }
        let config = Manifest::parse(&manifest.bytes)?.config;
        manifests.push(OfferedManifest { platform: platform.clone(), digest, config });
    }
    let top = index.as_ref().map(|(digest, _)| digest).or_else(|| manifests.first().map(|m| &m.digest));
    is_what_was_asked(&offer.image, top)?;
    let mut resolution = Resolution::default();
    for (platform, digest) in index.iter().flat_map(|(_, index)| &index.manifests) {
        resolution.add(platform, digest);
    }
    let index = index.map(|(digest, _)| digest);
    Ok(Accepted {
        resolution: index.clone().map(|digest| (digest, resolution)),
        offered: Offered { index, manifests, absent: offer.absent.clone() },
    })
}

pub(super) fn is_asked(images: &[ImageReference], image: &ImageReference) -> Result<(), Refusal> {
    images.contains(image).then_some(()).ok_or_else(|| Refusal::NotAsked(image.to_string()))
}

/// A reference with a digest is answered by the bytes with this digest.
fn is_what_was_asked(image: &ImageReference, top: Option<&Digest>) -> Result<(), Refusal> {
    match (&image.digest, top) {
        (Some(expected), Some(actual)) if expected != actual => {
            Err(Refusal::DigestMismatch { expected: expected.to_string(), actual: actual.to_string() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::{Platform, scan::OfferedIndex};

    use super::*;
    use crate::intake::{
        access::Asked,
        fixtures::{self, config_of, index_of, manifest},
    };

    fn accept(asked: &Asked, offer: &Offer) -> Result<Accepted, Refusal> {
        super::accept(&asked.question, &asked.images, offer)
    }

    fn reason(asked: &Asked, offer: &Offer) -> &'static str {
        accept(asked, offer).unwrap_err().reason()
    }

    #[test]
    fn what_the_bytes_name_may_be_posted() {
        let asked = fixtures::asked();
        let bytes = manifest("app");
        let accepted = accept(&asked, &fixtures::offer(&bytes)).unwrap();
        let amd64 = Platform::linux("amd64");
        let only =
            OfferedManifest { platform: amd64.clone(), digest: Digest::of(&bytes), config: config_of("app") };
        assert_eq!(accepted.offered.manifests, [only]);
        assert_eq!(accepted.resolution, None);

        let other = Digest::of(b"for arm");
        let index = index_of(&[(&amd64, &Digest::of(&bytes)), (&Platform::linux("arm64"), &other)]);
        let offer = Offer { index: Some(index.clone()), ..fixtures::offer(&bytes) };
        let (digest, resolution) = accept(&asked, &offer).unwrap().resolution.unwrap();
        assert_eq!(digest, Digest::of(&index));
        assert_eq!(resolution.manifest(&Platform::linux("arm64")), Some(&other));
    }

    #[test]
    fn only_what_was_asked() {
        let bytes = manifest("app");
        let asked = fixtures::asked();
        let foreign = Offer { image: "registry.test/other:1".parse().unwrap(), ..fixtures::offer(&bytes) };
        assert_eq!(reason(&asked, &foreign), "NotAsked");
        let mut another_platform = fixtures::offer(&bytes);
        another_platform.manifests[0].platform = Platform::linux("s390x");
        assert_eq!(reason(&asked, &another_platform), "Malformed");
        let absent = Offer { absent: vec![Platform::linux("s390x")], ..fixtures::offer(&bytes) };
        assert_eq!(reason(&asked, &absent), "Malformed");
        let again_and_again =
            Offer { absent: vec![Platform::linux("arm64"); 1_000], ..fixtures::offer(&bytes) };
        assert_eq!(reason(&asked, &again_and_again), "Malformed");
    }

    #[test]
    fn bytes_must_have_the_digest_they_were_asked_by() {
        let bytes = manifest("app");
        let mut asked = fixtures::asked();
        let pinned = asked.images[0].at(Digest::of(&bytes));
        asked.images = vec![pinned.clone()];
        let offer = Offer { image: pinned.clone(), ..fixtures::offer(&bytes) };
        assert!(accept(&asked, &offer).is_ok());
        let forged = Offer { image: pinned, ..fixtures::offer(&manifest("evil")) };
        assert_eq!(reason(&asked, &forged), "DigestMismatch");
    }

    #[test]
    fn a_manifest_that_the_index_does_not_name_is_refused() {
        let bytes = manifest("app");
        let index = index_of(&[(&Platform::linux("amd64"), &Digest::of(b"another"))]);
        let offer = Offer { index: Some(index), ..fixtures::offer(&bytes) };
        assert_eq!(reason(&fixtures::asked(), &offer), "DigestMismatch");
    }

    #[test]
    fn bytes_that_are_no_manifest_or_too_many_are_refused() {
        let asked = fixtures::asked();
        let within = index_of(&[]);
        let index = index_of(&[(&Platform::linux("s390x"), &Digest::of(&within))]);
        let crowd = |count| Offer {
            index: Some(index.clone()),
            nested: vec![OfferedIndex { bytes: within.clone() }; count],
            manifests: vec![],
            ..fixtures::offer(b"")
        };
        assert!(accept(&asked, &crowd(MAX_NESTED)).is_ok());
        assert_eq!(reason(&asked, &crowd(MAX_NESTED + 1)), "Malformed");
        assert_eq!(reason(&asked, &fixtures::offer(b"<html>")), "Malformed");
        assert_eq!(reason(&asked, &fixtures::offer(&vec![b' '; MAX_MANIFEST + 1])), "TooLarge");
        let mut twice = fixtures::offer(&manifest("app"));
        twice.absent.clear();
        twice.manifests.push(twice.manifests[0].clone());
        assert_eq!(reason(&asked, &twice), "Malformed");
    }
}
