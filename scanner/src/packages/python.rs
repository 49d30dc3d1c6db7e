//! Python: the core metadata of an installed distribution (`*.dist-info/METADATA`, `*.egg-info`).

use super::{LanguagePackage, name, purl::purl, version};

/// The distribution that the metadata describe, under its normalised name; `None` if they lack a name or a version.
pub fn parse(text: &str) -> Option<LanguagePackage> {
    // Headers as in e-mail; the description follows after a blank line.
    let headers = || text.lines().take_while(|line| !line.trim().is_empty());
    let header = |wanted: &str| {
        headers().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(wanted).then(|| value.trim()).filter(|value| !value.is_empty())
        })
    };
    let name = normalise(&name(header("Name")?));
    let version = version(header("Version")?);
    let is_known = |license: &&str| !license.eq_ignore_ascii_case("unknown");
    let license = header("License-Expression").or_else(|| header("License").filter(is_known));
    let purl = purl("pypi", &name, &version, &[]);
    let licenses = license.map(super::name).into_iter().collect();
    Some(LanguagePackage { ecosystem: "PyPI", name, version, purl, licenses, within: String::new() })
}

/// Lower case, every run of `.`, `-`, `_` one `-` (PEP 503).
pub(crate) fn normalise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '.' | '-' | '_' if out.ends_with('-') => {}
            '.' | '-' | '_' => out.push('-'),
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_headers_and_not_the_description() {
        let text = "Metadata-Version: 2.1\nName: Flask_SQL..Alchemy\nVersion: 3.0.1\nLicense: BSD-3-Clause\n\nVersion: 9\n";
        let package = parse(text).unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("flask-sql-alchemy", "3.0.1"));
        assert_eq!(package.purl, "pkg:pypi/flask-sql-alchemy@3.0.1");
        assert_eq!(package.licenses, ["BSD-3-Clause"]);
    }

    #[test]
    fn needs_name_and_version() {
        assert_eq!(parse("Name: x\n\nVersion: 1\n"), None);
        assert_eq!(parse(""), None);
        assert!(parse("Name: x\nVersion: 1\nLicense: UNKNOWN\n").unwrap().licenses.is_empty());
    }
}
