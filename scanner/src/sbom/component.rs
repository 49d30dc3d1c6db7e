use std::collections::BTreeMap;

use breakwater_core::{
    inventory::{OperatingSystem, Package, SourcePackage, Unanalysed},
    printable,
};

use super::ecosystem::{advisory_name, ecosystem};
use crate::{
    limits::{MAX_LICENSES, MAX_NAME, MAX_PATH, MAX_VERSION},
    packages::PackageUrl,
};

/// What a document lists, whatever its format.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) os: Option<OperatingSystem>,
    pub(super) components: Vec<Component>,
}

/// One thing that is installed.
#[derive(Debug, Default)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) purl: Option<String>,
    pub(super) licenses: Vec<String>,
    /// The file that told of it, if that is stated.
    pub(super) path: Option<String>,
    /// Its source package, if the document states it apart from the package URL.
    pub(super) source: Option<SourcePackage>,
}

/// Components as packages. Those that cannot be matched are told with their number, by reason.
pub(super) fn packages(listing: &Listing, file: &str) -> (Vec<Package>, Vec<Unanalysed>) {
    let mut packages = Vec::new();
    let mut unread: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for component in &listing.components {
        match package(component, listing.os.as_ref(), file) {
            Ok(package) => packages.push(package),
            Err(reason) => unread.entry(reason).or_insert((0, &component.name)).0 += 1,
        }
    }
    let unread = unread.into_iter().map(|(reason, (count, first))| {
        let first = printable::line(first, 60);
        Unanalysed {
            path: file.to_owned(),
            reason: format!("{reason} ({count} of {}, first {first})", listing.components.len()),
        }
    });
    (packages, unread.collect())
}

fn package(component: &Component, os: Option<&OperatingSystem>, file: &str) -> Result<Package, String> {
    let text = component.purl.as_deref().ok_or("components without a package URL cannot be matched")?;
    let purl: PackageUrl = text.parse().map_err(|error| format!("not matched: {error}"))?;
    let ecosystem = ecosystem(&purl, os)?;
    let stated = if purl.version.is_empty() { &component.version } else { &purl.version };
    if stated.is_empty() {
        return Err("components without a version cannot be matched".into());
    }
    let version = with_epoch(stated, purl.qualifier("epoch"));
    let source = component.source.clone().or_else(|| upstream(&purl, &version));
    Ok(Package {
        name: printable::line(&advisory_name(&purl), MAX_NAME),
        version: printable::line(&version, MAX_VERSION),
        ecosystem,
        purl: printable::line(text, MAX_PATH),
        source,
        imports: Vec::new(),
        licenses: component
            .licenses
            .iter()
            .take(MAX_LICENSES)
            .map(|text| printable::line(text, 120))
            .collect(),
        layer: None,
        path: component
            .path
            .as_deref()
            .map_or_else(|| file.to_owned(), |path| printable::line(path.trim_start_matches('/'), MAX_PATH)),
    })
}

/// dpkg's and rpm's epoch, where it is stated apart (`?epoch=1`).
fn with_epoch(version: &str, epoch: &str) -> String {
    if epoch.is_empty() || epoch == "0" || version.contains(':') {
        return version.to_owned();
    }
    format!("{epoch}:{version}")
}

/// The source package as the qualifier `upstream` (or `source`) states it: `NAME` or `NAME@VERSION`; rpm's is a file name.
fn upstream(purl: &PackageUrl, version: &str) -> Option<SourcePackage> {
    let stated =
        [purl.qualifier("upstream"), purl.qualifier("source")].into_iter().find(|text| !text.is_empty())?;
    let (name, version) = match stated.strip_suffix(".src.rpm") {
        // NAME-VERSION-RELEASE.src.rpm
        Some(file) => (file.rsplitn(3, '-').nth(2)?, version),
        None => stated.split_once('@').unwrap_or((stated, version)),
    };
    let (name, version) = (printable::line(name, MAX_NAME), printable::line(version, MAX_VERSION));
    Some(SourcePackage { name, version })
}
