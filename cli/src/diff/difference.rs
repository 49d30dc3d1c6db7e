//! What changed from one image to another. Pure.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::inventory::{ImageIdentity, Secret, Software};
use breakwater_core::{Finding, Inventory, Severity, SeverityCounts};
use serde::Serialize;

/// One of the two images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) inventory: &'a Inventory,
    /// Absent: nothing was matched.
    pub(super) findings: Option<&'a [Finding]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference<'a> {
    schema_version: u32,
    pub(super) before: Image<'a>,
    pub(super) after: Image<'a>,
    pub(super) packages: Vec<PackageChange<'a>>,
    /// Absent: nothing was matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) findings: Option<Findings<'a>>,
    pub(super) software: Change<&'a Software>,
    pub(super) secrets: Change<&'a Secret>,
    pub(super) config: Vec<ConfigChange>,
    pub(super) layers: Layers,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image<'a> {
    pub(super) image: &'a ImageIdentity,
    /// Of all layers, compressed, in bytes.
    pub(super) size: u64,
    pub(super) packages: usize,
}

/// The versions of one package: none before means added, none after means removed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct PackageChange<'a> {
    pub(super) ecosystem: &'a str,
    pub(super) name: &'a str,
    pub(super) before: Vec<&'a str>,
    pub(super) after: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Findings<'a> {
    pub(super) before: SeverityCounts,
    pub(super) after: SeverityCounts,
    /// The most urgent first.
    pub(super) new: Vec<&'a Finding>,
    pub(super) fixed: Vec<&'a Finding>,
    pub(super) remaining: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change<T> {
    pub(super) added: Vec<T>,
    pub(super) removed: Vec<T>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ConfigChange {
    pub(super) field: &'static str,
    pub(super) before: String,
    pub(super) after: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Layers {
    /// From the bottom, as many are the same.
    pub(super) shared: usize,
    pub(super) before: usize,
    pub(super) after: usize,
}

impl<'a> Difference<'a> {
    pub(super) fn of(before: Side<'a>, after: Side<'a>) -> Self {
        let (was, is) = (before.inventory, after.inventory);
        let layers = was.layers.iter().zip(&is.layers);
        Self {
            schema_version: 1,
            before: Image::of(was),
            after: Image::of(is),
            packages: packages(was, is),
            findings: before.findings.zip(after.findings).map(|(was, is)| Findings::of(was, is)),
            software: change(&was.software, &is.software),
            secrets: change(&was.secrets, &is.secrets),
            config: config(was, is),
            layers: Layers {
                shared: layers.take_while(|(was, is)| was.diff_id == is.diff_id).count(),
                before: was.layers.len(),
                after: is.layers.len(),
            },
        }
    }

    /// The worst severity of the new findings.
    pub(super) fn worst_new(&self) -> Option<Severity> {
        self.findings.as_ref()?.new.iter().map(|finding| finding.severity).max()
    }
}

impl<'a> Image<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let size = inventory.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        Self { image: &inventory.image, size, packages: inventory.packages.len() }
    }
}

impl<'a> Findings<'a> {
    /// A vulnerability of a package is the same whatever the package's version.
    fn of(before: &'a [Finding], after: &'a [Finding]) -> Self {
        let key = |finding: &'a Finding| {
            (finding.id.as_str(), finding.package.ecosystem.as_str(), finding.package.name.as_str())
        };
        let was: BTreeSet<_> = before.iter().map(key).collect();
        let is: BTreeSet<_> = after.iter().map(key).collect();
        Self {
            before: before.iter().map(|finding| finding.severity).collect(),
            after: after.iter().map(|finding| finding.severity).collect(),
            new: after.iter().filter(|finding| !was.contains(&key(finding))).collect(),
            fixed: before.iter().filter(|finding| !is.contains(&key(finding))).collect(),
            remaining: after.iter().filter(|finding| was.contains(&key(finding))).count(),
        }
    }
}

fn packages<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<PackageChange<'a>> {
    let versions = |inventory: &'a Inventory| {
        let mut versions: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for package in &inventory.packages {
            versions.entry((&package.ecosystem, &package.name)).or_default().insert(&package.version);
        }
        versions
    };
    let (was, is) = (versions(before), versions(after));
    let names: BTreeSet<_> = was.keys().chain(is.keys()).copied().collect();
    let of = |versions: &BTreeMap<_, BTreeSet<&'a str>>, name| -> Vec<&'a str> {
        versions.get(&name).into_iter().flatten().copied().collect()
    };
    names
        .into_iter()
        .map(|name| PackageChange {
            ecosystem: name.0,
            name: name.1,
            before: of(&was, name),
            after: of(&is, name),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

fn change<'a, T: Ord>(before: &'a [T], after: &'a [T]) -> Change<&'a T> {
    let (was, is): (BTreeSet<&T>, BTreeSet<&T>) = (before.iter().collect(), after.iter().collect());
    Change { added: is.difference(&was).copied().collect(), removed: was.difference(&is).copied().collect() }
}

fn config(before: &Inventory, after: &Inventory) -> Vec<ConfigChange> {
    let fields = |inventory: &Inventory| {
        let config = &inventory.config;
        let labels: Vec<String> =
            config.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            ("platform", inventory.image.platform.to_string()),
            ("os", inventory.os.as_ref().map_or(String::new(), |os| os.name.clone())),
            ("user", config.user.clone()),
            ("env", config.env.join(" ")),
            ("entrypoint", config.entrypoint.join(" ")),
            ("cmd", config.cmd.join(" ")),
            ("exposedPorts", config.exposed_ports.join(" ")),
            ("volumes", config.volumes.join(" ")),
            ("labels", labels.join(" ")),
        ]
    };
    fields(before)
        .into_iter()
        .zip(fields(after))
        .filter(|(was, is)| was != is)
        .map(|((field, before), (_, after))| ConfigChange { field, before, after })
        .collect()
}
