//! The images of a workload, each with what is known of it. Pure.

use std::sync::Arc;

use breakwater_core::{
    Platform,
    policy::{ImageFacts, ImageUnderTest},
    workload::{Container, ContainerKind, ImageIdentity, Workload},
};

/// An image as a node or a template names it, on a platform.
pub type ImageOnPlatform = (ImageIdentity, Platform);

/// Returns the images of a workload: what its pods run, in containers of the template and beside them, and for containers of which
/// none runs what the template asks for, on each of `platforms`.
pub fn images_under_test<'a>(
    workload: &'a Workload,
    platforms: &[Platform],
    facts_of: impl Fn(&ImageOnPlatform) -> ImageFacts,
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
            let pinned = pinned(&container.image, platforms);
            if pinned.is_empty() {
                images.push(under_test(container, &container.image, None, &facts_of));
            }
            images.extend(
                pinned
                    .into_iter()
                    .map(|named| under_test(container, &container.image, Some(named), &facts_of)),
            );
        }
    }
    images
}

/// The image of a template that pins a digest, on each platform of the nodes.
fn pinned(image: &str, platforms: &[Platform]) -> Vec<ImageOnPlatform> {
    let Some((repository, digest)) = image.rsplit_once('@') else { return Vec::new() };
    let Ok(digest) = digest.parse() else { return Vec::new() };
    let identity = ImageIdentity::Pullable { repository: repository.to_owned(), digest };
    platforms.iter().map(|platform| (identity.clone(), platform.clone())).collect()
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
