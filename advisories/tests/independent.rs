//! A second matcher, written from the specifications alone and sharing no code with the first: OSV's JSON straight from the archives,
//! naive loops, its own version comparisons. Over aged package lists both must name the same vulnerabilities for the same packages.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use breakwater_advisories::{BuildInput, Index, build, match_inventory};
use breakwater_core::Inventory;
use independent_matcher::{Installed, Kind, Matcher};
use serde_json::json;

mod independent_matcher;

/// Vulnerability and package.
type Found = BTreeSet<(String, String)>;

fn aged(name: &str, ecosystem: &str, kind: Kind) -> Vec<Installed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/aged").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        Installed {
            ecosystem: ecosystem.to_owned(),
            name: fields[0].to_owned(),
            version: fields[1].to_owned(),
            source: fields[2].to_owned(),
            source_version: fields[3].to_owned(),
            module: fields.get(4).unwrap_or(&"").to_string(),
            kind,
        }
    })
    .collect()
}

fn inventory(packages: &[Installed]) -> Inventory {
    let digest = format!("sha256:{}", "0".repeat(64));
    let packages: Vec<_> = packages
        .iter()
        .map(|package| {
            let purl = match package.module.as_str() {
                "" => String::new(),
                module => format!("pkg:rpm/almalinux/{}?rpmmod={}", package.name, module.replace(':', "%3A")),
            };
            json!({"name": package.name, "version": package.version, "ecosystem": package.ecosystem, "purl": purl, "path": "",
                "source": {"name": package.source, "version": package.source_version}})
        })
        .collect();
    serde_json::from_value(json!({
        "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
        "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
        "layers": [], "software": [], "config": {}, "unanalysed": [], "packages": packages
    }))
    .unwrap()
}

fn ours(index: &Index, packages: &[Installed]) -> Found {
    let matches = match_inventory(index, &inventory(packages));
    assert!(matches.unanalysed.is_empty(), "{:?}", matches.unanalysed);
    matches.findings.into_iter().map(|finding| (finding.id, finding.package.name)).collect()
}

fn index_of(osv: &Path) -> (tempfile::TempDir, Index) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("index");
    build(BuildInput::new(osv, &out), 1, chrono::DateTime::UNIX_EPOCH).unwrap();
    (directory, Index::open(&out).unwrap())
}

fn compare(osv: &Path, lists: &[(&str, Vec<Installed>)], at_least: usize) {
    let (_directory, index) = index_of(osv);
    let matcher = Matcher::read(osv);
    for (name, packages) in lists {
        let (ours, theirs) = (ours(&index, packages), matcher.judge(packages));
        let ids: BTreeSet<&String> = theirs.iter().map(|(id, _)| id).collect();
        println!("{name}: {} packages, {} ids, {} findings", packages.len(), ids.len(), theirs.len());
        let missed: Vec<_> = theirs.difference(&ours).take(20).collect();
        let invented: Vec<_> = ours.difference(&theirs).take(20).collect();
        assert!(missed.is_empty() && invented.is_empty(), "{name}: missed {missed:?}, invented {invented:?}");
        assert!(ids.len() >= at_least, "{name}: {} ids", ids.len());
    }
}

fn lists() -> Vec<(&'static str, Vec<Installed>)> {
    vec![
        ("dpkg", aged("debian-10.tsv", "Debian:10", Kind::Dpkg)),
        ("apk", aged("alpine-3.9.tsv", "Alpine:v3.9", Kind::Apk)),
        ("rpm", aged("almalinux-8.tsv", "AlmaLinux:8", Kind::Rpm)),
    ]
}

#[test]
fn aged_images_have_the_ids_that_a_second_matcher_finds() {
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/aged/osv"), &lists(), 50);
}

/// How many packages of an ecosystem are judged unless `ADVISORIES_DIR` asks for all, which takes minutes.
const SAMPLE: usize = 1_500;

/// The whole data, where it is beside the repository (or `ADVISORIES_DIR` names it): distribution packages at versions that any
/// record calls fixed. Packages of which a record names a version outside of the grammar (`1.7.5.-r1`) are left out: there is no right answer.
#[test]
fn every_version_that_the_whole_data_names_is_judged_alike() {
    let folder = std::env::var_os("ADVISORIES_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/advisories"), PathBuf::from);
    let osv = folder.join("osv");
    if !osv.is_dir() {
        println!("{} is not there: nothing compared", osv.display());
        return;
    }
    let matcher = Matcher::read(&osv);
    let versions = matcher.fixed_versions();
    let is_odd = |version: &str| !independent_matcher::is_apk(version);
    let odd: BTreeSet<(String, String)> =
        versions.iter().filter(|(_, _, v)| is_odd(v)).map(|(e, name, _)| (e.clone(), name.clone())).collect();
    let mut by_ecosystem: BTreeMap<String, Vec<Installed>> = BTreeMap::new();
    for (ecosystem, name, version) in versions {
        let kind = match ecosystem.split(':').next().unwrap() {
            "Debian" => Kind::Dpkg,
            "Alpine" => Kind::Apk,
            "AlmaLinux" => Kind::Rpm,
            _ => continue,
        };
        if kind == Kind::Apk && odd.contains(&(ecosystem.clone(), name.clone())) {
            continue;
        }
        by_ecosystem.entry(ecosystem.clone()).or_default().push(Installed {
            ecosystem,
            // A finding names its package: one name for each version keeps them apart.
            name: if kind == Kind::Rpm { name.clone() } else { format!("{name}={version}") },
            version: version.clone(),
            source: name,
            source_version: version,
            module: String::new(),
            kind,
        });
    }
    let (_directory, index) = index_of(&osv);
    let everything = std::env::var_os("ADVISORIES_DIR").is_some();
    for (ecosystem, mut packages) in by_ecosystem {
        let stride = if everything { 1 } else { packages.len().div_ceil(SAMPLE) };
        packages = packages.into_iter().step_by(stride).collect();
        let (mut ours, mut theirs) = (0, 0);
        // Binaries of rpm cannot be renamed: one version of each at a time.
        let mut rounds: Vec<Vec<Installed>> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for package in packages {
            let round = seen.entry(package.name.clone()).or_default();
            if rounds.len() <= *round {
                rounds.resize_with(*round + 1, Vec::new);
            }
            rounds[*round].push(package);
            *round += 1;
        }
        for packages in &rounds {
            let matches = match_inventory(&index, &inventory(packages));
            let unjudged: BTreeSet<&str> =
                matches.unanalysed.iter().filter_map(|item| item.reason.split(' ').next()).collect();
            let judged: Vec<Installed> = packages
                .iter()
                .filter(|package| {
                    !unjudged.contains(format!("{}@{}", package.name, package.version).as_str())
                })
                .cloned()
                .collect();
            let found: Found = matches.findings.into_iter().map(|f| (f.id, f.package.name)).collect();
            let expected = matcher.judge(&judged);
            let missed: Vec<_> = expected.difference(&found).take(10).collect();
            let invented: Vec<_> = found.difference(&expected).take(10).collect();
            assert!(
                missed.is_empty() && invented.is_empty(),
                "{ecosystem}: missed {missed:?}, invented {invented:?}"
            );
            (ours, theirs) = (ours + found.len(), theirs + expected.len());
        }
        println!("{ecosystem}: {ours} findings, {theirs} by the second matcher");
    }
    compare(&osv, &lists(), 50);
}
