//! OCI image layouts (image-spec, "OCI Image Layout Specification"), as a directory or in one tar file.

use breakwater_core::{Digest, printable};

use super::{Pick, SourceError};
use crate::image::manifest::{Document, IndexEntry, parse};

/// What stands behind the picked entry of a layout's `index.json`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Picked {
    /// This manifest or index.
    Digest(Digest),
    /// The index itself: its entries are one image's platforms.
    Index,
}

/// Which of the images that `index.json` lists is meant.
///
/// # Errors
/// [`SourceError::NoSuchImage`] and [`SourceError::SeveralImages`], which list those it has; [`SourceError::Invalid`].
pub(super) fn pick(index: &[u8], pick: &Pick) -> Result<Picked, SourceError> {
    let invalid = |why: String| SourceError::Invalid { what: "index.json".into(), why };
    let entries = match parse(index, None).map_err(|error| invalid(error.to_string()))? {
        Document::Index(entries) => entries,
        Document::Manifest(_) => return Err(invalid("it is a manifest".into())),
    };
    let name = match pick {
        Pick::Digest(digest) => return Ok(Picked::Digest(digest.clone())),
        Pick::Name(name) => Some(name),
        Pick::Only => None,
    };
    let has = || entries.iter().take(10).map(shown).collect::<Vec<_>>().join(", ");
    let chosen: Vec<&IndexEntry> =
        entries.iter().filter(|entry| name.is_none() || entry.name.as_ref() == name).collect();
    match (chosen.as_slice(), name) {
        ([], None) => Err(invalid("it lists no image".into())),
        ([], Some(name)) => Err(SourceError::NoSuchImage { wanted: printable::line(name, 120), has: has() }),
        ([only], _) => Ok(Picked::Digest(only.digest.clone())),
        ([first, rest @ ..], _) => {
            // Platforms of one image may be listed side by side.
            let is_one = entries.len() == chosen.len()
                && rest.iter().all(|entry| entry.name == first.name)
                && chosen.iter().all(|entry| entry.platform.is_some());
            if is_one { Ok(Picked::Index) } else { Err(SourceError::SeveralImages(has())) }
        }
    }
}

fn shown(entry: &IndexEntry) -> String {
    match &entry.name {
        Some(name) => printable::line(name, 120),
        None => format!("@{}", entry.digest),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(name: Option<&str>, platform: Option<&str>) -> Value {
        let digest = Digest::of(format!("{name:?}{platform:?}").as_bytes());
        let mut entry =
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1});
        if let Some(name) = name {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        if let Some(architecture) = platform {
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
        }
        entry
    }

    fn index(entries: &[Value]) -> Vec<u8> {
        json!({"schemaVersion": 2, "manifests": entries}).to_string().into_bytes()
    }

    fn named(name: &str) -> Pick {
        Pick::Name(name.to_owned())
    }

    #[test]
    fn images_are_picked_by_name_digest_or_because_there_is_but_one() {
        let two = index(&[entry(Some("1"), None), entry(Some("2"), None)]);
        let digest = Digest::of(b"Some(\"2\")None");
        assert_eq!(pick(&two, &named("2")), Ok(Picked::Digest(digest.clone())));
        assert_eq!(pick(&two, &Pick::Digest(digest.clone())), Ok(Picked::Digest(digest)));
        let one = index(&[entry(None, None)]);
        assert_eq!(pick(&one, &Pick::Only), Ok(Picked::Digest(Digest::of(b"NoneNone"))));
        let platforms = index(&[entry(Some("1"), Some("amd64")), entry(Some("1"), Some("arm64"))]);
        assert_eq!(pick(&platforms, &Pick::Only), Ok(Picked::Index));
        assert_eq!(pick(&platforms, &named("1")), Ok(Picked::Index));
    }

    #[test]
    fn what_is_not_told_lists_what_there_is() {
        let two = index(&[entry(Some("1"), None), entry(Some("2\u{1b}"), None)]);
        let several = pick(&two, &Pick::Only).unwrap_err();
        assert_eq!(several, SourceError::SeveralImages("1, 2\u{fffd}".into()));
        let missing = pick(&two, &named("3")).unwrap_err();
        assert!(missing.to_string().contains("no image 3; it has 1, 2"), "{missing}");
        for bad in [&b""[..], b"[]", &index(&[])] {
            assert!(matches!(pick(bad, &Pick::Only), Err(SourceError::Invalid { .. })));
        }
    }
}
