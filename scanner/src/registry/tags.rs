//! The tags of a repository (distribution-spec 1.1, "Listing Tags").

use std::collections::BTreeSet;

use breakwater_core::{ImageReference, scan::MAX_TAGS};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LINK};
use serde::Deserialize;
use url::Url;

use super::{RegistryError, Repository, body::Body};
use crate::limits::{MAX_TAG_PAGE, MAX_TAG_PAGES, TAGS_PER_PAGE};

#[derive(Deserialize)]
struct Page {
    /// Some registries say `null` for none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, without those that no image reference can have.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::TooManyTags`] beyond [`MAX_TAGS`].
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let what = format!("repository {}", self.name);
        let mut url = self.url(&format!("tags/list?n={TAGS_PER_PAGE}"), &what)?;
        let mut tags = BTreeSet::new();
        for _ in 0..MAX_TAG_PAGES {
            let response = self.fetch(&url, HeaderMap::new(), &what).await?;
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if media_type.is_some_and(|value| value.starts_with("text/html")) {
                return Err(self.not_a_registry("it answers with a web page"));
            }
            let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
            let next = links.into_iter().find_map(next).map(str::to_owned);
            let bytes =
                Body::new(&self.host, response, self.connection.pace).whole(&what, MAX_TAG_PAGE).await?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|_| self.not_a_registry("its list of tags cannot be read"))?;
            let before = tags.len();
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                return Err(RegistryError::TooManyTags { host: self.host.clone(), what });
            }
            let Some(next) = next else {
                return Ok(tags.into_iter().filter(|tag| self.may_have(tag)).collect());
            };
            if tags.len() == before {
                break;
            }
            url = self.page_after(&url, &next)?;
        }
        Err(self.not_a_registry("its list of tags does not end"))
    }

    /// The next page is on the same list of the same host, or it is not asked for: the credentials are for nothing else.
    fn page_after(&self, page: &Url, link: &str) -> Result<Url, RegistryError> {
        let next =
            page.join(link).map_err(|_| self.not_a_registry("its list of tags goes on at no address"))?;
        if next.origin() == page.origin() && next.path() == page.path() {
            Ok(next)
        } else {
            Err(self.not_a_registry("its list of tags goes on elsewhere"))
        }
    }

    fn may_have(&self, tag: &str) -> bool {
        let reference = format!("{}/{}:{tag}", self.host, self.name).parse::<ImageReference>();
        reference.is_ok_and(|reference| reference.tag.as_deref() == Some(tag) && reference.digest.is_none())
    }

    fn not_a_registry(&self, why: &str) -> RegistryError {
        RegistryError::NotARegistry { host: self.host.clone(), why: why.into() }
    }
}

/// The target of the first link of relation `next` (RFC 8288).
fn next(links: &str) -> Option<&str> {
    let mut rest = links;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or(after);
        let is_next = |parameter: &str| {
            let (name, value) = parameter.trim().trim_end_matches(',').split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split(' ')
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        };
        if parameters.split(';').any(is_next) {
            return Some(target);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_page_is_the_link_that_says_so() {
        for (links, target) in [
            ("</v2/a/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/a/tags/list?last=b&n=2")),
            ("</a>; rel=next", Some("/a")),
            ("</first>; rel=\"first\", </second>; title=x; rel=\"next last\"", Some("/second")),
            ("</first>; rel=\"prev\"", None),
            ("/a; rel=next", None),
            ("<", None),
            ("", None),
        ] {
            assert_eq!(next(links), target, "{links}");
        }
    }
}
