//! Which base an image was built from: as its builder says, or told by its lowest layers.

use std::collections::BTreeMap;

use breakwater_core::{
    Digest,
    inventory::{BaseImage, MAX_BASE_NAME},
    printable,
};

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";

/// The base that annotations of a manifest or labels of an image state (OCI image-spec, "Pre-Defined Annotation Keys").
#[must_use]
pub fn stated(notes: &BTreeMap<String, String>) -> Option<BaseImage> {
    let name = notes.get(NAME).map(|name| printable::line(name, MAX_BASE_NAME)).unwrap_or_default();
    let digest: Option<Digest> = notes.get(DIGEST).and_then(|digest| digest.parse().ok());
    (!name.is_empty() || digest.is_some()).then_some(BaseImage { name, digest, layers: 0 })
}

/// Of `known` images, the position of the one with the most layers whose layers are all the lowest of `layers`. All are diff ids,
/// bottom first. Images without layers are nobody's base.
#[must_use]
pub fn base_by_layers(layers: &[Digest], known: &[(&str, &[Digest])]) -> Option<usize> {
    let is_base = |of: &[Digest]| !of.is_empty() && layers.starts_with(of);
    let bases = known.iter().enumerate().filter(|(_, (_, of))| is_base(of));
    // Of several that are equal the first counts.
    let longest = bases.reduce(|best, next| if next.1.1.len() > best.1.1.len() { next } else { best });
    longest.map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_state_the_base() {
        let notes = |pairs: &[(&str, &str)]| {
            stated(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        let digest = Digest::of(b"base");
        let base = notes(&[(NAME, "r.test/base:1\u{1b}"), (DIGEST, &digest.to_string())]).unwrap();
        assert_eq!(base, BaseImage { name: "r.test/base:1\u{fffd}".into(), digest: Some(digest), layers: 0 });
        assert_eq!(notes(&[(DIGEST, "md5:1")]), None);
        assert_eq!(notes(&[]), None);
    }

    #[test]
    fn the_longest_known_prefix_is_the_base() {
        let ids: Vec<Digest> = (0..5_u8).map(|n| Digest::of(&[n])).collect();
        let other = [ids[0].clone(), ids[4].clone()];
        let known: [(&str, &[Digest]); 5] =
            [("none", &[]), ("one", &ids[..1]), ("three", &ids[..3]), ("same", &ids[..3]), ("other", &other)];
        assert_eq!(base_by_layers(&ids[..4], &known), Some(2));
        assert_eq!(base_by_layers(&ids[..2], &known), Some(1));
        assert_eq!(base_by_layers(&ids[1..], &known), None);
        assert_eq!(base_by_layers(&[], &known), None);
    }
}
