//! `pnpm-lock.yaml`, versions 5 to 9.

use serde::Deserialize;

use super::{entries::Entries, is_released, package};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: Entries<Package>,
}

/// Stated where the key cannot tell (repositories, archives).
#[derive(Deserialize)]
struct Package {
    name: Option<String>,
    version: Option<String>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_saphyr::from_str(text).ok()?;
    let packages = document.packages.0.iter().filter_map(|(key, entry)| {
        let (name, version) = split(key).unwrap_or_default();
        let name = entry.name.as_deref().unwrap_or(name);
        package("npm", name, entry.version.as_deref().unwrap_or(version))
            .filter(|package| is_released(&package.version))
    });
    Some(packages.collect())
}

/// Name and version of a key: `/NAME/VERSION_PEERS` (5), `/NAME@VERSION(PEERS)` (6), `NAME@VERSION` (9). What stands in for a version may
/// be an address.
fn split(key: &str) -> Option<(&str, &str)> {
    let key = key.strip_prefix('/').unwrap_or(key);
    let scope = if key.starts_with('@') { key.find('/')? + 1 } else { 0 };
    let end = scope + key.get(scope..)?.find(['/', '@'])?;
    let version = key.get(end + 1..)?;
    let peers = version.find(['_', '(']).unwrap_or(version.len());
    Some((key.get(..end)?, version.get(..peers)?))
}
