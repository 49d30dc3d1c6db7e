//! Cargo's `Cargo.lock`.

use serde::{Deserialize, de::IgnoredAny};

use super::{package, tables};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Members of the workspace and paths have none.
    source: Option<IgnoredAny>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let packages: Vec<Package> = tables::packages(text)?;
    let foreign = packages.iter().filter(|package| package.source.is_some());
    Some(foreign.filter_map(|entry| package("crates.io", &entry.name, &entry.version)).collect())
}
