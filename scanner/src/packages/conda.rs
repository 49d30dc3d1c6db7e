//! Conda: the record of a package installed into an environment (`conda-meta/NAME-VERSION-BUILD.json`).

use serde::Deserialize;

use super::{LanguagePackage, license, name, purl::purl, version};

#[derive(Deserialize)]
struct Record {
    name: String,
    version: String,
    #[serde(default)]
    build: String,
    #[serde(default)]
    subdir: String,
    #[serde(default)]
    license: Option<String>,
}

/// The package that the record tells of. No OSV ecosystem covers it; matching says so.
///
/// # Errors
/// Why the file cannot be read, for `unanalysed`.
pub fn parse(bytes: &[u8]) -> Result<LanguagePackage, String> {
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|_| "a record of conda that cannot be understood".to_owned())?;
    let (name, version) = (name(&record.name), version(&record.version));
    let [build, subdir] = [record.build, record.subdir].map(|text| self::name(&text));
    let purl = purl("conda", &name, &version, &[("build", &build), ("subdir", &subdir)]);
    let licenses = record.license.as_deref().map(license::spdx).unwrap_or_default();
    Ok(LanguagePackage { licenses, ..LanguagePackage::new("conda", name, version, purl) })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn records_are_read() {
        let json = r#"{"name": "openssl", "version": "3.0.8", "build": "h7f8727e_0", "subdir": "linux-64", "license": "Apache-2.0", "files": []}"#;
        let package = parse(json.as_bytes()).unwrap();
        assert_eq!(package.purl, "pkg:conda/openssl@3.0.8?build=h7f8727e_0&subdir=linux-64");
        assert_eq!(package.licenses, ["Apache-2.0"]);
        assert!(parse(b"{}").is_err());
    }
}
