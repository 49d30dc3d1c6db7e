//! Python: the core metadata of an installed distribution (`*.dist-info/METADATA`, `*.egg-info`).

use super::{LanguagePackage, license, name, purl::purl, version};

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
    let stated = |wanted: &str| header(wanted).map(license::spdx).filter(|licenses| !licenses.is_empty());
    let classified = || {
        let classifiers = headers().filter_map(|line| line.strip_prefix("Classifier: License :: "));
        // "OSI Approved" alone says nothing.
        let names =
            classifiers.filter_map(|path| path.rsplit(" :: ").next()).filter(|name| *name != "OSI Approved");
        license::of_statements(names)
    };
    // Free text in `License` says less than the classifiers' fixed words.
    let is_plain = |licenses: &Vec<String>| licenses.iter().all(|license| license::is_spdx(license));
    let free = || stated("License");
    let licenses = stated("License-Expression")
        .or_else(|| free().filter(is_plain))
        .or_else(|| Some(classified()).filter(|licenses| !licenses.is_empty()))
        .or_else(free)
        .unwrap_or_default();
    let purl = purl("pypi", &name, &version, &[]);
    Some(LanguagePackage { licenses, ..LanguagePackage::new("PyPI", name, version, purl) })
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
        let classified = parse(
            "Name: x\nVersion: 1\nLicense: see file\nClassifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License\n",
        );
        assert_eq!(classified.unwrap().licenses, ["MIT"]);
        assert_eq!(parse(""), None);
        assert!(parse("Name: x\nVersion: 1\nLicense: UNKNOWN\n").unwrap().licenses.is_empty());
    }
}
