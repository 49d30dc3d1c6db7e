//! Merged layers → packages, software and what could not be read: the inventory.

use std::collections::{BTreeMap, HashMap, HashSet};

use breakwater_core::{
    Digest,
    inventory::{
        ImageIdentity, Inventory, Layer, OperatingSystem, Package, SCHEMA_VERSION, ScannerIdentity, Software,
        Unanalysed,
    },
};

use super::{ImageDescription, bound::bound, locked::Installed};
use crate::{
    contents::software_of_package,
    layer::{
        Evidence, LayerFacts,
        facts::hash,
        merge::{Merged, merge},
        path::unmerged,
    },
    packages::{
        LanguagePackage, Listing, OsPackage,
        distribution::{Format, ecosystem, package_url},
    },
    secrets::conceal,
};

/// What is known of an image before its layers are read.
#[derive(Debug, Clone)]
pub struct Identity {
    pub reference: String,
    pub digest: Digest,
    pub config_digest: Digest,
    /// Digest and compressed size of each layer, bottom first.
    pub layers: Vec<(Digest, u64)>,
}

/// The inventory of an image whose layers said this. Sorted and bounded; the same layers give the same document.
#[must_use]
pub fn assemble(identity: &Identity, description: &ImageDescription, layers: &[LayerFacts]) -> Inventory {
    let merged = merge(layers);
    let os = operating_system(&merged);
    let mut packages = os_packages(&merged, os.as_ref());
    let mut software: Vec<Software> = merged.software.iter().map(|software| (*software).clone()).collect();
    add_software_of_packages(&mut software, &packages);
    let languages = languages(&merged);
    packages.extend(languages.iter().flat_map(|(path, layer, listing)| {
        listing.packages.iter().map(|package| listed(package, path, merged.digest(*layer)))
    }));
    let mut secrets = description.secrets.clone();
    secrets.extend(merged.secrets.iter().cloned());
    packages.extend(locked_packages(&merged));
    let mut unanalysed = merged.unanalysed.clone();
    unanalysed.extend(unread(&merged, &languages));
    let mut inventory = Inventory {
        schema_version: SCHEMA_VERSION,
        image: ImageIdentity {
            reference: identity.reference.clone(),
            digest: identity.digest.clone(),
            config_digest: identity.config_digest.clone(),
            platform: description.platform.clone(),
            created: description.created,
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: env!("CARGO_PKG_VERSION").into() },
        os,
        base: None,
        layers: described_layers(identity, description),
        packages,
        software,
        files: merged.special,
        secrets,
        config: description.config.clone(),
        unanalysed,
    };
    conceal_paths(&mut inventory);
    bound(&mut inventory);
    inventory
}

/// Whoever writes a token into a file may name a file by it.
fn conceal_paths(inventory: &mut Inventory) {
    let paths = inventory.packages.iter_mut().map(|package| &mut package.path);
    let paths = paths.chain(inventory.software.iter_mut().map(|software| &mut software.path));
    let paths = paths.chain(inventory.files.iter_mut().map(|file| &mut file.path));
    let paths = paths.chain(inventory.secrets.iter_mut().map(|secret| &mut secret.path));
    for path in paths.chain(inventory.unanalysed.iter_mut().map(|item| &mut item.path)) {
        let concealed = conceal("path", path);
        if !concealed.secrets.is_empty() {
            *path = concealed.text;
        }
    }
}

fn described_layers(identity: &Identity, description: &ImageDescription) -> Vec<Layer> {
    let instructions = description.instructions.iter().cloned().chain(std::iter::repeat(String::new()));
    let blobs = identity.layers.iter().zip(&description.diff_ids);
    blobs
        .zip(instructions)
        .map(|(((digest, size), diff_id), created_by)| Layer {
            digest: digest.clone(),
            diff_id: diff_id.clone(),
            size: *size,
            created_by,
        })
        .collect()
}

fn operating_system(merged: &Merged<'_>) -> Option<OperatingSystem> {
    ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| match merged.files.get(path)?.evidence {
        Evidence::OsRelease(os) => Some(os.clone()),
        _ => None,
    })
}

fn os_packages(merged: &Merged<'_>, os: Option<&OperatingSystem>) -> Vec<Package> {
    let branch = merged.files.get("etc/apk/repositories").and_then(|file| match file.evidence {
        Evidence::AlpineBranch(branch) => Some(branch.as_str()),
        _ => None,
    });
    let ecosystem = ecosystem(os, branch);
    let mut out = Vec::new();
    for (path, file) in &merged.files {
        let (format, found) = match file.evidence {
            Evidence::Dpkg(packages) => (Format::Deb, packages),
            Evidence::Apk { packages, .. } => (Format::Apk, packages),
            Evidence::Rpm { packages, .. } => (Format::Rpm, packages),
            _ => continue,
        };
        let origins = origins(merged, path, file.layer);
        out.extend(found.iter().map(|package| Package {
            name: package.name.clone(),
            version: package.version.clone(),
            ecosystem: ecosystem.clone(),
            purl: package_url(format, os, package),
            source: package.source.clone(),
            licenses: licenses(merged, package),
            imports: Vec::new(),
            layer: merged.digest(origins.get(&key(package)).copied().unwrap_or(file.layer)).cloned(),
            path: (*path).to_owned(),
        }));
    }
    out
}

/// What the package says, or its copyright file where it says nothing (dpkg).
fn licenses(merged: &Merged<'_>, package: &OsPackage) -> Vec<String> {
    let file = || merged.files.get(format!("usr/share/doc/{}/copyright", package.name).as_str());
    match package.licenses.is_empty().then(file).flatten().map(|file| file.evidence) {
        Some(Evidence::Copyright(licenses)) => licenses.clone(),
        _ => package.licenses.clone(),
    }
}

type Key<'a> = (&'a str, &'a str, &'a str);

fn key(package: &OsPackage) -> Key<'_> {
    (&package.name, &package.version, &package.architecture)
}

/// A package database is written anew as a whole: a package came with the lowest layer from which on every copy of the database up to
/// the visible one lists it.
fn origins<'a>(merged: &Merged<'a>, path: &str, top: usize) -> BTreeMap<Key<'a>, usize> {
    let mut origins: BTreeMap<Key<'a>, usize> = BTreeMap::new();
    let mut last: Option<usize> = None;
    for (index, layer) in merged.layers.iter().enumerate().take(top + 1).rev() {
        let packages = match layer.files.get(path).and_then(|facts| facts.evidence.as_ref()) {
            Some(
                Evidence::Dpkg(packages) | Evidence::Apk { packages, .. } | Evidence::Rpm { packages, .. },
            ) => packages,
            _ => continue,
        };
        for package in packages {
            let known = origins.get(&key(package)).copied();
            // Only what the next copy above lists goes on; the first copy lists what is visible.
            if last.is_none() || known == last {
                origins.insert(key(package), index);
            }
        }
        last = Some(index);
    }
    origins
}

/// A file that tells of a language's packages: its path, its layer and what it tells.
type Told<'a> = (&'a str, usize, &'a Listing);

/// All of them, but for those that a distribution's package brought: they are that package.
fn languages<'a>(merged: &Merged<'a>) -> Vec<Told<'a>> {
    let found = || {
        merged.files.iter().filter_map(|(path, file)| match file.evidence {
            Evidence::Language(listing) => Some((*path, file.layer, listing)),
            _ => None,
        })
    };
    let owned = owned(merged, found().map(|(path, ..)| unmerged(path)).collect());
    found().filter(|(path, ..)| !owned.contains(unmerged(path))).collect()
}

/// What lock files name and is not known to be installed, or to have been left out.
fn locked_packages(merged: &Merged<'_>) -> Vec<Package> {
    let files = || merged.files.iter().map(|(path, file)| (*path, file.layer, file.evidence));
    let installed = Installed::of(files().filter_map(|(path, _, evidence)| match evidence {
        Evidence::Language(listing) => Some((path, listing.packages.as_slice())),
        _ => None,
    }));
    let locks = files().filter_map(|(path, layer, evidence)| match evidence {
        Evidence::Locked(lock, packages) => Some((path, layer, *lock, packages)),
        _ => None,
    });
    let remaining = locks.filter(|(path, _, lock, packages)| !installed.has_tree(path, *lock, packages));
    remaining
        .flat_map(|(path, layer, lock, packages)| {
            packages.iter().map(move |package| (path, layer, lock, package))
        })
        .filter(|(.., lock, package)| !installed.outdoes(*lock, package))
        .map(|(path, layer, _, package)| listed(package, path, merged.digest(layer)))
        .collect()
}

fn listed(package: &LanguagePackage, path: &str, layer: Option<&Digest>) -> Package {
    Package {
        name: package.name.clone(),
        version: package.version.clone(),
        ecosystem: package.ecosystem.into(),
        purl: package.purl.clone(),
        source: None,
        licenses: package.licenses.clone(),
        imports: package.imports.clone(),
        layer: layer.cloned(),
        path: inside(path, &package.within),
    }
}

/// A place within the file at `path`, as Java writes it.
fn inside(path: &str, within: &str) -> String {
    if within.is_empty() { path.to_owned() } else { format!("{path}!/{within}") }
}

/// Those of `candidates` that a distribution's package lists as its own.
fn owned<'a>(merged: &Merged<'a>, candidates: HashSet<&'a str>) -> HashSet<&'a str> {
    let by_hash: HashMap<u64, &str> = candidates.iter().map(|path| (hash(path), *path)).collect();
    let mut owned = HashSet::new();
    for file in merged.files.values() {
        match file.evidence {
            Evidence::DpkgFiles(files) | Evidence::Apk { files, .. } => {
                owned.extend(files.lines().filter_map(|line| candidates.get(unmerged(line)).copied()));
            }
            Evidence::Rpm { files, .. } => {
                owned.extend(files.iter().filter_map(|path| by_hash.get(path).copied()));
            }
            _ => {}
        }
    }
    owned
}

/// A package stands for its program where the program itself was not seen.
pub(crate) fn add_software_of_packages(software: &mut Vec<Software>, packages: &[Package]) {
    let seen: HashSet<(_, String)> = software.iter().map(|item| (item.set, item.name.clone())).collect();
    let by_package = packages.iter().filter_map(|package| {
        let (set, name) = software_of_package(&package.name)?;
        let is_new = !seen.contains(&(set, name.to_owned()));
        is_new.then(|| Software { set, name: name.to_owned(), path: format!("/{}", package.path) })
    });
    software.extend(by_package.collect::<Vec<_>>());
}

/// Files that were not read: one line for each reason, or each file where few share it.
fn unread(merged: &Merged<'_>, languages: &[Told<'_>]) -> Vec<Unanalysed> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &merged.files {
        if let Evidence::Unread(reason) | Evidence::Rpm { damage: Some(reason), .. } = file.evidence {
            reasons.entry(reason).or_default().push((*path).to_owned());
        }
    }
    for (path, _, listing) in languages {
        for item in &listing.unread {
            reasons.entry(&item.reason).or_default().push(inside(path, &item.path));
        }
    }
    let mut out = Vec::new();
    for (reason, paths) in reasons {
        let listed =
            paths.iter().take(10).map(|path| Unanalysed { path: path.clone(), reason: reason.to_owned() });
        out.extend(listed);
        if paths.len() > 10 {
            let others = paths.len() - 10;
            out.push(Unanalysed { path: "…".into(), reason: format!("{reason} ({others} more files)") });
        }
    }
    out
}
