//! Figures of the index: build time, size, open and verify, matching. Not a statistical benchmark: each line is one honest measurement.
//!
//! `ADVISORIES_DIR=<folder with osv/ and kev.json> cargo bench -p breakwater-advisories`; without it, the crate's own small test data.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and stops where it cannot"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use breakwater_advisories::{BuildInput, Index, build, match_inventory};
use breakwater_core::Inventory;
use breakwater_core::inventory::{Package, SourcePackage};

/// The worker threads of the re-match of many inventories: what the goals are stated for.
const CORES: usize = 2;

fn main() {
    let folder = std::env::var_os("ADVISORIES_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata")), PathBuf::from);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("index");

    let (seconds, records, bytes) = measure_build(&folder.join("osv"), &folder.join("kev.json"), &out);
    println!("build               {seconds:>10.2} s   {records} records");
    println!("size                {:>10.2} MB", bytes as f64 / 1e6);

    let mut opens: Vec<f64> = (0..21).map(|_| time(|| drop(Index::open(&out).unwrap()))).collect();
    println!("open and verify     {:>10.3} ms  median of 21", median(&mut opens) * 1e3);
    let index = Index::open(&out).unwrap();
    println!("walk everything     {:>10.2} s   db verify", time(|| index.walk().unwrap()));

    let large = inventory(2_000, 0);
    let findings = match_inventory(&index, &large).findings.len();
    let mut matches: Vec<f64> = (0..101).map(|_| time(|| drop(match_inventory(&index, &large)))).collect();
    println!(
        "match 2,000 packages{:>10.3} ms  median of 101, {findings} findings",
        median(&mut matches) * 1e3
    );

    println!("\ninventories of 200 to 500 packages, {CORES} threads");
    let inventories: Vec<Inventory> = (0..500).map(|number| inventory(200 + number % 301, number)).collect();
    for count in [1_000, 10_000, 100_000] {
        let before = cpu_seconds();
        let (seconds, findings) = rematch(&index, &inventories, count);
        let cpu = cpu_seconds() - before;
        println!("{count:>9} re-matched {seconds:>9.2} s   {cpu:.2} s of CPU, {findings} findings");
    }

    println!("\nrecords, generated");
    for count in [1_000, 10_000, 100_000] {
        let source = directory.path().join(format!("{count}"));
        generate(&source, count);
        let (seconds, records, bytes) = measure_build(&source, Path::new("none"), &out);
        let index = Index::open(&out).unwrap();
        let mut opens: Vec<f64> = (0..21).map(|_| time(|| drop(Index::open(&out).unwrap()))).collect();
        let mut matches: Vec<f64> = (0..21).map(|_| time(|| drop(match_inventory(&index, &large)))).collect();
        println!(
            "{records:>9} built {seconds:>7.2} s, {:>6.2} MB, opened {:>6.3} ms, 2,000 packages {:>6.3} ms",
            bytes as f64 / 1e6,
            median(&mut opens) * 1e3,
            median(&mut matches) * 1e3
        );
    }
}

fn measure_build(source: &Path, kev: &Path, out: &Path) -> (f64, u32, u64) {
    let start = Instant::now();
    let input = BuildInput { kev: kev.exists().then_some(kev), ..BuildInput::new(source, out) };
    let report = build(input, 1, chrono::DateTime::UNIX_EPOCH).unwrap();
    (start.elapsed().as_secs_f64(), report.records, report.bytes)
}

/// Matches `count` inventories, taken in turn.
fn rematch(index: &Index, inventories: &[Inventory], count: usize) -> (f64, usize) {
    let findings = AtomicUsize::new(0);
    let next = AtomicUsize::new(0);
    let seconds = time(|| {
        std::thread::scope(|scope| {
            for _ in 0..CORES {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            break;
                        }
                        let Some(inventory) = inventories.get(number % inventories.len()) else { break };
                        let found = match_inventory(index, inventory).findings.len();
                        findings.fetch_add(found, Ordering::Relaxed);
                    }
                });
            }
        });
    });
    (seconds, findings.into_inner())
}

/// What this process has used so far, user and system; 0 where there is no `/proc`. On a busy machine it says more than the clock.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold spaces: fields 3 and on; 14 and 15 are ticks of a hundredth of a second.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Records as the Python and Debian archives have them, four to a package.
fn generate(directory: &Path, count: usize) {
    std::fs::create_dir(directory).unwrap();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(directory.join("all.zip")).unwrap());
    for number in 0..count {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("X-{number}.json"), options).unwrap();
        let ecosystem = if number % 2 == 0 { "PyPI" } else { "Debian:11" };
        let record = serde_json::json!({"id": format!("X-{number}"), "aliases": [format!("CVE-2026-{number}")],
            "summary": format!("A flaw of number {number}"), "published": "2026-01-01T00:00:00Z",
            "affected": [{"package": {"ecosystem": ecosystem, "name": format!("package-{}", number / 4)},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": format!("1.{}.0", number % 9)}]}]}]});
        archive.write_all(record.to_string().as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

/// A Debian image with Python and Go: 3 of 16 packages have advisories, the others are looked up in vain. Another `seed` makes another
/// image.
fn inventory(packages: usize, seed: usize) -> Inventory {
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
    inventory.packages = (seed..seed + packages).map(package).collect();
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
    // Programs link some 150 packages of the standard library, and a dozen of another module (Kubernetes: 2,586 of 188).
    let linked = [
        "net/http",
        "crypto/tls",
        "crypto/x509",
        "net/url",
        "os",
        "golang.org/x/net/http2",
        "golang.org/x/crypto/ssh",
    ];
    let others = (0..if name == "stdlib" { 150 } else { 8 }).map(|number| format!("{name}/package-{number}"));
    let mut imports: Vec<String> = match ecosystem {
        "Go" => linked.into_iter().map(str::to_owned).chain(others).collect(),
        _ => Vec::new(),
    };
    imports.sort_unstable();
    // Many binaries of one source, as distributions have them.
    let source = ecosystem.starts_with("Debian");
    Package {
        name: if source { format!("{name}-{number}") } else { name.clone() },
        version: version.to_owned(),
        ecosystem: ecosystem.to_owned(),
        purl: String::new(),
        source: source.then(|| SourcePackage { name, version: version.to_owned() }),
        licenses: Vec::new(),
        imports,
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
