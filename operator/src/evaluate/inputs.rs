//! The images of a workload, each with what is known of it. Pure.

use std::sync::Arc;

use breakwater_core::{
    Digest, ImageReference, Platform,
    policy::{ImageFacts, ImageUnderTest},
    workload::{Container, ContainerKind, ImageIdentity, Workload},
};

/// An image as a node or a template names it, on a platform.
pub type ImageOnPlatform = (ImageIdentity, Platform);

/// Resolves a tag for a namespace, on a platform.
pub(super) type TagOf<'a> = dyn Fn(&str, &ImageReference, &Platform) -> Option<Digest> + Send + Sync + 'a;

/// Returns the images of a workload: what its pods run, in containers of the template and beside them, and for containers of which
/// none runs what the template asks for, on each of `platforms`. `tag_of` resolves a tag for a namespace.
pub fn images_under_test<'a>(
    workload: &'a Workload,
    platforms: &[Platform],
    facts_of: impl Fn(&ImageOnPlatform) -> ImageFacts,
    tag_of: impl Fn(&str, &ImageReference, &Platform) -> Option<Digest>,
) -> Vec<(ImageUnderTest<'a>, Option<ImageOnPlatform>)> {
    let mut images = Vec::new();
    for container in workload.containers.iter().chain(&workload.injected) {
        let running = workload
            .running
            .iter()
            .filter(|image| container.kind != ContainerKind::Volume && image.container == container.name);
        let before = images.len();
        for image in running {
            let named = (image.identity.clone(), image.platform.clone());
            images.push(under_test(container, &image.image, Some(named), &facts_of));
        }
        if images.len() == before {
            for platform in platforms {
                let digest = |image: &ImageReference| tag_of(&workload.id.namespace, image, platform);
                let named = asked_for(&container.image, platform, digest);
                images.push(under_test(container, &container.image, named, &facts_of));
            }
            if platforms.is_empty() {
                images.push(under_test(container, &container.image, None, &facts_of));
            }
        }
    }
    images
}

/// Returns the image that a template asks for: the digest that it pins, or what its tag was last found to stand for.
pub fn asked_for(
    image: &str,
    platform: &Platform,
    tag_of: impl Fn(&ImageReference) -> Option<Digest>,
) -> Option<ImageOnPlatform> {
    let reference: ImageReference = image.parse().ok()?;
    let digest = reference.digest.clone().or_else(|| tag_of(&reference))?;
    Some((ImageIdentity::Pullable { repository: reference.name(), digest }, platform.clone()))
}

fn under_test<'a>(
    container: &'a Container,
    image: &str,
    named: Option<ImageOnPlatform>,
    facts_of: &impl Fn(&ImageOnPlatform) -> ImageFacts,
) -> (ImageUnderTest<'a>, Option<ImageOnPlatform>) {
    let image = ImageUnderTest {
        container: Some(container),
        image: image.to_owned(),
        reference: image.parse().ok(),
        reported: named.as_ref().and_then(|(identity, _)| identity.digest().cloned()),
        facts: named.as_ref().map_or(ImageFacts::NeverScanned, facts_of),
    };
    (image, named)
}

/// Reports whether two facts are the same, without comparing findings: matched images are replaced, never changed.
pub(super) fn is_same(a: &ImageFacts, b: &ImageFacts) -> bool {
    match (a, b) {
        (ImageFacts::Scanned(a), ImageFacts::Scanned(b)) => Arc::ptr_eq(a, b),
        (ImageFacts::Scanned(_), _) | (_, ImageFacts::Scanned(_)) => false,
        (a, b) => a == b,
    }
}
