//! Swift's `Package.resolved`, versions 1 to 3.

use serde::Deserialize;

use super::{entries::List, package};
use crate::packages::LanguagePackage;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    pins: List<Pin>,
    /// Version 1.
    #[serde(default)]
    object: Pins,
}

#[derive(Default, Deserialize)]
struct Pins {
    #[serde(default)]
    pins: List<Pin>,
}

#[derive(Deserialize)]
struct Pin {
    #[serde(alias = "repositoryURL")]
    location: Option<String>,
    #[serde(default)]
    state: State,
}

/// A branch or a commit in place of a version has none.
#[derive(Default, Deserialize)]
struct State {
    version: Option<String>,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_str(text).ok()?;
    let pins = document.pins.0.iter().chain(&document.object.pins.0);
    let named = pins.filter_map(|pin| {
        package("SwiftURL", &repository(pin.location.as_deref()?), pin.state.version.as_deref()?)
    });
    Some(named.collect())
}

/// `github.com/OWNER/NAME`, as OSV names it, of `https://github.com/OWNER/NAME.git` or `git@github.com:OWNER/NAME`.
fn repository(location: &str) -> String {
    let (scheme, bare) = location.split_once("://").unwrap_or(("", location));
    let bare = bare.split_once('@').map_or(bare, |(_, bare)| bare).trim_end_matches('/');
    let bare = bare.strip_suffix(".git").unwrap_or(bare);
    if scheme.is_empty() { bare.replacen(':', "/", 1) } else { bare.to_owned() }
}
