//! Dart's `pubspec.lock`.

use serde::Deserialize;

use super::{entries::Entries, package};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: Entries<Package>,
}

#[derive(Deserialize)]
struct Package {
    /// `hosted`, `git`; `path` is the project's own, `sdk` comes with Dart or Flutter.
    source: Option<String>,
    version: Option<String>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_saphyr::from_str(text).ok()?;
    let published = document
        .packages
        .0
        .iter()
        .filter(|(_, entry)| matches!(entry.source.as_deref(), Some("hosted" | "git")));
    Some(published.filter_map(|(name, entry)| package("Pub", name, entry.version.as_deref()?)).collect())
}
