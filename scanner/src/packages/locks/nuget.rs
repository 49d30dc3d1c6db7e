//! NuGet's `packages.lock.json`.

use serde::Deserialize;

use super::{entries::Entries, package};
use crate::packages::LanguagePackage;

/// Packages by target framework.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    dependencies: Entries<Entries<Package>>,
}

#[derive(Deserialize)]
struct Package {
    /// `Project` is the solution's own and has no version.
    #[serde(rename = "type")]
    kind: Option<String>,
    resolved: Option<String>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_str(text).ok()?;
    let packages = document.dependencies.0.iter().flat_map(|(_, framework)| &framework.0);
    let foreign = packages.filter(|(_, entry)| entry.kind.as_deref() != Some("Project"));
    Some(foreign.filter_map(|(name, entry)| package("NuGet", name, entry.resolved.as_deref()?)).collect())
}
