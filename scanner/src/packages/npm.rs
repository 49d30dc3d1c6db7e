//! npm: the `package.json` of an installed package.

use serde::Deserialize;
use serde_json::Value;

use super::{LanguagePackage, name, purl::purl, version};
use crate::limits::MAX_LICENSES;

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    licenses: Value,
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
    let mut licenses = licenses(&package.license);
    licenses.extend(self::licenses(&package.licenses));
    licenses.truncate(MAX_LICENSES);
    let purl = purl("npm", &name, &version, &[]);
    Ok(Some(LanguagePackage { ecosystem: "npm", name, version, purl, licenses, within: String::new() }))
}

/// A string, an object with `type`, or a list of those.
fn licenses(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().or_else(|| value.get("type")?.as_str()).map(name);
    match value {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
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
        assert_eq!(old.unwrap().licenses, ["ISC", "BSD", "MIT"]);
    }

    #[test]
    fn markers_are_no_packages_and_rubbish_is_reported() {
        assert_eq!(read(r#"{"type": "module"}"#), None);
        assert!(parse(b"{").is_err());
        assert!(parse(br#"{"name": 5, "version": "1"}"#).is_err());
    }
}
