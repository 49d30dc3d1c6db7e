//! What `docker save` writes: `manifest.json` beside configurations and layers, under old names (`ID/layer.tar`) or as an OCI layout
//! (`blobs/sha256/…`, Docker 25 and newer).

use breakwater_core::{Digest, ImageReference, printable};
use serde::Deserialize;

use super::{Pick, SourceError};
use crate::limits::MAX_LAYERS;

/// One image of `manifest.json`. Its names are keys to the archive's entries, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SavedImage {
    pub config: String,
    #[serde(default, deserialize_with = "or_none")]
    pub repo_tags: Vec<String>,
    /// Bottom first.
    pub layers: Vec<String>,
}

fn or_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(from).map(Option::unwrap_or_default)
}

/// Reads `manifest.json`.
///
/// # Errors
/// [`SourceError::Invalid`]: not such a document, or an image of more than 127 layers.
pub fn parse(bytes: &[u8]) -> Result<Vec<SavedImage>, SourceError> {
    let invalid =
        |why: &str| SourceError::Invalid { what: "manifest.json".into(), why: printable::line(why, 160) };
    let images: Vec<SavedImage> =
        serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    if images.is_empty() {
        return Err(invalid("it lists no image"));
    }
    if images.iter().any(|image| image.layers.len() > MAX_LAYERS) {
        return Err(invalid(&format!("an image of more than {MAX_LAYERS} layers")));
    }
    Ok(images)
}

/// The image that is meant.
///
/// # Errors
/// [`SourceError::NoSuchImage`] and [`SourceError::SeveralImages`], which list those it has.
pub(super) fn pick(images: Vec<SavedImage>, pick: &Pick) -> Result<SavedImage, SourceError> {
    let has = images.iter().take(10).map(shown).collect::<Vec<_>>().join(", ");
    let count = images.len();
    let is_meant = |image: &SavedImage| match pick {
        Pick::Only => count == 1,
        Pick::Name(name) => image.repo_tags.iter().any(|tag| is_same(tag, name)),
        Pick::Digest(digest) => stated_digest(&image.config).as_ref() == Some(digest),
    };
    let wanted = pick.to_string();
    images.into_iter().find(is_meant).ok_or_else(|| match pick {
        Pick::Only => SourceError::SeveralImages(has),
        _ => {
            let wanted = printable::line(wanted.trim_start_matches([':', '@']), 120);
            SourceError::NoSuchImage { wanted, has }
        }
    })
}

/// `app` and `docker.io/library/app:latest` are one name.
fn is_same(tag: &str, name: &str) -> bool {
    let canonical = |text: &str| text.parse::<ImageReference>().ok();
    tag == name || canonical(tag).is_some_and(|tag| Some(tag) == canonical(name))
}

fn shown(image: &SavedImage) -> String {
    match image.repo_tags.first() {
        Some(tag) => printable::line(tag, 120),
        None => stated_digest(&image.config)
            .map_or_else(|| "one without name".into(), |digest| format!("@{digest}")),
    }
}

/// The digest that an entry's name states: `blobs/sha256/HEX`, `HEX.json`, `sha256:HEX`.
pub(super) fn stated_digest(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    format!("sha256:{}", hex.strip_suffix(".json").unwrap_or(hex)).parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn images(tags: &[&[&str]]) -> Vec<SavedImage> {
        let image = |(n, tags): (usize, &&[&str])| {
            json!({"Config": format!("{}.json", Digest::of(&[u8::try_from(n).unwrap()]).hex()),
                "RepoTags": if tags.is_empty() { serde_json::Value::Null } else { json!(tags) }, "Layers": []})
        };
        let document: Vec<_> = tags.iter().enumerate().map(image).collect();
        parse(json!(document).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn images_are_picked_by_any_spelling_of_their_name_or_by_their_id() {
        let two = images(&[&["app:1", "app:latest"], &[]]);
        for name in ["app:1", "app", "docker.io/library/app:latest"] {
            assert_eq!(pick(two.clone(), &Pick::Name(name.into())).unwrap(), two[0]);
        }
        assert_eq!(pick(two.clone(), &Pick::Digest(Digest::of(&[1]))).unwrap(), two[1]);
        let several = pick(two.clone(), &Pick::Only).unwrap_err().to_string();
        assert!(several.contains("app:1, @sha256:"), "{several}");
        let missing = pick(two, &Pick::Name("b\u{7}".into())).unwrap_err().to_string();
        assert!(missing.contains("no image b\u{fffd}; it has app:1"), "{missing}");
        assert_eq!(pick(images(&[&[]]), &Pick::Only).unwrap().repo_tags, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let tall = json!([{"Config": "c", "Layers": vec!["l"; MAX_LAYERS + 1]}]).to_string();
        for bad in ["", "{}", "[]", "[{}]", tall.as_str()] {
            assert!(matches!(parse(bad.as_bytes()), Err(SourceError::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn names_state_digests() {
        let digest = Digest::of(b"x");
        let hex = digest.hex();
        for name in
            [format!("{hex}.json"), format!("blobs/sha256/{hex}"), format!("sha256:{hex}"), hex.clone()]
        {
            assert_eq!(stated_digest(&name).as_ref(), Some(&digest), "{name}");
        }
        assert_eq!(stated_digest("config.json"), None);
        assert_eq!(stated_digest("../../etc/passwd"), None);
    }
}
