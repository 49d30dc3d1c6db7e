//! `Link` (RFC 8288): where a list goes on.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

/// The target of the first link of relation `next` in one header.
#[must_use]
pub fn next(links: &str) -> Option<&str> {
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

/// Why a list is not followed.
pub(super) const ELSEWHERE: &str = "its list goes on elsewhere";

/// The page after `page`, if there is one. It is on the same list of the same host, or it is not asked for: the credentials are for
/// nothing else.
pub(super) fn page_after(page: &Url, headers: &HeaderMap) -> Result<Option<Url>, &'static str> {
    let mut links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(link) = links.find_map(next) else { return Ok(None) };
    let next = page.join(link).map_err(|_| ELSEWHERE)?;
    if next.origin() == page.origin() && next.path() == page.path() { Ok(Some(next)) } else { Err(ELSEWHERE) }
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
