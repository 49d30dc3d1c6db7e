//! What the carried records say about an application that nobody has updated for years: findings of every severity.

use std::path::Path;

use breakwater_advisories::{BuildInput, Index, build, match_inventory};
use breakwater_core::{Inventory, SeverityCounts};
use serde_json::json;

#[test]
fn old_packages_have_findings_of_every_severity() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("index");
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let (source, kev) = (testdata.join("osv"), testdata.join("kev.json"));
    let report = build(
        BuildInput { kev: Some(&kev), ..BuildInput::new(&source, &out) },
        1,
        chrono::DateTime::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(report.skipped.malformed, 0);

    let package = |ecosystem: &str, name: &str, version: &str| json!({"name": name, "version": version, "ecosystem": ecosystem, "purl": "", "path": name});
    let digest = format!("sha256:{}", "0".repeat(64));
    let inventory: Inventory = serde_json::from_value(json!({
        "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
        "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
        "layers": [], "software": [], "config": {}, "unanalysed": [],
        "packages": [
            package("PyPI", "Jinja2", "2.10"), package("PyPI", "requests", "2.19.1"),
            package("PyPI", "urllib3", "1.24.1"), package("PyPI", "PyYAML", "5.1"),
            package("PyPI", "Flask", "0.12.2"), package("npm", "lodash", "4.17.15"),
            package("npm", "minimist", "1.2.0"), package("npm", "left-pad", "1.3.0"),
            package("Debian:12", "apt", "2.6.1"), package("Debian:12", "xz-utils", "5.4.1-0.2"),
            package("Debian:12", "glibc", "2.36-9"),
        ]
    }))
    .unwrap();
    let found = match_inventory(&Index::open(&out).unwrap(), &inventory);
    let counts: SeverityCounts = found.findings.iter().map(|finding| finding.severity).collect();
    println!("{counts:?}");
    for finding in &found.findings {
        println!("{} {} {} {:?}", finding.severity, finding.id, finding.package.name, finding.fixed);
    }
    assert!(counts.critical >= 3 && counts.high >= 5 && counts.medium >= 5, "{counts:?}");
    assert!(counts.low >= 1 && counts.unknown >= 1, "{counts:?}");
    assert!(found.unanalysed.is_empty(), "{:?}", found.unanalysed);
    let first = found.findings.first().unwrap();
    assert!(first.known_exploited && first.id == "CVE-2023-4911", "{first:?}");
    let names = |id: &str| found.findings.iter().filter(|finding| finding.id == id).count();
    assert_eq!((names("CVE-2021-23337"), names("CVE-2021-44906"), names("CVE-2024-3094")), (1, 1, 0));
}
