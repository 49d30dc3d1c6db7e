//! Manifests and indexes (OCI image-spec 1.1; Docker image manifest v2, schema 2).

use std::collections::BTreeMap;

use breakwater_core::{Digest, Platform, inventory::BaseImage, printable, scan::MAX_MANIFEST};
use serde::Deserialize;

use super::base;
use crate::limits::{MAX_INDEX_ENTRIES, MAX_LAYERS};

/// What is asked for, as an `Accept` header. Docker's schema 1 is not: it was withdrawn, and its layers cannot be told by digest.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const LAYERS: [&str; 5] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];
/// Docker also wrote zstd layers under its own name.
const DOCKER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
const LAYER_FAMILIES: [&str; 2] =
    ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    Index(Vec<IndexEntry>),
    Manifest(Manifest),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    pub digest: Digest,
    /// Absent where the index does not tell, or names none that we can spell (attestations are `unknown/unknown`).
    pub platform: Option<Platform>,
    pub is_manifest: bool,
    /// The name given to it in a layout directory (`org.opencontainers.image.ref.name`).
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub config: Digest,
    /// Bottom first.
    pub layers: Vec<LayerDescriptor>,
    /// The base that its annotations state.
    pub base: Option<BaseImage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerDescriptor {
    pub digest: Digest,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the document that the specification describes.
    #[error("the manifest is not valid: {0}")]
    Invalid(String),
    /// An image in a form that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// Something else that registries keep.
    #[error("this is no container image but {0}")]
    NotAnImage(String),
    /// Not JSON at all.
    #[error("what came is no manifest but a web page")]
    WebPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// Reads a manifest or index. The document's own `mediaType` counts before the transport's; a document that could be either is refused
/// (CVE-2021-41190).
///
/// # Errors
/// [`ManifestError`].
pub fn parse(bytes: &[u8], transport_type: Option<&str>) -> Result<Document, ManifestError> {
    if bytes.len() > MAX_MANIFEST {
        return Err(ManifestError::Invalid(format!("it is larger than {MAX_MANIFEST} bytes")));
    }
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(ManifestError::WebPage);
    }
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    let media_type = raw.media_type.as_deref().or(transport_type).unwrap_or_default().to_owned();
    if raw.schema_version == 1 || raw.fs_layers.is_some() || media_type.contains("distribution.manifest.v1+")
    {
        return Err(ManifestError::Unsupported(
            "the image is in Docker's schema 1, which is not read: push it again with a current tool".into(),
        ));
    }
    if raw.schema_version != 2 {
        return Err(invalid("its schemaVersion is not 2"));
    }
    match (raw.manifests, raw.layers) {
        (Some(_), Some(_)) => Err(invalid("it lists both layers and manifests")),
        (Some(manifests), None) if !MANIFESTS.contains(&media_type.as_str()) => index(manifests),
        (None, Some(layers)) if !INDEXES.contains(&media_type.as_str()) => {
            let base = raw.annotations.as_ref().and_then(base::stated);
            manifest(raw.config, layers, raw.artifact_type.as_deref(), base)
        }
        (None, None) => {
            Err(ManifestError::NotAnImage(kind(raw.artifact_type.as_deref().unwrap_or(&media_type))))
        }
        _ => Err(invalid("its media type is not what it contains")),
    }
}

fn index(entries: Vec<Descriptor>) -> Result<Document, ManifestError> {
    if entries.len() > MAX_INDEX_ENTRIES {
        return Err(invalid(&format!("it lists more than {MAX_INDEX_ENTRIES} manifests")));
    }
    let entry = |entry: Descriptor| {
        let name = entry
            .annotations
            .as_ref()
            .and_then(|notes| notes.get("org.opencontainers.image.ref.name"))
            .cloned();
        Ok(IndexEntry {
            digest: digest(&entry.digest)?,
            platform: entry.platform.and_then(platform),
            is_manifest: !INDEXES.contains(&entry.media_type.as_str()),
            name,
        })
    };
    Ok(Document::Index(entries.into_iter().map(entry).collect::<Result<_, _>>()?))
}

fn platform(raw: RawPlatform) -> Option<Platform> {
    let variant = raw.variant.filter(|variant| !variant.is_empty());
    [Some(raw.os), Some(raw.architecture), variant]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("/")
        .parse()
        .ok()
}

fn manifest(
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    artifact_type: Option<&str>,
    base: Option<BaseImage>,
) -> Result<Document, ManifestError> {
    let config = config.ok_or_else(|| invalid("it names no configuration"))?;
    if !CONFIGS.contains(&config.media_type.as_str()) {
        return Err(ManifestError::NotAnImage(kind(artifact_type.unwrap_or(&config.media_type))));
    }
    if layers.is_empty() {
        return Err(invalid("it has no layers: there is nothing to run and nothing to read"));
    }
    if layers.len() > MAX_LAYERS {
        return Err(invalid(&format!("it lists more than {MAX_LAYERS} layers")));
    }
    let layers = layers.into_iter().map(layer).collect::<Result<_, _>>()?;
    Ok(Document::Manifest(Manifest { config: digest(&config.digest)?, layers, base }))
}

fn layer(layer: Descriptor) -> Result<LayerDescriptor, ManifestError> {
    let media_type = layer.media_type.as_str();
    if !LAYERS.contains(&media_type) && media_type != DOCKER_ZSTD {
        let shown = printable::line(media_type, 100);
        return Err(if media_type.contains("nondistributable") || media_type.contains("foreign") {
            ManifestError::Unsupported(format!(
                "a layer is kept elsewhere ({shown}) and is not read: push the image with all its layers"
            ))
        } else if media_type.ends_with("+encrypted") {
            ManifestError::Unsupported(format!("a layer is encrypted ({shown}): scan the image before it is"))
        } else if LAYER_FAMILIES.iter().any(|family| media_type.starts_with(family)) {
            ManifestError::Unsupported(format!("layers of the type {shown} are not read"))
        } else {
            ManifestError::NotAnImage(kind(media_type))
        });
    }
    Ok(LayerDescriptor { digest: digest(&layer.digest)?, size: layer.size })
}

/// A media type in words.
fn kind(media_type: &str) -> String {
    let known = [
        ("helm", "a Helm chart"),
        ("spdx", "an SBOM"),
        ("cyclonedx", "an SBOM"),
        ("syft", "an SBOM"),
        ("cosign", "a signature"),
        ("notary", "a signature"),
        ("sigstore", "a signature"),
        ("in-toto", "an attestation"),
        ("wasm", "a WebAssembly module"),
    ];
    let shown = printable::line(media_type, 100);
    match known.iter().find(|(word, _)| media_type.contains(word)) {
        Some((_, words)) => format!("{words} ({shown})"),
        None if shown.is_empty() => "an artifact of no stated type".into(),
        None => format!("an artifact of the type {shown}"),
    }
}

fn digest(text: &str) -> Result<Digest, ManifestError> {
    text.parse().map_err(|error: breakwater_core::digest::InvalidDigest| invalid(&error.to_string()))
}

fn invalid(why: &str) -> ManifestError {
    ManifestError::Invalid(printable::line(why, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":5}}"#, Digest::of(b"x"))
    }

    fn of(config: &str, layer: &str) -> Result<Document, ManifestError> {
        let json = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            descriptor(config),
            descriptor(layer)
        );
        parse(json.as_bytes(), None)
    }

    #[test]
    fn images_are_read_in_both_dialects() {
        for config in CONFIGS {
            for layer in LAYERS {
                assert!(
                    matches!(of(config, layer), Ok(Document::Manifest(Manifest { layers, .. })) if layers.len() == 1)
                );
            }
        }
    }

    #[test]
    fn what_is_no_image_says_what_it_is() {
        let helm = of(
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        );
        assert!(matches!(helm, Err(ManifestError::NotAnImage(what)) if what.starts_with("a Helm chart")));
        let signature = of(CONFIGS[0], "application/vnd.dev.cosign.simplesigning.v1+json");
        assert!(matches!(signature, Err(ManifestError::NotAnImage(what)) if what.starts_with("a signature")));
        let empty = format!(
            r#"{{"schemaVersion":2,"artifactType":"application/spdx+json","config":{},"layers":[]}}"#,
            descriptor("application/vnd.oci.empty.v1+json")
        );
        assert!(
            matches!(parse(empty.as_bytes(), None), Err(ManifestError::NotAnImage(what)) if what.starts_with("an SBOM"))
        );
    }

    #[test]
    fn unread_forms_are_named() {
        for layer in [
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.v1.tar+bzip2",
        ] {
            assert!(matches!(of(CONFIGS[0], layer), Err(ManifestError::Unsupported(_))), "{layer}");
        }
        let schema1 = br#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#;
        assert!(matches!(parse(schema1, None), Err(ManifestError::Unsupported(_))));
    }

    #[test]
    fn invalid_documents_are_refused() {
        let both = format!(
            r#"{{"schemaVersion":2,"config":{0},"layers":[{0}],"manifests":[{0}]}}"#,
            descriptor(CONFIGS[0])
        );
        let none = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, descriptor(CONFIGS[0]));
        for bad in ["", "[]", "null", r#"{"schemaVersion":3}"#, both.as_str(), none.as_str()] {
            assert!(matches!(parse(bad.as_bytes(), None), Err(ManifestError::Invalid(_))), "{bad}");
        }
        assert_eq!(parse(b"\n<!doctype html>", None), Err(ManifestError::WebPage));
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor(MANIFESTS[0]));
        assert!(parse(index.as_bytes(), Some(INDEXES[0])).is_ok());
        assert!(matches!(parse(index.as_bytes(), Some(MANIFESTS[0])), Err(ManifestError::Invalid(_))));
    }
}
