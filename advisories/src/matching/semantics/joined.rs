//! What is joined to advisories by CVE: KEV, EPSS, ratings; and whose word on severity counts.

use breakwater_core::{Severity, SeveritySource};
use serde_json::json;

use super::{Advisories, affected, fixed, inventory, matches, package};
use crate::{BuildError, BuildInput, Index, build, match_inventory};

const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

/// Record, then the same CVE elsewhere, then the vendor's word, then the file keyed by CVE, then nobody.
#[test]
fn severity_cascade_and_its_source() {
    let alma = |id: &str, cve: &str, summary: &str| json!({"id": id, "related": [cve], "summary": summary, "affected": [fixed("AlmaLinux:9", "a", "2-1.el9")]});
    let advisories = Advisories::of(&[
        json!({"id": "GHSA-1", "aliases": ["CVE-1"], "affected": [fixed("npm", "a", "2.0.0")],
            "severity": [{"type": "CVSS_V3", "score": CRITICAL}]}),
        alma("ALSA-1", "CVE-1", "Low: a security update"),
        alma("ALSA-2", "CVE-2", "Moderate: a security update"),
        alma("ALSA-3", "CVE-3", "a security update"),
        alma("ALSA-4", "CVE-4", "a security update"),
    ]);
    let ratings =
        advisories.file("severities.csv", "cve,cvss,severity\nCVE-1,1.0,\nCVE-2,9.9,\nCVE-3,7.5,\n");
    let (source, out) = (advisories.directory.path().join("osv"), advisories.directory.path().join("index"));
    let severities = [ratings];
    let input = BuildInput { severities: &severities, ..BuildInput::new(&source, &out) };
    build(input, 1, chrono::DateTime::UNIX_EPOCH).unwrap();
    let packages = vec![package("npm", "a", "1.0.0"), package("AlmaLinux:9", "a", "1-1.el9")];
    let found = match_inventory(&Index::open(&out).unwrap(), &inventory(packages)).findings;
    let said = |id: &str, ecosystem: &str| {
        let finding = found.iter().find(|f| f.id == id && f.package.ecosystem == ecosystem).unwrap();
        (finding.severity, finding.severity_source, finding.cvss_tenths)
    };
    assert_eq!(said("CVE-1", "npm"), (Severity::Critical, SeveritySource::Advisory, Some(98)));
    assert_eq!(said("CVE-1", "AlmaLinux:9"), (Severity::Critical, SeveritySource::SameCve, Some(98)));
    assert_eq!(said("CVE-2", "AlmaLinux:9"), (Severity::Medium, SeveritySource::Vendor, Some(99)));
    assert_eq!(said("CVE-3", "AlmaLinux:9"), (Severity::High, SeveritySource::CveFile, Some(75)));
    assert_eq!(said("CVE-4", "AlmaLinux:9"), (Severity::Unknown, SeveritySource::None, None));
}

#[test]
fn epss_percentiles_are_joined_by_cve() {
    let advisories = Advisories::of(&[
        json!({"id": "GHSA-jf85-cpcp-j695", "aliases": ["CVE-2019-10744"], "affected": [fixed("npm", "lodash", "4.17.12")]}),
        json!({"id": "CVE-1", "affected": [fixed("npm", "lodash", "4.17.12")]}),
    ]);
    let epss = advisories
        .file("epss.csv", "#model_version:v2025.03.14\ncve,epss,percentile\nCVE-2019-10744,0.04,0.881\n");
    let (source, out) = (advisories.directory.path().join("osv"), advisories.directory.path().join("index"));
    build(
        BuildInput { epss: Some(&epss), ..BuildInput::new(&source, &out) },
        1,
        chrono::DateTime::UNIX_EPOCH,
    )
    .unwrap();
    let packages = vec![package("npm", "lodash", "4.17.11")];
    let found = match_inventory(&Index::open(&out).unwrap(), &inventory(packages)).findings;
    let percentiles: Vec<_> =
        found.iter().map(|finding| (finding.id.as_str(), finding.epss_percentile)).collect();
    assert_eq!(percentiles, [("CVE-2019-10744", Some(88)), ("CVE-1", None)], "the likelier one comes first");
}

#[test]
fn packed_files_are_read_and_foreign_ones_refused_by_name() {
    use std::io::Write;
    let advisories = Advisories::of(&[json!({"id": "CVE-1", "affected": [fixed("npm", "a", "2.0.0")]})]);
    let (source, out) = (advisories.directory.path().join("osv"), advisories.directory.path().join("index"));
    let path = advisories.directory.path().join("epss.csv.gz");
    let mut packed =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    packed.write_all(b"cve,epss,percentile\nCVE-1,0.5,0.5\n").unwrap();
    packed.finish().unwrap();
    let now = chrono::DateTime::UNIX_EPOCH;
    build(BuildInput { epss: Some(&path), ..BuildInput::new(&source, &out) }, 1, now).unwrap();
    let foreign = advisories.file("page.html", "<html>");
    for input in [
        BuildInput { epss: Some(&foreign), ..BuildInput::new(&source, &out) },
        BuildInput { kev: Some(&foreign), ..BuildInput::new(&source, &out) },
        BuildInput { severities: std::slice::from_ref(&foreign), ..BuildInput::new(&source, &out) },
    ] {
        let error = build(input, 2, now).unwrap_err();
        assert!(matches!(&error, BuildError::Joined { .. }), "{error}");
        assert!(error.to_string().contains("page.html"), "{error}");
    }
    assert_eq!(Index::open(&out).unwrap().revision(), 1, "the old index stays");
}

/// Weaknesses, times and summary of GHSA-jf85-cpcp-j695.
#[test]
fn weaknesses_times_and_summary_are_kept() {
    let records = [
        json!({"id": "GHSA-jf85-cpcp-j695", "aliases": ["CVE-2019-10744"], "summary": "Prototype Pollution in lodash",
        "published": "2019-07-10T19:45:23Z", "modified": "2023-11-08T04:00:58Z",
        "database_specific": {"severity": "CRITICAL", "cwe_ids": ["CWE-1321", "CWE-20", "odd"]},
        "affected": [fixed("npm", "lodash", "4.17.12")]}),
    ];
    let found = matches(&records, vec![package("npm", "lodash", "4.17.11")]).findings;
    assert_eq!(found[0].cwes, [20, 1321]);
    assert_eq!((found[0].published, found[0].modified), (Some(1_562_787_923), Some(1_699_416_058)));
    assert_eq!(found[0].summary, "Prototype Pollution in lodash");
}

/// The distribution's own judgement is before everybody's score, and says that it is the distribution's.
#[test]
fn what_debian_ranks_down_keeps_the_score_beside_it() {
    let mut debian = affected("Debian:12", "apt", json!([{"introduced": "0"}]));
    debian["ecosystem_specific"] = json!({"urgency": "unimportant"});
    let records = [
        json!({"id": "DEBIAN-CVE-2011-3374", "upstream": ["CVE-2011-3374"], "affected": [debian]}),
        json!({"id": "X-1", "aliases": ["CVE-2011-3374"], "severity": [{"type": "CVSS_V3", "score": CRITICAL}], "affected": [fixed("npm", "a", "1.0.0")]}),
    ];
    let found = matches(&records, vec![package("Debian:12", "apt", "2.6.1")]).findings;
    assert_eq!((found[0].severity, found[0].severity_source), (Severity::Low, SeveritySource::Vendor));
    assert_eq!(found[0].cvss_tenths, Some(98));
}
