//! npm's `package-lock.json` (lockfileVersion 1 to 3) and `npm-shrinkwrap.json`.

use std::fmt;

use breakwater_core::inventory::MAX_PACKAGES;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};

use super::{entries::Entries, is_released, package};
use crate::packages::{LanguagePackage, license::Stated};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: Entries<Package>,
    /// Version 1, and version 2 for readers of version 1.
    #[serde(default)]
    dependencies: Dependencies,
}

/// Filed under its place: `node_modules/a/node_modules/@b/c`.
#[derive(Deserialize)]
struct Package {
    /// Where it differs from the place (aliases).
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    license: Stated,
}

pub(super) fn parse(text: &str) -> Option<Vec<LanguagePackage>> {
    let document: Document = serde_json::from_str(text).ok()?;
    if document.packages.0.is_empty() {
        return Some(document.dependencies.0);
    }
    let installed = document.packages.0.iter().filter(|(_, package)| !package.link);
    let packages = installed.filter_map(|(place, entry)| {
        let (_, name) = place.rsplit_once("node_modules/")?;
        let name = entry.name.as_deref().unwrap_or(name);
        let mut package = package("npm", name, entry.version.as_deref()?)?;
        package.licenses = entry.license.licenses();
        Some(package)
    });
    Some(packages.collect())
}

/// Version 1's tree, flattened while it is read.
#[derive(Default)]
struct Dependencies(Vec<LanguagePackage>);

impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut packages = Vec::new();
        Tree(&mut packages).deserialize(deserializer)?;
        Ok(Self(packages))
    }
}

/// `{"NAME": {"version": …, "dependencies": TREE}}`; the depth is bounded by the reader of JSON.
struct Tree<'a>(&'a mut Vec<LanguagePackage>);

/// What stands behind the name.
struct Node<'a>(String, &'a mut Vec<LanguagePackage>);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of dependencies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key()? {
            map.next_value_seed(Node(name, self.0))?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a dependency")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(name, packages) = self;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" => packages.extend(locked(&name, &map.next_value::<String>()?)),
                "dependencies" => map.next_value_seed(Tree(packages))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if packages.len() > MAX_PACKAGES {
                return Err(A::Error::custom("too many packages"));
            }
        }
        Ok(())
    }
}

/// `1.2.3`, `npm:NAME@1.2.3` (an alias), or the address of something that no registry gave a version.
fn locked(name: &str, version: &str) -> Option<LanguagePackage> {
    let (name, version) =
        version.strip_prefix("npm:").and_then(|rest| rest.rsplit_once('@')).unwrap_or((name, version));
    package("npm", name, version).filter(|package| is_released(&package.version))
}
