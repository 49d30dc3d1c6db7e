//! SPDX 2.2 and 2.3, JSON.

use breakwater_core::{inventory::OperatingSystem, printable};
use serde::Deserialize;

use super::component::{Component, Listing};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Document {
    packages: Vec<Raw>,
    document_describes: Vec<String>,
    relationships: Vec<Relationship>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    source_info: String,
    license_concluded: String,
    license_declared: String,
    primary_package_purpose: String,
    external_refs: Vec<Reference>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    reference_type: String,
    reference_locator: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Relationship {
    spdx_element_id: String,
    related_spdx_element: String,
    relationship_type: String,
}

impl Document {
    pub(super) fn listing(self) -> Listing {
        let mut described = self.document_describes;
        let describes = self.relationships.into_iter().filter(|relationship| {
            relationship.relationship_type == "DESCRIBES"
                && relationship.spdx_element_id == "SPDXRef-DOCUMENT"
        });
        described.extend(describes.map(|relationship| relationship.related_spdx_element));
        let mut listing = Listing::default();
        for raw in self.packages {
            let purl = raw.purl();
            match raw.primary_package_purpose.as_str() {
                "OPERATING-SYSTEM" | "OPERATING_SYSTEM" => {
                    listing.os.get_or_insert_with(|| raw.operating_system());
                }
                // What the document describes is no part of it, nor are files and containers.
                "CONTAINER" | "FILE" | "SOURCE" | "ARCHIVE" | "DEVICE" if purl.is_none() => {}
                _ if purl.is_none() && described.contains(&raw.id) => {}
                _ => listing.components.push(raw.component(purl)),
            }
        }
        listing
    }
}

impl Raw {
    fn purl(&self) -> Option<String> {
        let mut purls = self.external_refs.iter().filter(|reference| reference.reference_type == "purl");
        purls.next().map(|reference| reference.reference_locator.clone())
    }

    fn operating_system(&self) -> OperatingSystem {
        let name = format!("{} {}", self.name, self.version_info);
        OperatingSystem {
            id: printable::line(&self.name.to_lowercase(), 60),
            version: printable::line(&self.version_info, 60),
            name: printable::line(name.trim(), 120),
        }
    }

    fn component(self, purl: Option<String>) -> Component {
        let licenses = [self.license_concluded, self.license_declared];
        let license = licenses.into_iter().find(|text| !matches!(text.as_str(), "" | "NOASSERTION" | "NONE"));
        // Syft writes where it found a package into a sentence: "acquired package info from …: a, b".
        let path = self
            .source_info
            .rsplit_once(": ")
            .map(|(_, paths)| paths.split(',').next().unwrap_or(paths).to_owned());
        Component {
            name: self.name,
            version: self.version_info,
            purl,
            licenses: license.into_iter().collect(),
            path: path.filter(|path| path.starts_with('/')),
            source: None,
        }
    }
}
