//! Rules that published records show: events of every kind, bundles, epochs, `~` and `^`, origins.

use serde_json::json;

use super::{affected, binary, fixed, ids, matches, package};

/// As 840 events of PyPI's records have it: `last_affected` is inclusive, and several intervals stand in one range.
#[test]
fn last_affected_is_inclusive_and_intervals_are_many() {
    let events = json!([{"introduced": "0"}, {"last_affected": "1.2.1"}, {"introduced": "1.8.0"}, {"last_affected": "2.2.5"}]);
    let records = [json!({"id": "PYSEC-1", "affected": [affected("PyPI", "a", events)]})];
    for (version, hit) in
        [("1.2.1", true), ("1.2.2", false), ("1.8.0", true), ("2.2.5", true), ("2.2.6", false)]
    {
        assert_eq!(!ids(&records, package("PyPI", "a", version)).is_empty(), hit, "{version}");
    }
}

/// OSV schema, "affected[].ranges[].events": a limit ends what is affected without naming a fix.
#[test]
fn a_limit_ends_the_range_and_names_no_fix() {
    let events = json!([{"introduced": "1.0.0"}, {"limit": "2.0.0"}]);
    let records = [json!({"id": "CVE-1", "affected": [affected("npm", "a", events)]})];
    let found = matches(&records, vec![package("npm", "a", "1.9.0")]).findings;
    assert_eq!(found[0].fixed, None);
    assert!(ids(&records, package("npm", "a", "2.0.0")).is_empty());
}

/// A record about two packages of one CVE: each package has its own finding, and only one of it.
#[test]
fn one_finding_per_cve_and_package() {
    let records = [
        json!({"id": "GHSA-1", "aliases": ["CVE-1"], "affected": [fixed("npm", "a", "2.0.0"), fixed("npm", "b", "3.0.0")]}),
        json!({"id": "OSV-2", "aliases": ["CVE-1"], "affected": [fixed("npm", "a", "2.0.0")]}),
        json!({"id": "OSV-3", "upstream": ["CVE-1"], "affected": [fixed("npm", "a", "2.0.0"), fixed("npm", "a", "2.0.0")]}),
    ];
    let found = matches(&records, vec![package("npm", "a", "1.0.0"), package("npm", "b", "1.0.0")]).findings;
    let named: Vec<_> = found.iter().map(|f| (f.id.as_str(), f.package.name.as_str())).collect();
    assert_eq!(named, [("CVE-1", "a"), ("CVE-1", "b")]);
    assert_eq!(found[0].aliases, ["GHSA-1", "OSV-2", "OSV-3"]);
}

/// ALSA-2024:7000 (kernel): one record, 140 CVEs in `related`, each a finding of its own. ALSA-2021:3590 (mysql:8.0) bundles 139.
#[test]
fn a_bundle_of_140_cves_is_140_findings() {
    let related: Vec<String> = (0..140).map(|number| format!("CVE-2021-{}", 4000 + number)).collect();
    let records =
        [json!({"id": "ALSA-2024:7000", "related": related, "summary": "Important: kernel security update",
        "affected": [fixed("AlmaLinux:8", "kernel-core", "4.18.0-553.22.1.el8_10")]})];
    let found = matches(&records, vec![package("AlmaLinux:8", "kernel-core", "4.18.0-348.el8")]).findings;
    assert_eq!(found.len(), 140);
    assert!(found.iter().all(|finding| finding.aliases == ["ALSA-2024:7000"]));
}

#[test]
fn tilde_is_before_and_caret_behind_in_rpm() {
    let records =
        [json!({"id": "ALSA-1", "related": ["CVE-1"], "affected": [fixed("AlmaLinux:9", "a", "1.0-1.el9")]})];
    for (version, hit) in [
        ("1.0~rc1-1.el9", true),
        ("1.0-1.el9", false),
        ("1.0^20240101git-1.el9", false),
        ("0.9^1-1.el9", true),
    ] {
        assert_eq!(!ids(&records, package("AlmaLinux:9", "a", version)).is_empty(), hit, "{version}");
    }
}

/// Wolfi and Chainguard publish by origin as Alpine does, and write `fixed: 0` for what never was affected.
#[test]
fn wolfi_advisories_speak_of_the_origin() {
    let records = [
        json!({"id": "CGA-1", "upstream": ["CVE-1"], "affected": [fixed("Wolfi", "openssl", "3.1.4-r1"), fixed("Chainguard", "openssl", "3.1.4-r1")]}),
        json!({"id": "CGA-2", "upstream": ["CVE-2"], "affected": [fixed("Wolfi", "openssl", "0")]}),
    ];
    let libssl = |ecosystem| binary(ecosystem, "libssl3", "3.1.3-r0", ("openssl", "3.1.3-r0"));
    assert_eq!(ids(&records, libssl("Wolfi")), ["CVE-1"]);
    assert_eq!(ids(&records, libssl("Chainguard")), ["CVE-1"]);
    assert!(ids(&records, package("Wolfi", "libssl3", "3.1.3-r0")).is_empty(), "another origin");
}

/// Red Hat and SUSE publish by repository and product; an installed package is of all of them.
#[test]
fn repositories_of_a_release_are_one() {
    let records = [
        json!({"id": "RHSA-1", "upstream": ["CVE-1"], "affected": [fixed("Red Hat:enterprise_linux:9::baseos", "glibc", "2.34-60.el9_2.7")]}),
        json!({"id": "SUSE-SU-1", "upstream": ["CVE-2"], "affected": [fixed("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "glibc", "2.31-150300.63.1")]}),
    ];
    assert_eq!(ids(&records, package("Red Hat:9", "glibc", "2.34-60.el9")), ["CVE-1"]);
    let suse = package("SUSE:Linux Enterprise Server 15 SP5", "glibc", "2.31-150300.52.2");
    assert_eq!(ids(&records, suse), ["CVE-2"]);
}

/// GO-2022-0515: the standard library is a module named `stdlib`, and Go writes its own versions.
#[test]
fn go_spells_versions_its_own_way() {
    let events =
        json!([{"introduced": "0"}, {"fixed": "1.17.12"}, {"introduced": "1.18.0-0"}, {"fixed": "1.18.4"}]);
    let records = [json!({"id": "GO-2022-0515", "aliases": ["CVE-2022-1962"], "affected": [
        {"package": {"ecosystem": "Go", "name": "stdlib"}, "ranges": [{"type": "SEMVER", "events": events}]}]})];
    for (version, hit) in
        [("1.17.11", true), ("go1.17.12", false), ("1.18rc1", true), ("go1.18.3", true), ("1.18.4", false)]
    {
        assert_eq!(!ids(&records, package("Go", "stdlib", version)).is_empty(), hit, "{version}");
    }
}
