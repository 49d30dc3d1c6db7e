use std::collections::BTreeMap;

/// The longest package URL that is read, in bytes.
const MAX_PURL: usize = 4_096;

/// A package URL's parts, decoded (ECMA-427). The case of names stays as written: some registries' advisories tell cases apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageUrl {
    /// In lower case: `deb`, `npm`.
    pub kind: String,
    /// Parts divided by slashes; empty if there are none.
    pub namespace: String,
    pub name: String,
    /// Empty if it is not stated.
    pub version: String,
    /// Keys in lower case; none has an empty value.
    pub qualifiers: BTreeMap<String, String>,
    pub subpath: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPackageUrl {
    #[error("a package URL of more than {MAX_PURL} bytes")]
    TooLong,
    #[error("a package URL that does not begin with pkg:")]
    Scheme,
    #[error("a package URL without a valid type")]
    Kind,
    #[error("a package URL without a name")]
    Name,
    #[error("a package URL with a qualifier that is none")]
    Qualifier,
    #[error("a package URL whose escapes are no UTF-8")]
    Encoding,
}

impl std::str::FromStr for PackageUrl {
    type Err = InvalidPackageUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_PURL {
            return Err(InvalidPackageUrl::TooLong);
        }
        let (rest, subpath) = text.rsplit_once('#').unwrap_or((text, ""));
        let (rest, qualifiers) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').ok_or(InvalidPackageUrl::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(InvalidPackageUrl::Scheme);
        }
        let (kind, rest) = rest.trim_start_matches('/').split_once('/').ok_or(InvalidPackageUrl::Kind)?;
        let is_kind = |kind: &str| {
            kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
                && kind.starts_with(|first: char| first.is_ascii_alphabetic())
        };
        if !is_kind(kind) {
            return Err(InvalidPackageUrl::Kind);
        }
        // The @ of an npm scope that nobody escaped is not the version's.
        let (path, version) = rest
            .rsplit_once('@')
            .filter(|(path, _)| !path.is_empty() && !path.ends_with('/'))
            .unwrap_or((rest, ""));
        let (namespace, name) =
            path.trim_matches('/').rsplit_once('/').unwrap_or(("", path.trim_matches('/')));
        if name.is_empty() {
            return Err(InvalidPackageUrl::Name);
        }
        Ok(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: parts(namespace, |_| true)?,
            name: decode(name)?,
            version: decode(version)?,
            qualifiers: qualifiers_of(qualifiers)?,
            subpath: parts(subpath, |part| !matches!(part, "." | ".."))?,
        })
    }
}

impl PackageUrl {
    /// A qualifier's value; empty if it is not there.
    #[must_use]
    pub fn qualifier(&self, key: &str) -> &str {
        self.qualifiers.get(key).map_or("", String::as_str)
    }
}

fn parts(text: &str, keeps: impl Fn(&str) -> bool) -> Result<String, InvalidPackageUrl> {
    let parts = text.split('/').filter(|part| !part.is_empty() && keeps(part));
    Ok(parts.map(decode).collect::<Result<Vec<_>, _>>()?.join("/"))
}

fn qualifiers_of(text: &str) -> Result<BTreeMap<String, String>, InvalidPackageUrl> {
    let mut qualifiers = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(InvalidPackageUrl::Qualifier)?;
        let is_key = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && key.starts_with(|first: char| first.is_ascii_alphabetic());
        if !is_key {
            return Err(InvalidPackageUrl::Qualifier);
        }
        if !value.is_empty() {
            qualifiers.insert(key.to_ascii_lowercase(), decode(value)?);
        }
    }
    Ok(qualifiers)
}

/// Percent escapes resolved; a percent sign that begins none stands for itself.
fn decode(text: &str) -> Result<String, InvalidPackageUrl> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            (*first == b'%').then(|| Some(digit(after.first())? << 4 | digit(after.get(1))?)).flatten();
        match escaped.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| InvalidPackageUrl::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::packages::purl::purl;

    #[test]
    fn the_specification_s_examples_are_parsed_or_refused() {
        let examples: Vec<Value> =
            serde_json::from_str(include_str!("../../../testdata/purl/parse.json")).unwrap();
        assert!(examples.len() > 90);
        for example in examples {
            let input = example["input"].as_str().unwrap();
            let expected = &example["expected"];
            let Ok(parsed) = input.parse::<PackageUrl>() else {
                assert!(expected.is_null(), "{input} was refused");
                continue;
            };
            // What only rules of single types forbid is read all the same.
            if expected.is_null() {
                continue;
            }
            let same = |key: &str, value: &str| {
                let expected = expected[key].as_str().unwrap_or_default();
                // Rules of single types (lower case, dashes for underscores) are left to whoever uses the name.
                assert_eq!(
                    value.to_lowercase().replace('_', "-"),
                    expected.to_lowercase().replace('_', "-"),
                    "{key} of {input}"
                );
            };
            same("type", &parsed.kind);
            same("namespace", &parsed.namespace);
            same("name", &parsed.name);
            same("version", &parsed.version);
            same("subpath", &parsed.subpath);
            let qualifiers = expected["qualifiers"].as_object().cloned().unwrap_or_default();
            let qualifiers: BTreeMap<String, String> = qualifiers
                .into_iter()
                .map(|(key, value)| (key, value.as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(parsed.qualifiers, qualifiers, "{input}");
        }
    }

    #[test]
    fn scopes_and_odd_escapes() {
        for (text, namespace, name, version) in [
            ("pkg:npm/@types/node", "@types", "node", ""),
            ("pkg:npm/@types/node@1", "@types", "node", "1"),
            ("pkg:npm/%40types/node@1%", "@types", "node", "1%"),
        ] {
            let parsed: PackageUrl = text.parse().unwrap();
            assert_eq!((&*parsed.namespace, &*parsed.name, &*parsed.version), (namespace, name, version));
        }
        for bad in
            ["", "pkg:", "pkg:npm", "pkg:npm/", "pkg:1npm/a", "http://a/b", "pkg:npm/a?b", "pkg:npm/%ff"]
        {
            assert!(bad.parse::<PackageUrl>().is_err(), "{bad}");
        }
        assert_eq!("x".repeat(5000).parse::<PackageUrl>(), Err(InvalidPackageUrl::TooLong));
    }

    proptest! {
        #[test]
        fn what_was_built_is_parsed_back(namespace in "[a-z%@ é+]{1,8}", name in "[A-Za-z0-9.%@?#&=é +:-]{1,12}", version in "[0-9a-z.+:~%@ -]{0,10}", arch in "[a-z0-9&=]{0,5}") {
            let built = purl("deb", &format!("{namespace}/{name}"), &version, &[("arch", &arch)]);
            let parsed: PackageUrl = built.parse().unwrap();
            prop_assert_eq!(
                (&*parsed.namespace, &*parsed.name, &*parsed.version, parsed.qualifier("arch")),
                (&*namespace, &*name, &*version, &*arch)
            );
        }
    }
}
