//! One test per rule of matching, each with a record that shows it.

use breakwater_core::inventory::{Package, SourcePackage};
use breakwater_core::{Inventory, Severity, SeveritySource};
use serde_json::{Value, json};

use super::{Matches, match_inventory};
use crate::{BuildInput, Index, Skipped, build};

mod joined;
mod linked;
mod published;

struct Advisories {
    directory: tempfile::TempDir,
}

impl Advisories {
    fn of(records: &[Value]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("osv");
        std::fs::create_dir(&source).unwrap();
        for (number, record) in records.iter().enumerate() {
            std::fs::write(source.join(format!("{number}.json")), record.to_string()).unwrap();
        }
        Self { directory }
    }

    /// A file beside the records.
    fn file(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn index(&self, kev: Option<&Value>) -> (Index, Skipped) {
        let kev = kev.map(|kev| self.file("kev.json", &kev.to_string()));
        let source = self.directory.path().join("osv");
        let out = self.directory.path().join("index");
        let input = BuildInput { kev: kev.as_deref(), ..BuildInput::new(&source, &out) };
        let report = build(input, 7, chrono::DateTime::UNIX_EPOCH).unwrap();
        (Index::open(&out).unwrap(), report.skipped)
    }
}

fn matches(records: &[Value], packages: Vec<Package>) -> Matches {
    match_inventory(&Advisories::of(records).index(None).0, &inventory(packages))
}

fn ids(records: &[Value], package: Package) -> Vec<String> {
    matches(records, vec![package]).findings.into_iter().map(|finding| finding.id).collect()
}

fn inventory(packages: Vec<Package>) -> Inventory {
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut inventory: Inventory = serde_json::from_value(json!({
        "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
        "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
        "layers": [], "packages": [], "software": [], "config": {}, "unanalysed": []
    }))
    .unwrap();
    inventory.packages = packages;
    inventory
}

fn package(ecosystem: &str, name: &str, version: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        ecosystem: ecosystem.to_owned(),
        purl: String::new(),
        source: None,
        licenses: Vec::new(),
        imports: Vec::new(),
        layer: None,
        path: format!("var/lib/{name}"),
    }
}

fn binary(ecosystem: &str, name: &str, version: &str, source: (&str, &str)) -> Package {
    Package {
        source: Some(SourcePackage { name: source.0.to_owned(), version: source.1.to_owned() }),
        ..package(ecosystem, name, version)
    }
}

fn affected(ecosystem: &str, name: &str, events: Value) -> Value {
    json!({"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]})
}

fn fixed(ecosystem: &str, name: &str, version: &str) -> Value {
    affected(ecosystem, name, json!([{"introduced": "0"}, {"fixed": version}]))
}

#[test]
fn a_fixed_version_is_not_affected_and_the_fix_is_named() {
    let records = [json!({"id": "CVE-1", "affected": [fixed("npm", "lodash", "4.17.21")]})];
    let found = matches(&records, vec![package("npm", "lodash", "4.17.15")]);
    assert_eq!(found.findings[0].fixed.as_deref(), Some("4.17.21"));
    assert!(found.unanalysed.is_empty());
    assert!(ids(&records, package("npm", "lodash", "4.17.21")).is_empty());
    assert!(ids(&records, package("npm", "lodash-es", "4.17.15")).is_empty());
}

#[test]
fn listed_versions_match_exactly_and_by_value() {
    let records = [json!({"id": "PYSEC-1", "affected": [
        {"package": {"ecosystem": "PyPI", "name": "A_b"}, "versions": ["1.0", "2004d"]}]})];
    assert_eq!(ids(&records, package("PyPI", "a-B", "1.0.0")), ["PYSEC-1"]);
    assert_eq!(ids(&records, package("PyPI", "a.b", "2004d")), ["PYSEC-1"]);
    assert!(ids(&records, package("PyPI", "a.b", "1.1")).is_empty());
}

#[test]
fn git_ranges_are_skipped_and_never_end_the_judgement() {
    let records = [
        json!({"id": "CVE-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "ranges": [
        {"type": "GIT", "repo": "https://example.org/a", "events": [{"introduced": "0"}, {"fixed": "deadbeef"}]},
        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}]}),
    ];
    let found = matches(&records, vec![package("PyPI", "a", "1.0")]);
    assert_eq!(found.findings[0].fixed.as_deref(), Some("2.0"));
}

#[test]
fn withdrawn_records_are_no_advisories() {
    let records = [
        json!({"id": "CVE-1", "withdrawn": "2024-01-01T00:00:00Z", "affected": [fixed("npm", "a", "2.0.0")]}),
        json!({"id": "CVE-2", "affected": [fixed("npm", "a", "2.0.0")]}),
    ];
    let (_, skipped) = Advisories::of(&records).index(None);
    assert_eq!(skipped.withdrawn, 1);
    assert_eq!(ids(&records, package("npm", "a", "1.0.0")), ["CVE-2"]);
}

#[test]
fn a_version_that_cannot_be_compared_is_unanalysed_and_no_match() {
    let records = [json!({"id": "CVE-1", "affected": [fixed("npm", "a", "2.0.0")]})];
    for (version, words) in [("", "version is not known"), ("latest", "cannot be compared")] {
        let found = matches(&records, vec![package("npm", "a", version)]);
        assert!(found.findings.is_empty());
        assert!(found.unanalysed[0].reason.contains(words), "{:?}", found.unanalysed);
    }
    // Without any advisory the version could not matter.
    assert!(matches(&records, vec![package("npm", "b", "")]).unanalysed.is_empty());
}

#[test]
fn an_ecosystem_without_advisories_is_said_once() {
    let records = [json!({"id": "CVE-1", "affected": [fixed("Debian:11", "a", "2")]})];
    let packages =
        vec![package("Debian:12", "a", "1"), package("Debian:12", "b", "1"), package("Debian:11", "b", "1")];
    let found = matches(&records, packages);
    assert!(found.findings.is_empty());
    assert_eq!(found.unanalysed.len(), 1);
    assert!(found.unanalysed[0].reason.contains("Debian:12"));
}

#[test]
fn debian_advisories_speak_of_the_source_package_and_its_version() {
    let records = [
        json!({"id": "DSA-1", "upstream": ["CVE-1"], "affected": [fixed("Debian:12", "openssl", "3.0.11-1~deb12u2")]}),
    ];
    let libssl = |version| binary("Debian:12", "libssl3", "9:9", ("openssl", version));
    let found = matches(&records, vec![libssl("3.0.9-1")]);
    assert_eq!(found.findings[0].id, "CVE-1");
    assert_eq!(found.findings[0].aliases, ["DSA-1"]);
    assert_eq!(found.findings[0].package.name, "libssl3");
    assert!(ids(&records, libssl("3.0.11-1~deb12u2")).is_empty());
    // A binary that is called like the source, but built from another one.
    assert!(ids(&records, binary("Debian:12", "openssl", "1", ("other", "1"))).is_empty());
}

#[test]
fn debian_ranks_unimportant_and_end_of_life_down() {
    let cvss = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]);
    for urgency in ["unimportant", "end-of-life"] {
        let mut debian = affected("Debian:12", "zlib", json!([{"introduced": "0"}]));
        debian["ecosystem_specific"] = json!({"urgency": urgency});
        let records = [
            json!({"id": "DEBIAN-CVE-1", "upstream": ["CVE-1"], "affected": [debian]}),
            json!({"id": "GHSA-1", "aliases": ["CVE-1"], "severity": cvss, "affected": [fixed("npm", "zlib", "1.0.0")]}),
        ];
        let found = matches(&records, vec![package("Debian:12", "zlib", "1:1.2.13")]);
        assert_eq!(found.findings[0].severity, Severity::Low);
        assert_eq!(found.findings[0].severity_source, SeveritySource::Vendor);
    }
}

#[test]
fn fixed_zero_means_not_affected() {
    let records = [
        json!({"id": "DEBIAN-CVE-2024-3094", "upstream": ["CVE-2024-3094"], "affected": [fixed("Debian:12", "xz-utils", "0")]}),
        json!({"id": "CVE-2", "affected": [fixed("Alpine:v3.20", "xz", "0"), fixed("Debian:12", "a", "1")]}),
    ];
    assert!(ids(&records, package("Debian:12", "xz-utils", "0~rc1")).is_empty());
    assert!(ids(&records, package("Debian:12", "xz-utils", "5.4.1-0.2")).is_empty());
    assert!(ids(&records, package("Alpine:v3.20", "xz", "5.6.0-r0")).is_empty());
}

#[test]
fn ubuntu_fixes_for_subscribers_stay_apart() {
    let records = [
        json!({"id": "USN-1", "upstream": ["CVE-1"], "affected": [fixed("Ubuntu:22.04:LTS", "a", "2")]}),
        json!({"id": "USN-2", "upstream": ["CVE-2"], "affected": [fixed("Ubuntu:Pro:22.04:LTS", "a", "2")]}),
    ];
    assert_eq!(ids(&records, package("Ubuntu:22.04", "a", "1")), ["CVE-1"]);
}

#[test]
fn alpine_advisories_speak_of_the_origin() {
    let records = [
        json!({"id": "ALPINE-CVE-1", "upstream": ["CVE-1"], "affected": [fixed("Alpine:v3.11", "openssl", "1.1.1g-r0")]}),
    ];
    assert_eq!(
        ids(&records, binary("Alpine:v3.11", "libssl1.1", "1.1.1d-r2", ("openssl", "1.1.1d-r2"))),
        ["CVE-1"]
    );
    assert!(
        ids(&records, binary("Alpine:v3.11", "libssl1.1", "1.1.1g-r0", ("openssl", "1.1.1g-r0"))).is_empty()
    );
    assert!(
        ids(&records, binary("Alpine:v3.12", "libssl1.1", "1.1.1d-r2", ("openssl", "1.1.1d-r2"))).is_empty()
    );
}

#[test]
fn rpm_epochs_count_on_binaries_and_are_unknown_on_sources() {
    let records = [
        json!({"id": "ALSA-1", "related": ["CVE-1"], "affected": [fixed("AlmaLinux:8", "openssl-libs", "1:1.1.1k-5.el8")]}),
        json!({"id": "RLSA-1", "upstream": ["CVE-2"], "affected": [fixed("Rocky Linux:8", "openssl", "1:1.1.1k-5.el8")]}),
    ];
    assert_eq!(ids(&records, package("AlmaLinux:8", "openssl-libs", "1:1.1.1g-9.el8")), ["CVE-1"]);
    assert!(ids(&records, package("AlmaLinux:8", "openssl-libs", "1:1.1.1k-5.el8")).is_empty());
    let rocky = |version| binary("Rocky Linux:8", "openssl-libs", "1:1", ("openssl", version));
    assert_eq!(ids(&records, rocky("1.1.1g-9.el8")), ["CVE-2"]);
    assert!(ids(&records, rocky("1.1.1k-5.el8")).is_empty(), "the source's name has no epoch");
}

/// AlmaLinux lists one fix per minor release it built the module for (as ALBA-2019:0973 does).
#[test]
fn modular_fixes_are_judged_within_the_same_minor() {
    let name = "mariadb";
    let records = [json!({"id": "ALSA-2022:1", "related": ["CVE-1"],
        "summary": "Important: mariadb:10.3 security update", "affected": [
            fixed("AlmaLinux:8", name, "3:10.3.32-2.module_el8.6.0+2867+72759d2f"),
            fixed("AlmaLinux:8", name, "3:10.3.32-1.module_el8.5.0+2632+14ced695")]})];
    let of = |version: &str| ids(&records, package("AlmaLinux:8", name, version));
    assert!(of("3:10.3.32-1.module_el8.5.0+2632+14ced695").is_empty(), "8.5 has its own fix");
    assert_eq!(of("3:10.3.32-1.module_el8.6.0+2000+aaaaaaaa"), ["CVE-1"]);
    assert_eq!(of("3:10.3.28-1.module_el8.4.0+2177+7adc332a"), ["CVE-1"]);
    assert!(of("3:10.3.1-1.el8").is_empty(), "not built in a module");
    let label = |stream: &str| Package {
        purl: format!("pkg:rpm/almalinux/mariadb@1?rpmmod=mariadb%3A{stream}"),
        ..package("AlmaLinux:8", name, "3:10.3.28-1.module_el8.4.0+2177+7adc332a")
    };
    assert_eq!(ids(&records, label("10.3")), ["CVE-1"]);
    assert!(ids(&records, label("10.5")).is_empty(), "another stream");
}

#[test]
fn bug_fixes_and_enhancements_without_cve_are_no_findings() {
    let records = [
        json!({"id": "ALBA-2019:3471", "related": [], "affected": [fixed("AlmaLinux:8", "a", "2-1.el8")]}),
        json!({"id": "ALBA-2020:1", "related": ["CVE-1"], "affected": [fixed("AlmaLinux:8", "a", "2-1.el8")]}),
    ];
    assert_eq!(Advisories::of(&records).index(None).1.not_security, 1);
    assert_eq!(ids(&records, package("AlmaLinux:8", "a", "1-1.el8")), ["CVE-1"]);
}

#[test]
fn aliases_fold_into_one_finding_with_the_later_fix() {
    let records = [
        json!({"id": "GHSA-1", "aliases": ["CVE-1"], "published": "2021-01-02T00:00:00Z", "affected": [fixed("PyPI", "a", "2.0")]}),
        json!({"id": "PYSEC-1", "aliases": ["CVE-1", "GHSA-1"], "published": "2021-01-01T00:00:00Z", "affected": [fixed("PyPI", "a", "2.1")]}),
        // Knows only the other database's name for it.
        json!({"id": "OSV-1", "aliases": ["GHSA-1"], "affected": [fixed("PyPI", "a", "1.9")]}),
    ];
    let found = matches(&records, vec![package("PyPI", "a", "1.0")]).findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, "CVE-1");
    assert_eq!(found[0].aliases, ["GHSA-1", "OSV-1", "PYSEC-1"]);
    assert_eq!(found[0].fixed.as_deref(), Some("2.1"));
    assert_eq!(found[0].published, Some(1_609_459_200));
}

#[test]
fn aliases_fold_without_any_cve() {
    let records = [
        json!({"id": "GHSA-1", "aliases": ["RUSTSEC-1"], "affected": [fixed("crates.io", "a", "2.0.0")]}),
        json!({"id": "RUSTSEC-1", "aliases": ["GHSA-1"], "affected": [fixed("crates.io", "a", "2.0.0")]}),
    ];
    assert_eq!(ids(&records, package("crates.io", "a", "1.0.0")), ["GHSA-1"]);
}

#[test]
fn a_record_that_bundles_cves_is_one_finding_for_each() {
    let records =
        [json!({"id": "ALSA-1", "related": ["CVE-1", "CVE-2"], "summary": "Moderate: a security update",
        "affected": [fixed("AlmaLinux:9", "a", "2-1.el9")]})];
    let found = matches(&records, vec![package("AlmaLinux:9", "a", "1-1.el9")]).findings;
    assert_eq!(found.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(), ["CVE-1", "CVE-2"]);
    assert!(found.iter().all(|finding| finding.severity == Severity::Medium));
    assert!(found.iter().all(|finding| finding.severity_source == SeveritySource::Vendor));
}

#[test]
fn severity_comes_from_the_record_then_from_the_same_cve_then_from_nobody() {
    let records = [
        json!({"id": "GHSA-1", "aliases": ["CVE-1"], "affected": [fixed("npm", "a", "2.0.0")],
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}),
        json!({"id": "DSA-1", "upstream": ["CVE-1", "CVE-2"], "affected": [fixed("Debian:12", "a", "2")]}),
    ];
    let packages = vec![package("npm", "a", "1.0.0"), package("Debian:12", "a", "1")];
    let found = matches(&records, packages).findings;
    let said = |id: &str, ecosystem: &str| {
        let finding = found.iter().find(|f| f.id == id && f.package.ecosystem == ecosystem).unwrap();
        (finding.severity, finding.severity_source, finding.cvss_tenths)
    };
    assert_eq!(said("CVE-1", "npm"), (Severity::Critical, SeveritySource::Advisory, Some(98)));
    assert_eq!(said("CVE-1", "Debian:12"), (Severity::Critical, SeveritySource::SameCve, Some(98)));
    assert_eq!(said("CVE-2", "Debian:12"), (Severity::Unknown, SeveritySource::None, None));
}

#[test]
fn known_exploited_comes_first() {
    let advisories = Advisories::of(&[
        json!({"id": "CVE-1", "affected": [fixed("npm", "a", "2.0.0")], "database_specific": {"severity": "CRITICAL"}}),
        json!({"id": "CVE-2", "affected": [fixed("npm", "a", "2.0.0")], "database_specific": {"severity": "LOW"}}),
    ]);
    let (index, _) = advisories.index(Some(&json!({"vulnerabilities": [{"cveID": "CVE-2"}]})));
    let found = match_inventory(&index, &inventory(vec![package("npm", "a", "1.0.0")])).findings;
    assert_eq!((found[0].id.as_str(), found[0].known_exploited), ("CVE-2", true));
    assert_eq!((found[1].id.as_str(), found[1].known_exploited), ("CVE-1", false));
}

#[test]
fn the_same_package_at_two_places_is_one_finding() {
    let records = [json!({"id": "CVE-1", "affected": [fixed("npm", "a", "2.0.0")]})];
    let at = |path: &str| Package { path: path.to_owned(), ..package("npm", "a", "1.0.0") };
    let found = matches(&records, vec![at("x"), at("y")]).findings;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "x");
}

#[test]
fn bad_records_are_counted_and_the_others_serve() {
    let advisories = Advisories::of(&[json!({"id": "CVE-1", "affected": [fixed("npm", "a", "2.0.0")]})]);
    std::fs::write(advisories.directory.path().join("osv/bad.json"), "{\"id\": 5}").unwrap();
    let (index, skipped) = advisories.index(None);
    assert_eq!((index.records(), skipped.malformed), (1, 1));
    assert!(skipped.malformed_names[0].contains("bad.json"));
}
