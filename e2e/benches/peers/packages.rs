//! Packages as both sides list them, brought to one form.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// Family (the package URL's type), full name, version.
pub(crate) type Package = (String, String, String);

/// A package, and the places where it was seen.
pub(crate) type Packages = BTreeMap<Package, BTreeSet<String>>;

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("an output")).expect("JSON")
}

pub(crate) fn breakwater(path: &Path) -> Packages {
    let mut found = Packages::new();
    for package in read(path)["packages"].as_array().expect("packages") {
        let Some(key) = package["purl"].as_str().and_then(parse) else { continue };
        let place = package["path"].as_str().unwrap_or_default();
        found.entry(key).or_default().insert(place.to_owned());
    }
    found
}

pub(crate) fn syft(path: &Path) -> Packages {
    let mut found = Packages::new();
    for package in read(path)["artifacts"].as_array().expect("artifacts") {
        let Some(key) = package["purl"].as_str().and_then(parse) else { continue };
        let place = package["locations"][0]["path"].as_str().unwrap_or_default();
        found.entry(key).or_default().insert(place.trim_start_matches('/').to_owned());
    }
    found
}

/// `pkg:type/namespace/name@version?qualifiers#subpath` without qualifiers and subpath.
fn parse(purl: &str) -> Option<Package> {
    let text = purl.strip_prefix("pkg:")?.split(['?', '#']).next()?;
    let (kind, rest) = text.split_once('/')?;
    // A scope's own `@` is written `%40`, and a version has no slash that is not written `%2F`.
    let (name, version) = rest.rsplit_once('@').unwrap_or((rest, ""));
    Some((kind.to_owned(), decode(name), decode(version)))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn families(packages: &Packages) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (family, ..) in packages.keys() {
        *counts.entry(family.as_str()).or_default() += 1;
    }
    counts
}

/// In each family that both know: what only one of them has.
pub(crate) fn print_differences(ours: &Packages, theirs: &Packages) {
    let (our_families, their_families) = (families(ours), families(theirs));
    let all: BTreeSet<&str> = our_families.keys().chain(their_families.keys()).copied().collect();
    println!("\n{:<12}{:>12}{:>8}", "distinct", "breakwater", "syft");
    for family in &all {
        let count = |of: &BTreeMap<&str, usize>| of.get(family).copied().unwrap_or(0);
        println!("{family:<12}{:>12}{:>8}", count(&our_families), count(&their_families));
    }
    only("Syft", theirs, ours, &our_families);
    only("breakwater", ours, theirs, &their_families);
}

fn only(whose: &str, these: &Packages, others: &Packages, shared: &BTreeMap<&str, usize>) {
    let only: Vec<_> = these
        .iter()
        .filter(|(key, _)| shared.contains_key(key.0.as_str()) && !others.contains_key(*key))
        .collect();
    println!("only {whose} has, of families that both know: {}", only.len());
    for ((family, name, version), places) in only {
        let place = places.first().map_or("", String::as_str);
        println!("  {family} {name} {version}  {place}");
    }
}
