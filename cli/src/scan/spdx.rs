//! SPDX 2.3 in JSON (ISO/IEC 5962): what is inside.

use breakwater_core::inventory::Package;
use breakwater_core::printable::line;
use serde_json::{Value, json};

use super::identity::uuid;
use super::licence::conjunction;
use super::member::put;
use super::report::Report;

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const OS: &str = "SPDXRef-OperatingSystem";
const NOASSERTION: &str = "NOASSERTION";

pub(super) fn render(report: &Report<'_>) -> Value {
    let inventory = report.inventory;
    let image = &inventory.image;
    let name = line(&image.reference, 600);
    let mut packages = vec![package(
        json!({"SPDXID": IMAGE, "name": name, "versionInfo": image.digest, "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": image.digest.hex()}]}),
        None,
    )];
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", IMAGE)];
    if let Some(os) = &inventory.os {
        let os = json!({"SPDXID": OS, "name": line(&os.id, 200), "versionInfo": line(&os.version, 200),
            "summary": line(&os.name, 200), "primaryPackagePurpose": "OPERATING_SYSTEM"});
        packages.push(package(os, None));
        relationships.push(relationship(IMAGE, "CONTAINS", OS));
    }
    for (place, inside) in inventory.packages.iter().enumerate() {
        let id = format!("SPDXRef-Package-{place}");
        relationships.push(relationship(IMAGE, "CONTAINS", &id));
        packages.push(listed(&id, inside));
    }
    let unread: Vec<String> =
        report.unanalysed().map(|item| line(&format!("{}: {}", item.path, item.reason), 1000)).collect();
    let comment =
        if unread.is_empty() { String::new() } else { format!("Not analysed:\n{}", unread.join("\n")) };
    let tool = format!("Tool: {}-{}", inventory.scanner.name, inventory.scanner.version);
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": name,
        "creationInfo": {"created": report.dated(), "creators": [tool]},
        "documentDescribes": [IMAGE],
        "packages": packages,
        "relationships": relationships,
    });
    if !comment.is_empty() {
        put(&mut document, "comment", json!(comment));
    }
    let uuid = uuid(&document);
    put(&mut document, "documentNamespace", json!(format!("https://breakwater.dev/spdx/{uuid}")));
    document
}

fn listed(id: &str, inside: &Package) -> Value {
    let layer = inside.layer.as_ref().map_or(String::new(), |layer| format!(" in layer {layer}"));
    let mut entry = json!({"SPDXID": id, "name": line(&inside.name, 500),
        "sourceInfo": line(&format!("found by {}{layer}", inside.path), 1000)});
    if !inside.version.is_empty() {
        put(&mut entry, "versionInfo", json!(line(&inside.version, 500)));
    }
    if !inside.purl.is_empty() {
        put(
            &mut entry,
            "externalRefs",
            json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": inside.purl}]),
        );
    }
    let declared = conjunction(&inside.licenses);
    if declared.is_none() && !inside.licenses.is_empty() {
        let words = line(&inside.licenses.join("; "), 1000);
        put(&mut entry, "licenseComments", json!(format!("The package says: {words}")));
    }
    package(entry, declared)
}

/// Adds what every package must say.
fn package(mut entry: Value, declared: Option<String>) -> Value {
    put(&mut entry, "downloadLocation", json!(NOASSERTION));
    put(&mut entry, "filesAnalyzed", json!(false));
    put(&mut entry, "licenseConcluded", json!(NOASSERTION));
    put(&mut entry, "licenseDeclared", json!(declared.as_deref().unwrap_or(NOASSERTION)));
    put(&mut entry, "copyrightText", json!(NOASSERTION));
    entry
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}
