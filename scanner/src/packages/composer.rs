//! Composer: `vendor/composer/installed.json`, a list of packages (version 1) or an object that holds it (version 2).

use serde::Deserialize;

use super::{LanguagePackage, license::Stated, name, purl::purl, version};
use crate::limits::MAX_LISTED;

#[derive(Deserialize)]
#[serde(untagged)]
enum Installed {
    Two { packages: Vec<Package> },
    One(Vec<Package>),
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    license: Stated,
}

/// The packages that are installed.
///
/// # Errors
/// Why the file cannot be read, for `unanalysed`.
pub fn parse(bytes: &[u8]) -> Result<Vec<LanguagePackage>, String> {
    let installed = serde_json::from_slice(bytes)
        .map_err(|_| "an installed.json of Composer that cannot be understood".to_owned())?;
    let (Installed::One(packages) | Installed::Two { packages }) = installed;
    if packages.len() > MAX_LISTED {
        return Err(format!("lists more than {MAX_LISTED} packages"));
    }
    Ok(packages.iter().filter_map(listed).collect())
}

/// Versions are tags, mostly with a `v` that advisories leave out.
pub(super) fn released(tag: &str) -> &str {
    let tag = tag.trim();
    let is_numbered = tag.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    tag.strip_prefix(['v', 'V']).filter(|_| is_numbered).unwrap_or(tag)
}

fn listed(package: &Package) -> Option<LanguagePackage> {
    // Packagist's names have no case.
    let name = name(&package.name).to_lowercase();
    let version = version(released(&package.version));
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let licenses = package.license.licenses();
    let purl = purl("composer", &name, &version, &[]);
    Some(LanguagePackage { licenses, ..LanguagePackage::new("Packagist", name, version, purl) })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_forms_are_read() {
        let packages = r#"[{"name": "Symfony/http-kernel", "version": "v5.4.19", "version_normalized": "5.4.19.0", "license": ["MIT"]},
            {"name": "acme/app", "version": "dev-main"}, {"name": "a/b", "version": "vnext", "license": "GPL"}, {"version": "1"}]"#;
        for text in [
            packages.to_owned(),
            format!(r#"{{"packages": {packages}, "dev": true, "dev-package-names": []}}"#),
        ] {
            let found = parse(text.as_bytes()).unwrap();
            let purls: Vec<_> = found.iter().map(|package| package.purl.as_str()).collect();
            assert_eq!(
                purls,
                [
                    "pkg:composer/symfony/http-kernel@5.4.19",
                    "pkg:composer/acme/app@dev-main",
                    "pkg:composer/a/b@vnext"
                ]
            );
            assert_eq!(
                (found[0].licenses.as_slice(), found[2].licenses.as_slice()),
                (&["MIT".to_owned()][..], &["GPL-1.0-or-later".to_owned()][..])
            );
        }
    }

    #[test]
    fn what_is_neither_is_reported() {
        for text in ["", "{}", "5", r#"[{"name": 5}]"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse(b"[]"), Ok(vec![]));
    }
}
