//! Composer's `composer.lock`.

use serde::Deserialize;

use super::{entries::List, package};
use crate::packages::{LanguagePackage, composer::released, license::Stated};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: List<Package>,
    #[serde(default, rename = "packages-dev")]
    development: List<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    license: Stated,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_str(text).ok()?;
    let packages = document.packages.0.iter().chain(&document.development.0);
    let listed = packages.filter_map(|entry| {
        let mut package = package("Packagist", &entry.name.to_lowercase(), released(&entry.version))?;
        package.licenses = entry.license.licenses();
        Some(package)
    });
    Some(listed.collect())
}
