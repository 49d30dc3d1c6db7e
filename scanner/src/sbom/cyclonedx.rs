//! CycloneDX 1.4 to 1.6, JSON.

use breakwater_core::{
    inventory::{OperatingSystem, SourcePackage},
    printable,
};
use serde::Deserialize;

use super::component::{Component, Listing};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Document {
    metadata: Metadata,
    components: Vec<Raw>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    component: Option<Raw>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    version: Option<String>,
    purl: Option<String>,
    licenses: Vec<RawLicense>,
    properties: Vec<Property>,
    evidence: Option<Evidence>,
    components: Vec<Raw>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawLicense {
    expression: Option<String>,
    license: Option<NamedLicense>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedLicense {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Property {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Evidence {
    occurrences: Vec<Occurrence>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Occurrence {
    location: String,
}

impl Document {
    pub(super) fn listing(self) -> Listing {
        let mut listing = Listing::default();
        // What the document describes is no part of it; its own parts are.
        let subject = self.metadata.component.map(|component| component.components).unwrap_or_default();
        let mut waiting: Vec<Raw> = self.components;
        waiting.extend(subject);
        while let Some(mut raw) = waiting.pop() {
            waiting.append(&mut raw.components);
            match raw.kind.as_str() {
                "operating-system" => {
                    listing.os.get_or_insert_with(|| raw.operating_system());
                }
                "library" | "framework" | "application" => listing.components.push(raw.component()),
                // A container, file or device is no package unless it says so.
                _ if raw.purl.is_some() => listing.components.push(raw.component()),
                _ => {}
            }
        }
        listing
    }
}

impl Raw {
    fn operating_system(&self) -> OperatingSystem {
        let version = self.version.as_deref().unwrap_or_default();
        let name = format!("{} {version}", self.name);
        OperatingSystem {
            id: printable::line(&self.name.to_lowercase(), 60),
            version: printable::line(version, 60),
            name: printable::line(name.trim(), 120),
        }
    }

    fn component(self) -> Component {
        let path = self.path();
        let source = self.source();
        let licenses = self.licenses.into_iter().filter_map(|license| {
            license.expression.or_else(|| license.license.and_then(|license| license.id.or(license.name)))
        });
        Component {
            licenses: licenses.collect(),
            name: self.name,
            version: self.version.unwrap_or_default(),
            purl: self.purl,
            path,
            source,
        }
    }

    fn property(&self, name: &str) -> Option<&str> {
        let mut found = self.properties.iter().filter(|property| property.name == name);
        found.next().map(|property| property.value.as_str()).filter(|value| !value.is_empty())
    }

    /// Where the component was found: the standard's occurrence, or what common generators write in its place.
    fn path(&self) -> Option<String> {
        let stated = self.evidence.iter().flat_map(|evidence| &evidence.occurrences);
        let stated =
            stated.map(|occurrence| occurrence.location.as_str()).find(|location| !location.is_empty());
        let path = stated
            .or_else(|| self.property("syft:location:0:path"))
            .or_else(|| self.property("aquasecurity:trivy:FilePath"));
        path.map(str::to_owned)
    }

    /// Trivy states the source package in properties, not in the package URL.
    fn source(&self) -> Option<SourcePackage> {
        let part = |name: &str| self.property(&format!("aquasecurity:trivy:{name}"));
        let name = printable::line(part("SrcName")?, 256);
        let epoch = part("SrcEpoch").filter(|epoch| *epoch != "0").map(|epoch| format!("{epoch}:"));
        let release = part("SrcRelease").map(|release| format!("-{release}"));
        let version =
            format!("{}{}{}", epoch.unwrap_or_default(), part("SrcVersion")?, release.unwrap_or_default());
        Some(SourcePackage { name, version: printable::line(&version, 128) })
    }
}
