//! Plans over small records whose ranges are known.

use breakwater_core::inventory::{Package, SourcePackage};
use breakwater_core::policy::{Check, Compliance, Effect, Verdict};
use breakwater_core::{Digest, Inventory, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FixPlan, commands, fix_plan};
use crate::{BuildInput, Index, Matches, build, match_inventory};

fn index(records: &[Value]) -> Index {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("osv");
    std::fs::create_dir(&source).unwrap();
    for (number, record) in records.iter().enumerate() {
        std::fs::write(source.join(format!("{number}.json")), record.to_string()).unwrap();
    }
    let out = directory.path().join("index");
    build(BuildInput::new(&source, &out), 1, chrono::DateTime::UNIX_EPOCH).unwrap();
    Index::open(&out).unwrap()
}

/// `ranges`: where a vulnerability begins, and what mends it there.
fn record(id: &str, ecosystem: &str, name: &str, ranges: &[(&str, Option<&str>)]) -> Value {
    let ranges: Vec<Value> = ranges
        .iter()
        .map(|(from, to)| {
            let mut events = vec![json!({"introduced": from})];
            events.extend(to.map(|to| json!({"fixed": to})));
            json!({"type": "ECOSYSTEM", "events": events})
        })
        .collect();
    json!({"id": id, "modified": "2024-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges}],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]})
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
        layer: Some(Digest::of(b"layer")),
        path: format!("app/{name}"),
    }
}

fn binary(name: &str, version: &str, source: (&str, &str)) -> Package {
    let source = SourcePackage { name: source.0.to_owned(), version: source.1.to_owned() };
    Package { source: Some(source), ..package("Debian:12", name, version) }
}

fn inventory(packages: Vec<Package>) -> Inventory {
    let digest = Digest::of(b"manifest");
    let mut inventory: Inventory = serde_json::from_value(json!({
        "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
        "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
        "layers": [], "packages": [], "software": [], "config": {}, "unanalysed": []
    }))
    .unwrap();
    inventory.packages = packages;
    inventory
}

fn plan(records: &[Value], packages: Vec<Package>) -> FixPlan {
    let (index, inventory) = (index(records), inventory(packages));
    fix_plan(&index, &inventory, &match_inventory(&index, &inventory), None)
}

fn targets(plan: &FixPlan) -> Vec<(&str, &str)> {
    plan.upgrades.iter().map(|upgrade| (upgrade.name.as_str(), upgrade.to.as_str())).collect()
}

#[test]
fn the_greatest_of_the_least_fixes() {
    let records = [
        record("CVE-2024-1", "npm", "a", &[("0", Some("1.2.0")), ("2.0.0", Some("2.0.1"))]),
        record("CVE-2024-2", "npm", "a", &[("0", Some("1.10.0")), ("2.0.0", Some("2.3.0"))]),
        record("CVE-2024-3", "npm", "b", &[("0", None)]),
    ];
    let plan = plan(&records, vec![package("npm", "a", "1.0.0"), package("npm", "b", "1.0.0")]);
    assert_eq!(targets(&plan), [("a", "1.10.0")]);
    assert!(!plan.upgrades[0].major);
    assert_eq!(plan.upgrades[0].clears, ["CVE-2024-1", "CVE-2024-2"]);
    let left: Vec<&str> = plan.matches.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(left, ["CVE-2024-3"], "what nothing mends is left");
}

#[test]
fn a_fix_that_is_vulnerable_itself_is_no_goal() {
    let records = [
        record("CVE-2024-1", "npm", "a", &[("0", Some("2.0.0"))]),
        record("CVE-2024-2", "npm", "a", &[("1.5.0", Some("2.1.0"))]),
    ];
    let plan = plan(&records, vec![package("npm", "a", "1.0.0")]);
    assert_eq!(targets(&plan), [("a", "2.1.0")]);
    assert!(plan.upgrades[0].major);
    assert!(plan.matches.findings.is_empty());
}

#[test]
fn packages_of_one_source_go_together() {
    let records = [record("CVE-2024-1", "Debian:12", "glibc", &[("0", Some("2.36-9+deb12u4"))])];
    let packages = vec![
        binary("libc6", "2.36-9", ("glibc", "2.36-9")),
        binary("libc-bin", "2.36-9", ("glibc", "2.36-9")),
        binary("odd", "7", ("glibc", "2.36-9")),
    ];
    let plan = plan(&records, packages);
    assert_eq!(targets(&plan), [("glibc", "2.36-9+deb12u4")]);
    assert!(plan.matches.findings.is_empty());
    assert_eq!(
        commands(&plan.upgrades),
        ["apt-get install --only-upgrade libc-bin=2.36-9+deb12u4 libc6=2.36-9+deb12u4 odd"]
    );
}

#[test]
fn commands_are_quoted_and_take_no_options() {
    let records = [
        record("CVE-2024-1", "npm", "a;reboot", &[("0", Some("2.0.0"))]),
        record("CVE-2024-2", "npm", "--evil", &[("0", Some("2.0.0"))]),
        record("CVE-2024-3", "crates.io", "c", &[("0", Some("2.0.0"))]),
    ];
    let packages = [("npm", "a;reboot"), ("npm", "--evil"), ("crates.io", "c")];
    let plan = plan(&records, packages.map(|(ecosystem, name)| package(ecosystem, name, "1.0.0")).to_vec());
    assert_eq!(commands(&plan.upgrades), ["npm install 'a;reboot@2.0.0'", "cargo update --precise 2.0.0 c"]);
}

/// At most so many findings in all, as a policy would have it.
fn at_most(max: usize) -> impl Fn(&Inventory, &Matches) -> Verdict {
    move |_, matches| {
        let violated = matches.findings.len() > max;
        let check = Check {
            id: "BW-VUL-001",
            rule: "vulnerabilities.max",
            effect: Effect::Violation,
            container: String::new(),
            image: "test".into(),
            digest: None,
            reported: None,
            is_evidence: true,
            severity: Severity::High,
            observed: matches.findings.len().to_string(),
            allowed: max.to_string(),
            remedy: String::new(),
            findings: Vec::new(),
            suppressed_by: None,
        };
        Verdict {
            compliance: if violated { Compliance::Violating } else { Compliance::Compliant },
            is_complete: true,
            checks: violated.then_some(check).into_iter().collect(),
            suppressed: 0,
            fixable_critical: 0,
            known_exploited: 0,
            in_grace: Default::default(),
            advisories_at: None,
            changes_at: None,
        }
    }
}

#[test]
fn no_more_is_upgraded_than_the_verdict_asks_for() {
    let records = [
        record("CVE-2024-1", "npm", "a", &[("0", Some("1.1.0"))]),
        record("CVE-2024-2", "npm", "a", &[("0", Some("1.2.0"))]),
        record("CVE-2024-3", "npm", "a", &[("0", Some("9.0.0"))]),
        record("CVE-2024-4", "npm", "b", &[("0", Some("2.0.0"))]),
        record("CVE-2024-5", "npm", "c", &[("0", None)]),
    ];
    let index = index(&records);
    let inventory = inventory(["a", "b", "c"].map(|name| package("npm", name, "1.0.0")).to_vec());
    let matches = match_inventory(&index, &inventory);
    let planned = |max| {
        let judge = at_most(max);
        let plan = fix_plan(&index, &inventory, &matches, Some(&judge));
        let upgrades: Vec<String> =
            plan.upgrades.iter().map(|upgrade| format!("{} {}", upgrade.name, upgrade.to)).collect();
        (upgrades.join(", "), plan.verdict.unwrap().compliance)
    };
    assert_eq!(planned(5), (String::new(), Compliance::Compliant), "nothing is asked for");
    assert_eq!(planned(4), ("a 1.1.0".to_owned(), Compliance::Compliant));
    assert_eq!(planned(3), ("a 1.2.0".to_owned(), Compliance::Compliant));
    assert_eq!(planned(1), ("a 9.0.0, b 2.0.0".to_owned(), Compliance::Compliant));
    assert_eq!(planned(0), ("a 9.0.0, b 2.0.0".to_owned(), Compliance::Violating), "as good as it gets");
}

/// A package, and where a vulnerability of it begins and for how long it lasts.
type Drawn = (u8, Vec<(u8, Option<u8>)>);

/// Findings of up to four packages, with up to three ranges each.
fn any_records() -> impl Strategy<Value = Vec<Value>> {
    let range = (0_u8..9, proptest::option::of(1_u8..9));
    let of_one = (0_u8..4, proptest::collection::vec(range, 1..4));
    proptest::collection::vec(of_one, 1..12).prop_map(|all| {
        let one = |(number, (name, ranges)): (usize, Drawn)| {
            let ranges: Vec<(String, Option<String>)> = ranges
                .into_iter()
                .map(|(from, length)| {
                    (format!("{from}.0.0"), length.map(|length| format!("{}.0.0", from + length)))
                })
                .collect();
            let ranges: Vec<(&str, Option<&str>)> =
                ranges.iter().map(|(from, to)| (from.as_str(), to.as_deref())).collect();
            record(&format!("CVE-2024-{number}"), "npm", &format!("p{name}"), &ranges)
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_leaves_nothing_that_an_upgrade_mends(records in any_records(), versions in proptest::array::uniform4(0_u8..9)) {
        let packages = versions.iter().enumerate();
        let packages = packages.map(|(name, version)| package("npm", &format!("p{name}"), &format!("{version}.0.0")));
        let (index, inventory) = (index(&records), inventory(packages.collect()));
        let matches = match_inventory(&index, &inventory);
        let plan = fix_plan(&index, &inventory, &matches, None);
        prop_assert_eq!(&plan.matches, &match_inventory(&index, &plan.after), "the proof is of the plan");
        prop_assert!(plan.matches.findings.iter().all(|finding| !finding.is_fixable()), "{:?}", plan.matches.findings);
        let judge = at_most(2);
        let least = fix_plan(&index, &inventory, &matches, Some(&judge));
        prop_assert!(least.upgrades.len() <= plan.upgrades.len());
        let all = judge(&plan.after, &plan.matches).compliance;
        let fewer = least.verdict.map(|verdict| verdict.compliance);
        // A later version may bring what no upgrade mends: then leaving it alone is better than upgrading everything.
        prop_assert!(fewer == Some(all) || fewer == Some(Compliance::Compliant), "{fewer:?} with fewer upgrades, {all:?} with all");
    }
}
