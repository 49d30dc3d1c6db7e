//! Figures of the index: build time, size, open and verify, matching. Not a statistical benchmark: each line is one honest measurement.
//!
//! `ADVISORIES_DIR=<folder with osv/ and kev.json> cargo bench -p breakwater-advisories`; without it, the crate's own small test data.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and stops where it cannot"
)]

use std::path::PathBuf;
use std::time::Instant;

use breakwater_advisories::{BuildInput, Index, build, match_inventory};
use breakwater_core::Inventory;
use breakwater_core::inventory::{Package, SourcePackage};

fn main() {
    let folder = std::env::var_os("ADVISORIES_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata")), PathBuf::from);
    let kev = folder.join("kev.json");
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("index");

    let start = Instant::now();
    let source = folder.join("osv");
    let input = BuildInput { kev: kev.exists().then_some(kev.as_path()), ..BuildInput::new(&source, &out) };
    let report = build(input, 1, chrono::DateTime::UNIX_EPOCH).unwrap();
    println!("build               {:>10.2} s   {} records", start.elapsed().as_secs_f64(), report.records);
    println!("size                {:>10.2} MB", report.bytes as f64 / 1e6);

    let mut opens: Vec<f64> = (0..21).map(|_| time(|| drop(Index::open(&out).unwrap()))).collect();
    println!("open and verify     {:>10.3} ms  median of 21", median(&mut opens) * 1e3);

    let index = Index::open(&out).unwrap();
    let large = inventory(2_000);
    let findings = match_inventory(&index, &large).findings.len();
    let mut matches: Vec<f64> = (0..101).map(|_| time(|| drop(match_inventory(&index, &large)))).collect();
    println!(
        "match 2,000 packages{:>10.3} ms  median of 101, {findings} findings",
        median(&mut matches) * 1e3
    );

    let inventories = 10_000;
    let small = inventory(300);
    let elapsed = time(|| {
        for _ in 0..inventories {
            drop(match_inventory(&index, &small));
        }
    });
    println!("re-match {inventories} × 300 {elapsed:>9.2} s   one core");
}

/// A Debian image with Python and Go: 3 of 16 packages have advisories, the others are looked up in vain.
fn inventory(packages: usize) -> Inventory {
    let document = serde_json::json!({
        "schemaVersion": 1,
        "image": {
            "reference": "bench", "digest": format!("sha256:{}", "0".repeat(64)),
            "configDigest": format!("sha256:{}", "0".repeat(64)), "platform": "linux/amd64"
        },
        "scanner": {"name": "bench", "version": "0"}, "layers": [], "packages": [], "software": [],
        "config": {}, "unanalysed": []
    });
    let mut inventory: Inventory = serde_json::from_value(document).unwrap();
    inventory.packages = (0..packages).map(package).collect();
    inventory
}

fn package(number: usize) -> Package {
    let debian =
        ["openssl", "glibc", "curl", "systemd", "perl", "zlib", "ncurses", "libxml2", "krb5", "gnutls28"];
    let python = ["jinja2", "requests", "urllib3", "flask", "pyyaml", "setuptools", "pip", "werkzeug"];
    let go = ["stdlib", "golang.org/x/net", "golang.org/x/crypto", "github.com/docker/docker"];
    let pick = |names: &[&str]| names.get(number / 16 % names.len()).copied().unwrap_or_default().to_owned();
    let (ecosystem, name, version) = match number % 16 {
        0 => ("Debian:11", pick(&debian), "1.1.1k-1"),
        1 => ("PyPI", pick(&python), "2.10"),
        2 => ("Go", pick(&go), "v0.1.0"),
        3..6 => ("Debian:11", format!("library-{number}"), "1.0-1"),
        _ => ("PyPI", format!("package-{number}"), "1.0.0"),
    };
    // Many binaries of one source, as distributions have them.
    let source = ecosystem.starts_with("Debian");
    Package {
        name: if source { format!("{name}-{number}") } else { name.clone() },
        version: version.to_owned(),
        ecosystem: ecosystem.to_owned(),
        purl: String::new(),
        source: source.then(|| SourcePackage { name, version: version.to_owned() }),
        licenses: Vec::new(),
        layer: None,
        path: String::new(),
    }
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
