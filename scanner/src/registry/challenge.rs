//! `WWW-Authenticate` (RFC 9110, section 11.6.1; distribution's token authentication).

/// How a registry wants to be authenticated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// `realm` is the token endpoint's address.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// The best of the challenges in these headers: bearer before basic, the first of each. Other schemes are passed over, and so is a
/// bearer challenge without realm.
pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        for Offered { scheme, parameters } in offers(header) {
            if scheme.eq_ignore_ascii_case("bearer") {
                let parameter = |name: &str| {
                    let mut named = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                    named.next().map(|(_, value)| value.clone())
                };
                if let Some(realm) = parameter("realm") {
                    return Some(Challenge::Bearer { realm, service: parameter("service") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

struct Offered<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

/// A header's challenges. One begins with a word that no `=` follows; `key=value` and `key="quoted \" value"` belong to the last one.
fn offers(header: &str) -> Vec<Offered<'_>> {
    let mut offers: Vec<Offered<'_>> = Vec::new();
    let mut rest = header.trim_start_matches(is_gap);
    while !rest.is_empty() {
        let end = rest.find(|c: char| is_gap(c) || c == '=' || c == '"').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        rest = match value.map(|value| value.trim_start_matches([' ', '\t'])) {
            Some(value) => {
                let (value, after) = value.strip_prefix('"').map_or_else(|| plain(value), quoted);
                if let Some(offer) = offers.last_mut() {
                    offer.parameters.push((word, value));
                }
                after
            }
            // A quoted string where none belongs is passed over whole: nothing inside it is a challenge.
            None if word.is_empty() => after.strip_prefix('"').map_or("", |after| quoted(after).1),
            None => {
                offers.push(Offered { scheme: word, parameters: Vec::new() });
                after
            }
        };
        rest = rest.trim_start_matches(is_gap);
    }
    offers
}

fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

fn plain(text: &str) -> (String, &str) {
    let (value, rest) = text.split_at(text.find(is_gap).unwrap_or(text.len()));
    (value.to_owned(), rest)
}

/// What stands before the closing quote, without escapes, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_send() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        let basic = Some(Challenge::Basic);
        for (headers, expected) in [
            (
                vec![r#"Bearer realm="https://a.test/token",service="a,b",scope="repository:x:pull""#],
                bearer("https://a.test/token", Some("a,b")),
            ),
            (vec!["bearer service=s, realm=https://a.test/t"], bearer("https://a.test/t", Some("s"))),
            (vec!["Basic realm=\"x\"", "Bearer realm=\"https://r.test\""], bearer("https://r.test", None)),
            (vec!["Basic realm=\"x\""], basic.clone()),
            (vec!["BASIC"], basic.clone()),
            (vec!["Negotiate"], None),
            (vec!["Bearer"], None),
            (vec![r#"Bearer realm="unclosed"#], bearer("unclosed", None)),
            (vec![""], None),
            // Several challenges in one header.
            (
                vec![r#"Negotiate, Basic realm="x", Bearer realm="https://r.test", service=s"#],
                bearer("https://r.test", Some("s")),
            ),
            (vec![r#"Digest realm="d", nonce="n", Basic realm="x""#], basic.clone()),
            (vec![r#"Bearer service=s, Basic realm="https://not-the-bearers.test""#], basic.clone()),
            (vec![r#"Negotiate YWJj==, Basic realm="x""#], basic.clone()),
            // What is quoted is no challenge and no parameter.
            (vec![r#"Basic realm="a, Bearer realm=https://evil.test""#], basic.clone()),
            (vec![r#"Basic realm="a\", Bearer realm=https://evil.test""#], basic.clone()),
            (vec![r#"Newauth "Bearer realm=https://evil.test", Basic realm=x"#], basic.clone()),
            (
                vec![r#"Bearer scope="realm=https://evil.test", realm="https://r.test""#],
                bearer("https://r.test", None),
            ),
            (
                vec![r#"Bearer realm="https://r.test",realm="https://evil.test""#],
                bearer("https://r.test", None),
            ),
            (vec![r#"Bearer realm = "https://r.test" , service = s"#], bearer("https://r.test", Some("s"))),
            (vec![r#"Bearer realm="https://r.test/\"q\"""#], bearer("https://r.test/\"q\"", None)),
            (vec!["=,=\",=\\"], None),
        ] {
            assert_eq!(parse(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
