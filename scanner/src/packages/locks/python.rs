//! Python: `poetry.lock`, `uv.lock`, `pdm.lock`, `pylock.toml` (PEP 751), `Pipfile.lock`.

use std::fmt;

use breakwater_core::inventory::MAX_PACKAGES;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{entries::Entries, package, tables};
use crate::packages::{LanguagePackage, python::normalise};

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Option<String>,
    source: Option<Source>,
}

/// Of uv's kinds of source those that are the project's own; poetry writes the kind as `type`.
#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: Option<String>,
    editable: Option<IgnoredAny>,
    r#virtual: Option<IgnoredAny>,
    directory: Option<IgnoredAny>,
}

impl Source {
    fn is_own(&self) -> bool {
        let own = [&self.editable, &self.r#virtual, &self.directory];
        self.kind.as_deref() == Some("directory") || own.iter().any(|kind| kind.is_some())
    }
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let packages: Vec<Package> = tables::packages(text)?;
    let foreign = packages.iter().filter(|package| !package.source.as_ref().is_some_and(Source::is_own));
    Some(foreign.filter_map(|package| pypi(&package.name, package.version.as_deref()?)).collect())
}

#[derive(Deserialize)]
struct Pinned {
    /// `==VERSION`; what comes from elsewhere than an index has none.
    version: Option<String>,
}

/// What is pinned by every group of packages (`default`, `develop`, further ones); the group `_meta` is none.
struct Groups(Vec<(String, Pinned)>);

pub(super) fn parse_pipfile(text: &str) -> Option<Vec<LanguagePackage>> {
    let Groups(pinned) = serde_json::from_str(text).ok()?;
    let exact =
        pinned.iter().filter_map(|(name, pinned)| pypi(name, pinned.version.as_deref()?.strip_prefix("==")?));
    Some(exact.collect())
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GroupsReader)
    }
}

struct GroupsReader;

impl<'de> Visitor<'de> for GroupsReader {
    type Value = Groups;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("groups of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Groups, A::Error> {
        let mut pinned = Vec::new();
        while let Some(group) = map.next_key::<String>()? {
            if group == "_meta" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            pinned.extend(map.next_value::<Entries<Pinned>>()?.0);
            if pinned.len() > MAX_PACKAGES {
                return Err(A::Error::custom("too many packages"));
            }
        }
        Ok(Groups(pinned))
    }
}

pub(super) fn pypi(name: &str, version: &str) -> Option<LanguagePackage> {
    package("PyPI", &normalise(name.trim()), version)
}
