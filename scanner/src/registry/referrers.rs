//! What refers to an image: signatures, attestations, SBOMs (distribution-spec 1.1, "Listing Referrers", and its fallback by tag).

use breakwater_core::{Digest, printable, scan::MAX_MANIFEST};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{RegistryError, body::Body, endpoint::Endpoint, link};
use crate::limits::{MAX_INDEX_ENTRIES, MAX_NAME, MAX_REFERRER_PAGES, MAX_REFERRERS};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Something that refers to an image. Whether it is worth anything, nobody has checked. It is no part of the inventory: an image stays
/// what it is, what refers to it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// For example `application/spdx+json`; printable, at most [`MAX_NAME`] characters.
    pub artifact_type: String,
    /// Of its manifest.
    pub digest: Digest,
    /// Of its manifest, in bytes, as the registry says.
    pub size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    digest: Digest,
    #[serde(default)]
    size: u64,
}

/// The descriptors of an index of referrers; `None` if it is none. What states no type of its own is of its manifest's.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Vec<Referrer>> {
    let index: Index = serde_json::from_slice(bytes).ok()?;
    if index.schema_version != 2 || index.manifests.len() > MAX_INDEX_ENTRIES {
        return None;
    }
    let referrer = |descriptor: Descriptor| Referrer {
        digest: descriptor.digest,
        artifact_type: printable::line(
            if descriptor.artifact_type.is_empty() {
                &descriptor.media_type
            } else {
                &descriptor.artifact_type
            },
            MAX_NAME,
        ),
        size: descriptor.size,
    };
    Some(index.manifests.into_iter().map(referrer).collect())
}

impl Endpoint {
    pub(super) async fn referrers(&self, of: &Digest) -> Result<Vec<Referrer>, RegistryError> {
        let mut found = match self.listed(of).await {
            // A registry that does not know the list keeps it as an image under a tag.
            Err(RegistryError::NotFound { .. } | RegistryError::NotARegistry { .. }) => {
                self.tagged(of).await?
            }
            listed => listed?,
        };
        found.sort_unstable();
        found.dedup();
        found.truncate(MAX_REFERRERS);
        Ok(found)
    }

    async fn listed(&self, of: &Digest) -> Result<Vec<Referrer>, RegistryError> {
        let what = format!("referrers of {} in {}", of.short(), self.name);
        let mut url = self.url(&format!("referrers/{of}"), &what)?;
        let mut found = Vec::new();
        for _ in 0..MAX_REFERRER_PAGES {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(INDEX));
            let response = self.fetch(&url, headers, &what).await?;
            self.media_type(&response)?;
            let next = link::page_after(&url, response.headers()).map_err(|why| self.not_a_registry(why));
            let bytes =
                Body::new(&self.host, response, self.connection.pace).whole(&what, MAX_MANIFEST).await?;
            let page =
                parse(&bytes).ok_or_else(|| self.not_a_registry("its list of referrers cannot be read"))?;
            let is_empty = page.is_empty();
            found.extend(page);
            match next? {
                Some(next) if !is_empty && found.len() <= MAX_REFERRERS => url = next,
                _ => break,
            }
        }
        Ok(found)
    }

    async fn tagged(&self, of: &Digest) -> Result<Vec<Referrer>, RegistryError> {
        let tag = of.to_string().replacen(':', "-", 1);
        match self.manifest(&tag).await {
            // Whatever else is under that tag is no list.
            Ok(fetched) => Ok(parse(&fetched.bytes).unwrap_or_default()),
            Err(RegistryError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
