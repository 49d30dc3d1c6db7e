//! The tags of a repository (distribution-spec 1.1, "Listing Tags").

use std::collections::BTreeSet;

use breakwater_core::{ImageReference, scan::MAX_TAGS};
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::{RegistryError, body::Body, endpoint::Endpoint, link};
use crate::limits::{MAX_TAG_PAGE, MAX_TAG_PAGES, TAGS_PER_PAGE};

#[derive(Deserialize)]
struct Page {
    /// Some registries say `null` for none.
    tags: Option<Vec<String>>,
}

/// The tags of one page; `None` if it is none.
#[must_use]
pub fn parse(page: &[u8]) -> Option<Vec<String>> {
    let page: Page = serde_json::from_slice(page).ok()?;
    Some(page.tags.unwrap_or_default())
}

impl Endpoint {
    pub(super) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let what = format!("repository {}", self.name);
        let mut url = self.url(&format!("tags/list?n={TAGS_PER_PAGE}"), &what)?;
        let mut tags = BTreeSet::new();
        for _ in 0..MAX_TAG_PAGES {
            let response = self.fetch(&url, HeaderMap::new(), &what).await?;
            self.media_type(&response)?;
            let next = link::page_after(&url, response.headers()).map_err(|why| self.not_a_registry(why));
            let bytes =
                Body::new(&self.host, response, self.connection.pace).whole(&what, MAX_TAG_PAGE).await?;
            let page = parse(&bytes).ok_or_else(|| self.not_a_registry("its list of tags cannot be read"))?;
            let before = tags.len();
            tags.extend(page);
            if tags.len() > MAX_TAGS {
                return Err(RegistryError::TooManyTags { host: self.host.clone(), what });
            }
            let Some(next) = next? else {
                return Ok(tags.into_iter().filter(|tag| self.may_have(tag)).collect());
            };
            if tags.len() == before {
                break;
            }
            url = next;
        }
        Err(self.not_a_registry("its list of tags does not end"))
    }

    fn may_have(&self, tag: &str) -> bool {
        let reference = format!("{}/{}:{tag}", self.host, self.name).parse::<ImageReference>();
        reference.is_ok_and(|reference| reference.tag.as_deref() == Some(tag) && reference.digest.is_none())
    }
}
