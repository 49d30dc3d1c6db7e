//! npm: the `package.json` of an installed package.

use serde::Deserialize;

use super::{LanguagePackage, license::Stated, name, purl::purl, version};

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    license: Stated,
    #[serde(default)]
    licenses: Stated,
}

/// The package that `bytes` describe; `None` if they name none (a workspace's or a module type's marker).
///
/// # Errors
/// Why the file cannot be read, for `unanalysed`.
pub fn parse(bytes: &[u8]) -> Result<Option<LanguagePackage>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let package: Package =
        serde_json::from_slice(bytes).map_err(|_| "a package.json that cannot be understood".to_owned())?;
    let (Some(package_name), Some(package_version)) = (&package.name, &package.version) else {
        return Ok(None);
    };
    let (name, version) = (name(package_name), version(package_version));
    if name.is_empty() || version.is_empty() {
        return Ok(None);
    }
    let licenses = package.license.and(package.licenses).licenses();
    let purl = purl("npm", &name, &version, &[]);
    Ok(Some(LanguagePackage { licenses, ..LanguagePackage::new("npm", name, version, purl) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<LanguagePackage> {
        parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn reads_name_version_and_every_spelling_of_a_licence() {
        let package = read(r#"{"name": "@a/b", "version": "1.2.3", "license": "MIT"}"#).unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@a/b", "1.2.3"));
        assert_eq!(package.purl, "pkg:npm/%40a/b@1.2.3");
        assert_eq!(package.licenses, ["MIT"]);
        let old =
            read(r#"{"name":"x","version":"1","licenses":[{"type":"BSD"},"MIT"],"license":{"type":"ISC"}}"#);
        assert_eq!(old.unwrap().licenses, ["ISC", "BSD-3-Clause", "MIT"]);
    }

    #[test]
    fn markers_are_no_packages_and_rubbish_is_reported() {
        assert_eq!(read(r#"{"type": "module"}"#), None);
        assert!(parse(b"{").is_err());
        assert!(parse(br#"{"name": 5, "version": "1"}"#).is_err());
    }
}
