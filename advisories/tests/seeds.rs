//! The seeds of the fuzz targets about advisories, in every test run: nothing panics, and those named `good-…` are understood.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use breakwater_advisories::changes::Listing;
use breakwater_advisories::{BuildInput, Index, VersionOrder, build, epss, match_inventory};
use breakwater_core::Inventory;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

/// Runs each seed of `target` through `is_understood`.
fn seeds(target: &str, is_understood: impl Fn(&[u8]) -> bool) {
    for_paths(target, |path| is_understood(&std::fs::read(path).unwrap()));
}

fn for_paths(target: &str, is_understood: impl Fn(&Path) -> bool) {
    let mut count = 0;
    for entry in std::fs::read_dir(directory().join(target)).unwrap() {
        let path = entry.unwrap().path();
        let is_good = path.file_name().unwrap().to_str().unwrap().starts_with("good-");
        assert!(is_understood(&path) || !is_good, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{target}");
}

fn is_built(extension: &str, bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join(format!("source.{extension}"));
    let out = directory.path().join("index");
    std::fs::write(&source, bytes).unwrap();
    let built = build(BuildInput::new(&source, &out), 1, chrono::DateTime::UNIX_EPOCH).is_ok();
    built && Index::open(&out).unwrap().walk().is_ok()
}

#[test]
fn records_and_archives() {
    seeds("osv", |bytes| is_built("json", bytes));
    seeds("osvzip", |bytes| is_built("zip", bytes));
}

/// What an index joins to its records: built, and with the one record's CVE in it: the file is another than without.
#[test]
fn joined() {
    let record = directory().join("osv/good-go.json");
    let index = |kev: Option<&Path>, severities: &[PathBuf]| {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("index");
        let input = BuildInput { kev, severities, ..BuildInput::new(&record, &out) };
        build(input, 1, chrono::DateTime::UNIX_EPOCH).ok()?;
        Index::open(&out).unwrap().walk().unwrap();
        Some(std::fs::read(&out).unwrap())
    };
    let alone = index(None, &[]);
    let is_joined = |index: Option<Vec<u8>>| index.is_some() && index != alone;
    for_paths("kev", |path| is_joined(index(Some(path), &[])));
    for_paths("ratings", |path| is_joined(index(None, &[path.to_owned()])));
}

#[test]
fn lists() {
    seeds("modified", |bytes| {
        Listing::parse(bytes).is_some_and(|listing| {
            let as_of = "2026-08-02T12:00:00Z".parse().unwrap();
            listing.changes(as_of, &HashSet::from(["GHSA-changed".to_owned()])).changed == ["GHSA-new"]
        })
    });
    seeds("epss", |bytes| epss::parse(bytes).is_some_and(|percentiles| percentiles["CVE-2021-44228"] == 99));
}

#[test]
fn indexes() {
    let inventory: Inventory =
        serde_json::from_slice(&std::fs::read(directory().join("index.inventory.json")).unwrap()).unwrap();
    seeds("index", |bytes| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index");
        let mut forged = bytes.to_vec();
        let checksum = twox_hash::XxHash3_64::oneshot(&forged[24..]).to_le_bytes();
        forged[16..24].copy_from_slice(&checksum);
        std::fs::write(&path, forged).unwrap();
        Index::open(&path).is_ok_and(|index| {
            let found = match_inventory(&index, &inventory).findings;
            index.walk().is_ok() && found.iter().any(|finding| finding.id == "CVE-1")
        })
    });
}

#[test]
fn versions() {
    seeds("versions", |bytes| {
        let text = std::str::from_utf8(bytes).unwrap();
        let versions: Vec<&str> = text.lines().collect();
        VersionOrder::ALL.iter().all(|order| {
            let mut sorted = versions.clone();
            sorted.sort_by(|left, right| order.compare(left, right));
            sorted.windows(2).all(|pair| order.compare(pair[0], pair[1]).is_le())
        })
    });
}
