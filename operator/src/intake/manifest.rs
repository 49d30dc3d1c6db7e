//! The few fields of manifests that intake reads (OCI image-spec, "Image Manifest", "Image Index"; Docker's are the same in these).

use breakwater_core::{Digest, Platform};
use serde::Deserialize;

use super::Refusal;

/// The most layers and manifests one document may name.
const MAX_ENTRIES: usize = 1_000;

/// An image manifest: its configuration, and how large its layers are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) config: Digest,
}

/// An index: its entries that name a platform.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) manifests: Vec<(Platform, Digest)>,
    /// Everything that it lists, further indexes too.
    listed: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawManifest {
    config: RawDescriptor,
    layers: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawIndex {
    manifests: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
    #[serde(default)]
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let raw: RawManifest = json(bytes, "manifest")?;
        if raw.layers.len() > MAX_ENTRIES {
            return Err(Refusal::Malformed(format!("the manifest names more than {MAX_ENTRIES} layers")));
        }
        let config = raw
            .config
            .digest
            .parse()
            .map_err(|e| Refusal::Malformed(format!("the manifest's config: {e}")))?;
        Ok(Self { config })
    }
}

impl Index {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let raw: RawIndex = json(bytes, "index")?;
        if raw.manifests.len() > MAX_ENTRIES {
            return Err(Refusal::Malformed(format!("the index names more than {MAX_ENTRIES} manifests")));
        }
        let listed = raw.manifests.iter().filter_map(|raw| raw.digest.parse().ok()).collect();
        // Attestations and the like have no platform, or `unknown/unknown`: nobody runs them.
        let entry = |raw: RawDescriptor| Some((raw.platform?.platform()?, raw.digest.parse().ok()?));
        Ok(Self { manifests: raw.manifests.into_iter().filter_map(entry).collect(), listed })
    }

    /// What an index says that this one lists counts as its own.
    pub(super) fn absorb(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let digest = Digest::of(bytes);
        if !self.listed.contains(&digest) {
            return Err(Refusal::Malformed(format!("the index does not list the index {digest}")));
        }
        let nested = Self::parse(bytes)?;
        if self.listed.len() + nested.listed.len() > MAX_ENTRIES {
            return Err(Refusal::Malformed(format!("the indexes name more than {MAX_ENTRIES} manifests")));
        }
        self.manifests.retain(|(_, named)| *named != digest);
        self.manifests.extend(nested.manifests);
        self.listed.extend(nested.listed);
        Ok(())
    }

    pub(super) fn names(&self, digest: &Digest) -> bool {
        self.manifests.iter().any(|(_, named)| named == digest)
    }
}

impl RawPlatform {
    fn platform(self) -> Option<Platform> {
        let variant = self.variant.filter(|v| !v.is_empty()).map(|v| format!("/{v}")).unwrap_or_default();
        format!("{}/{}{variant}", self.os, self.architecture).parse().ok()
    }
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::unreadable(what, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_platforms_and_skips_attestations() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"digest": a, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": b},
        ]});
        let index = Index::parse(index.to_string().as_bytes()).unwrap();
        assert_eq!(index.manifests, [(Platform::linux("arm64"), a.clone())]);
        assert!(index.names(&a) && !index.names(&b));
    }

    #[test]
    fn an_index_within_an_index_counts_if_it_is_listed() {
        let (amd64, arm64) = (Platform::linux("amd64"), Platform::linux("arm64"));
        let index = |entries: &[(&Platform, &Digest)]| crate::intake::fixtures::index_of(entries);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let nested = index(&[(&arm64, &b)]);
        let outer = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"digest": a, "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": Digest::of(&nested), "mediaType": "application/vnd.oci.image.index.v1+json"},
        ]});
        let mut outer = Index::parse(outer.to_string().as_bytes()).unwrap();
        assert!(outer.absorb(&index(&[(&amd64, &b)])).is_err(), "it is not listed");
        outer.absorb(&nested).unwrap();
        assert_eq!(outer.manifests, [(amd64, a), (arm64, b)]);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for bad in
            ["", "<html>", "{}", r#"{"config": {"digest": "md5:0"}, "layers": []}"#, r#"{"manifests": []}"#]
        {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Index::parse(b"{\"manifests\": 3}").is_err());
    }
}
