//! Images that differ as real ones do: one inventory that was read from a real image, with other digests, some packages left out and others
//! of another version.

use std::{collections::BTreeSet, fs, path::Path};

use breakwater_core::{
    Digest, Inventory,
    inventory::{Package, SourcePackage},
};

/// Findings that every image has at least.
const FINDINGS: usize = 300;
/// One package in so many is left out of an image, one in so many has another version.
const VARIED: u8 = 8;

/// An ecosystem and the name that its advisories use.
pub(crate) type Subject = (String, String);

#[derive(Debug)]
pub(crate) struct Images {
    inventories: Vec<Inventory>,
    /// What advisories can be about, sorted.
    subjects: Vec<Subject>,
    /// The one that every image has.
    common: Subject,
    per_subject: usize,
}

impl Images {
    pub(crate) fn new(base: &Inventory, count: usize) -> Self {
        let common = subject(base.packages.first().expect("the image has packages"));
        let inventories: Vec<_> = (0..count).map(|number| variant(base, number, &common)).collect();
        let least = inventories.iter().map(|inventory| subjects(inventory).len()).min().expect("some images");
        let per_subject = FINDINGS.div_ceil(least);
        Self { subjects: subjects(base).into_iter().collect(), inventories, common, per_subject }
    }

    /// Advisories for each of [`Images::subjects`], so that every image has the findings it must.
    pub(crate) fn per_subject(&self) -> usize {
        self.per_subject
    }

    pub(crate) fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    pub(crate) fn common(&self) -> &Subject {
        &self.common
    }

    pub(crate) fn least_findings(&self) -> usize {
        let subjects = self.inventories.iter().map(|inventory| subjects(inventory).len());
        subjects.min().unwrap_or_default() * self.per_subject
    }

    /// A reference by digest, as pods have it.
    pub(crate) fn reference(&self, number: usize) -> String {
        let number = number % self.inventories.len();
        format!("registry.test:5000/bench/image-{number}@{}", self.inventories[number].image.digest)
    }

    /// Writes every inventory as the operator's `file` store keeps those that everyone may use: `inventory/<digest>.zst`.
    pub(crate) fn store(&self, directory: &Path) {
        let place = directory.join("inventory");
        fs::create_dir_all(&place).expect("a directory");
        for inventory in &self.inventories {
            let content = serde_json::to_vec(inventory).expect("it can be written");
            let packed = zstd::bulk::compress(&content, 3).expect("it can be compressed");
            fs::write(place.join(format!("{}.zst", inventory.image.digest.hex())), packed).expect("it fits");
        }
    }
}

fn variant(base: &Inventory, number: usize, common: &Subject) -> Inventory {
    let mut inventory = base.clone();
    let digest = |what: &str| Digest::of(format!("{what} {number}").as_bytes());
    inventory.image.reference = format!("registry.test:5000/bench/image-{number}:1");
    inventory.image.digest = digest("manifest");
    inventory.image.config_digest = digest("configuration");
    if let Some(layer) = inventory.layers.last_mut() {
        layer.digest = digest("layer");
        layer.diff_id = digest("content");
    }
    let last = inventory.layers.last().map(|layer| layer.digest.clone());
    let known: BTreeSet<Digest> = inventory.layers.iter().map(|layer| layer.digest.clone()).collect();
    inventory.packages.retain_mut(|package| {
        if package.layer.as_ref().is_some_and(|layer| !known.contains(layer)) {
            package.layer.clone_from(&last);
        }
        let chance = Digest::of(format!("{} {number}", package.name).as_bytes()).as_bytes()[0] % VARIED;
        if chance == 1 {
            package.version.push_str(&format!("+{}", number % 50));
        }
        chance != 0 || subject(package) == *common
    });
    inventory
}

fn subjects(inventory: &Inventory) -> BTreeSet<Subject> {
    inventory.packages.iter().map(subject).collect()
}

/// Distributions' advisories speak of source packages.
fn subject(package: &Package) -> Subject {
    let name = package.source.as_ref().map_or(&package.name, |SourcePackage { name, .. }| name);
    (package.ecosystem.clone(), name.clone())
}
