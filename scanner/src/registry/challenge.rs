//! `WWW-Authenticate` (RFC 9110, section 11; distribution's token authentication).

use std::collections::BTreeMap;

/// How a registry wants to be authenticated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// The best of the challenges in these headers: bearer before basic.
pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut parameters = parameters(rest);
            if let Some(realm) = parameters.remove("realm") {
                return Some(Challenge::Bearer { realm, service: parameters.remove("service") });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `key=value` or `key="quoted \" value"`, divided by commas.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let mut unquoted = String::new();
            let mut characters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '\\' => unquoted.extend(characters.next().map(|(_, escaped)| escaped)),
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    other => unquoted.push(other),
                }
            }
            value = unquoted;
            rest = quoted.get(end..).unwrap_or_default();
        } else {
            let (plain, after) = after.split_once(',').unwrap_or((after, ""));
            value = plain.trim().to_owned();
            rest = after;
        }
        found.entry(key).or_insert(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_send() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        for (headers, expected) in [
            (
                vec![r#"Bearer realm="https://a.test/token",service="a,b",scope="repository:x:pull""#],
                bearer("https://a.test/token", Some("a,b")),
            ),
            (vec!["bearer service=s, realm=https://a.test/t"], bearer("https://a.test/t", Some("s"))),
            (vec!["Basic realm=\"x\"", "Bearer realm=\"https://r.test\""], bearer("https://r.test", None)),
            (vec!["Basic realm=\"x\""], Some(Challenge::Basic)),
            (vec!["Negotiate"], None),
            (vec!["Bearer"], None),
            (vec![r#"Bearer realm="unclosed"#], bearer("unclosed", None)),
            (vec![""], None),
        ] {
            assert_eq!(parse(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
