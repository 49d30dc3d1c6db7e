//! CycloneDX 1.6 in JSON (ECMA-424): what is inside, and what is known about it.

use std::collections::{BTreeMap, HashMap};

use breakwater_core::inventory::Package;
use breakwater_core::printable::line;
use breakwater_core::{Digest, Finding, ImageReference, Severity};
use serde_json::{Map, Value, json};

use super::identity::uuid;
use super::licence::Licence;
use super::member::put;
use super::report::{Report, said_by};

const IMAGE: &str = "image";
/// How many upgrades one recommendation names.
const MAX_UPGRADES: usize = 10;

pub(super) fn render(report: &Report<'_>) -> Value {
    let inventory = report.inventory;
    let packages = &inventory.packages;
    let reference = |place: usize| format!("package-{place}");
    let mut components: Vec<Value> =
        packages.iter().enumerate().map(|(place, package)| component(&reference(place), package)).collect();
    if let Some(os) = &inventory.os {
        components.push(json!({"type": "operating-system", "bom-ref": "os", "name": line(&os.id, 200),
            "version": line(&os.version, 200), "description": line(&os.name, 200)}));
    }
    let inside: Vec<&Value> = components.iter().filter_map(|component| component.get("bom-ref")).collect();
    let unread: Vec<Value> = report
        .unanalysed()
        .map(|item| property("unanalysed", &format!("{}: {}", item.path, item.reason)))
        .collect();
    let revision =
        report.advisories.map(|index| property("advisories-revision", &index.revision.to_string()));
    let whole = if unread.is_empty() { "unknown" } else { "incomplete" };
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": report.dated(),
            "tools": {"components": [{"type": "application", "name": inventory.scanner.name, "version": inventory.scanner.version}]},
            "component": image(report),
            "properties": revision.into_iter().chain(unread).collect::<Vec<_>>(),
        },
        "components": components,
        "dependencies": [{"ref": IMAGE, "dependsOn": inside}],
        "compositions": [{"aggregate": whole, "assemblies": [IMAGE]}],
    });
    if report.advisories.is_some() {
        put(&mut document, "vulnerabilities", vulnerabilities(report, &reference));
    }
    let serial = uuid(&document);
    put(&mut document, "serialNumber", json!(format!("urn:uuid:{serial}")));
    document
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("breakwater:{name}"), "value": line(value, 1000)})
}

/// The image itself: a container, by its manifest's digest.
fn image(report: &Report<'_>) -> Value {
    let image = &report.inventory.image;
    let mut properties = vec![
        property("platform", &image.platform.to_string()),
        property("config-digest", &image.config_digest.to_string()),
    ];
    properties
        .extend(report.inventory.layers.iter().map(|layer| property("layer", &layer.digest.to_string())));
    let mut component = json!({
        "type": "container",
        "bom-ref": IMAGE,
        "name": line(&image.reference, 600),
        "version": image.digest,
        "hashes": [sha256(&image.digest)],
        "properties": properties,
    });
    if let Ok(reference) = image.reference.parse() {
        put(&mut component, "purl", json!(package_url(&reference, &image.digest)));
    }
    component
}

fn sha256(digest: &Digest) -> Value {
    json!({"alg": "SHA-256", "content": digest.hex()})
}

/// The purl of an image (type `oci`): its last name, its digest, and where it is served.
fn package_url(reference: &ImageReference, digest: &Digest) -> String {
    let name = reference.repository.rsplit('/').next().unwrap_or_default();
    let tag = reference.tag.as_ref().map_or(String::new(), |tag| format!("&tag={tag}"));
    let place = reference.name().replace('/', "%2F");
    format!("pkg:oci/{name}@sha256%3A{}?repository_url={place}{tag}", digest.hex())
}

fn component(reference: &str, package: &Package) -> Value {
    let mut properties = vec![property("path", &package.path), property("ecosystem", &package.ecosystem)];
    properties.extend(package.layer.as_ref().map(|layer| property("layer", &layer.to_string())));
    if let Some(source) = &package.source {
        properties.push(property("source-name", &source.name));
        properties.push(property("source-version", &source.version));
    }
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| component.insert(key.to_owned(), value);
    put("type", json!("library"));
    put("bom-ref", json!(reference));
    put("name", json!(line(&package.name, 500)));
    if !package.version.is_empty() {
        put("version", json!(line(&package.version, 500)));
    }
    if !package.purl.is_empty() {
        put("purl", json!(package.purl));
    }
    if !package.licenses.is_empty() {
        put("licenses", licences(&package.licenses));
    }
    put("properties", json!(properties));
    Value::Object(component)
}

/// A list of licences, or one expression: the schema has no third way.
fn licences(licences: &[String]) -> Value {
    if let [one] = licences
        && let Licence::Expression(expression) = Licence::of(one)
    {
        return json!([{"expression": expression}]);
    }
    let entry = |licence: &String| match Licence::of(licence) {
        Licence::Id(id) => json!({"license": {"id": id}}),
        Licence::Expression(name) | Licence::Named(name) => json!({"license": {"name": name}}),
    };
    Value::Array(licences.iter().map(entry).collect())
}

/// One entry per vulnerability, with all packages that it affects.
fn vulnerabilities(report: &Report<'_>, reference: &impl Fn(usize) -> String) -> Value {
    let mut places: HashMap<(&str, &str, &str), Vec<usize>> = HashMap::new();
    for (place, package) in report.inventory.packages.iter().enumerate() {
        places.entry((&package.ecosystem, &package.name, &package.version)).or_default().push(place);
    }
    let mut by_id: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        by_id.entry(&finding.id).or_default().push(finding);
    }
    let entry = |(id, findings): (&str, Vec<&Finding>)| {
        let affects: Vec<Value> = findings
            .iter()
            .flat_map(|finding| {
                let package = &finding.package;
                let key = (package.ecosystem.as_str(), package.name.as_str(), package.version.as_str());
                places.get(&key).into_iter().flatten().map(|place| {
                    let version = json!({"version": line(&package.version, 500), "status": "affected"});
                    json!({"ref": reference(*place), "versions": [version]})
                })
            })
            .collect();
        vulnerability(id, &findings, affects)
    };
    Value::Array(by_id.into_iter().map(entry).collect())
}

/// `findings` are all of `id`, the most urgent first: its rating is the entry's.
fn vulnerability(id: &str, findings: &[&Finding], affects: Vec<Value>) -> Value {
    let Some(worst) = findings.first() else { return Value::Null };
    let mut rating =
        json!({"source": {"name": said_by(worst.severity_source)}, "severity": severity(worst.severity)});
    if let Some(tenths) = worst.cvss_tenths {
        put(&mut rating, "score", json!(f64::from(tenths) / 10.0));
    }
    let mut entry = json!({
        "bom-ref": format!("vulnerability-{id}"),
        "id": id,
        "source": {"name": database(id), "url": url(id)},
        "ratings": [rating],
        "affects": affects,
        "properties": [property("known-exploited", if worst.known_exploited { "true" } else { "false" })],
    });
    let references: Vec<Value> = worst
        .aliases
        .iter()
        .map(|alias| json!({"id": alias, "source": {"name": database(alias), "url": url(alias)}}))
        .collect();
    if !references.is_empty() {
        put(&mut entry, "references", json!(references));
    }
    if !worst.summary.is_empty() {
        put(&mut entry, "description", json!(line(&worst.summary, 1000)));
    }
    if let Some(published) = worst.published.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
    {
        put(&mut entry, "published", json!(published.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
    }
    let mut upgrades: Vec<String> = findings
        .iter()
        .filter_map(|finding| Some(format!("{} to {}", finding.package.name, finding.fixed.as_ref()?)))
        .collect();
    upgrades.sort_unstable();
    upgrades.dedup();
    upgrades.truncate(MAX_UPGRADES);
    if !upgrades.is_empty() {
        put(&mut entry, "recommendation", json!(line(&format!("Upgrade {}", upgrades.join(", ")), 1000)));
    }
    entry
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Unknown => "unknown",
    }
}

/// Who keeps the advisory: OSV has all of them, under their own ids.
fn database(id: &str) -> &str {
    if id.starts_with("CVE-") { "CVE" } else { id.split('-').next().unwrap_or("OSV") }
}

/// Where people read about a vulnerability.
pub(super) fn url(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let id: String = id.chars().filter(|c| plain(*c)).collect();
    format!("https://osv.dev/vulnerability/{id}")
}
