//! Every format, of an image that is as nasty as images can be, against the official schemas.

use std::path::Path;

use breakwater_core::inventory::{
    BaseImage, Layer, OperatingSystem, Package, Secret, Software, SoftwareSet, SourcePackage, SpecialFile,
    SpecialFileKind, Unanalysed,
};
use breakwater_core::policy::Verdict;
use breakwater_core::{AffectedPackage, Digest, Finding, Inventory, NotLinked, Severity, SeveritySource};
use chrono::{DateTime, Utc};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::report::{Advisories, Judged, Report};
use super::{cyclonedx, document, html, judgement, junit, sarif, spdx, table};
use crate::arguments::FailOn;
use crate::terminal::Page;

/// What breaks markup, terminals, paths and identifiers.
const NASTY: &str = "</script><img src=x onerror=alert(1)>\"'&]]>\u{1b}[31m\u{0}\u{202e}\u{ffff} %ü";

struct Scanned {
    inventory: Inventory,
    findings: Vec<Finding>,
    not_linked: Vec<NotLinked>,
    unmatched: Vec<Unanalysed>,
    verdict: Verdict,
}

impl Scanned {
    fn report(&self) -> Report<'_> {
        Report {
            inventory: &self.inventory,
            advisories: Some(Advisories { revision: u64::MAX, built: time(0) }),
            findings: self.findings.iter().collect(),
            hidden: 3,
            not_linked: &self.not_linked,
            unmatched: &self.unmatched,
            verdict: Some(Judged { by: "policy", verdict: &self.verdict }),
            now: time(1_800_000_000),
        }
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn package(name: &str, version: &str, licenses: &[&str], layer: &Digest) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        ecosystem: "npm".to_owned(),
        purl: "pkg:npm/a@1".to_owned(),
        source: Some(SourcePackage { name: NASTY.to_owned(), version: version.to_owned() }),
        licenses: licenses.iter().map(|&licence| licence.to_owned()).collect(),
        imports: vec![NASTY.to_owned()],
        layer: Some(layer.clone()),
        path: format!("app/{name}/package.json"),
    }
}

fn finding(id: &str, package: &Package, severity: Severity, source: SeveritySource) -> Finding {
    Finding {
        id: id.to_owned(),
        aliases: vec!["GHSA-x".to_owned(), NASTY.to_owned()],
        package: AffectedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            ecosystem: package.ecosystem.clone(),
        },
        severity,
        severity_source: source,
        cvss_tenths: (severity != Severity::Unknown).then_some(98),
        fixed: (severity == Severity::Critical).then(|| NASTY.to_owned()),
        known_exploited: severity == Severity::Critical,
        epss_percentile: None,
        published: Some(1_700_000_000),
        modified: Some(1_700_000_001),
        cwes: vec![79],
        summary: NASTY.to_owned(),
        layer: package.layer.clone(),
        path: package.path.clone(),
    }
}

fn nasty() -> Scanned {
    let digest = Digest::of(b"manifest");
    let layer = Digest::of(b"layer");
    let mut inventory: Inventory = serde_json::from_value(json!({
        "schemaVersion": 1, "scanner": {"name": "breakwater", "version": "0"},
        "image": {"reference": "registry.example.com/shop/app:1", "digest": digest, "configDigest": digest,
            "platform": "linux/amd64", "created": "2026-01-02T03:04:05Z"},
        "layers": [], "packages": [], "software": [], "config": {"user": NASTY}, "unanalysed": []
    }))
    .unwrap();
    inventory.os = Some(OperatingSystem { id: "debian".into(), version: "10".into(), name: NASTY.into() });
    inventory.base = Some(BaseImage { name: NASTY.into(), digest: Some(digest.clone()), layers: 1 });
    inventory.layers =
        vec![Layer { digest: layer.clone(), diff_id: layer.clone(), size: 7, created_by: NASTY.into() }];
    inventory.packages = vec![
        package(NASTY, NASTY, &["mit", NASTY], &layer),
        package("a", "1", &["MIT OR Apache-2.0"], &layer),
        package("a", "1", &["MIT OR Apache-2.0", "zlib"], &layer),
        package("b", "", &[], &layer),
    ];
    inventory.software = vec![Software { set: SoftwareSet::Shells, name: NASTY.into(), path: NASTY.into() }];
    inventory.secrets = vec![Secret {
        rule: NASTY.into(),
        path: NASTY.into(),
        line: 0,
        fingerprint: NASTY.into(),
        layer: Some(layer.clone()),
        deleted: true,
    }];
    inventory.files = vec![SpecialFile {
        kind: SpecialFileKind::Setuid,
        path: NASTY.into(),
        detail: NASTY.into(),
        layer: Some(layer.clone()),
    }];
    inventory.unanalysed = vec![Unanalysed { path: NASTY.into(), reason: NASTY.into() }];
    let [first, second, ..] = inventory.packages.as_slice() else { unreachable!() };
    let findings = vec![
        finding("CVE-1", first, Severity::Critical, SeveritySource::Advisory),
        finding("CVE-1", second, Severity::Low, SeveritySource::Vendor),
        finding("CVE-2", second, Severity::High, SeveritySource::SameCve),
        finding("CVE-3", second, Severity::Unknown, SeveritySource::None),
    ];
    let policy = judgement::fail_on(&[FailOn::Any, FailOn::Kev], false).unwrap();
    let matches = breakwater_advisories::Matches { findings: findings.clone(), ..Default::default() };
    let verdict = judgement::judge(&policy, &inventory, None, &matches, time(0));
    let unmatched = vec![Unanalysed { path: "a".into(), reason: "cannot be compared".into() }];
    let not_linked = vec![NotLinked {
        id: "CVE-4".into(),
        aliases: vec!["GO-4".into()],
        package: findings[0].package.clone(),
        imports: vec![NASTY.into()],
        path: NASTY.into(),
    }];
    Scanned { inventory, findings, not_linked, unmatched, verdict }
}

fn file(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_slice(
        &std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
    .unwrap()
}

/// A schema with those that it refers to.
fn schema(name: &str, others: &[&str]) -> Validator {
    let mut registry = jsonschema::Registry::new();
    for name in others {
        let other = file(&format!("testdata/schemas/{name}"));
        let id = other["$id"].as_str().unwrap().to_owned();
        registry = registry.add(id, other).unwrap();
    }
    let registry = registry.prepare().unwrap();
    jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&file(&format!("testdata/schemas/{name}")))
        .unwrap()
}

fn assert_valid(validator: &Validator, document: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Characters that steer a terminal or a reader's eye.
fn assert_printable(text: &str) {
    let hostile = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}');
    assert!(!text.contains(hostile), "{text}");
}

#[test]
fn sarif_is_as_oasis_has_it() {
    let scanned = nasty();
    let sarif = sarif::render(&scanned.report());
    assert_valid(&schema("sarif-2.1.0.schema.json", &[]), &sarif);
    let run = &sarif["runs"][0];
    let rules: Vec<&str> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    let results = run["results"].as_array().unwrap();
    assert_eq!(
        results.len(),
        scanned.findings.len() + 2,
        "one result per finding and secret, one for the distribution"
    );
    for result in results {
        let place = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[place]);
    }
    let mut prints: Vec<&Value> =
        results.iter().map(|result| &result["partialFingerprints"]["breakwater/v1"]).collect();
    prints.sort_by_key(ToString::to_string);
    prints.dedup();
    assert_eq!(prints.len(), results.len());
    assert_eq!(run["tool"]["driver"]["rules"][0]["properties"]["security-severity"], "9.8");
}

#[test]
fn cyclonedx_is_as_ecma_has_it() {
    let scanned = nasty();
    let bom = cyclonedx::render(&scanned.report());
    let validator = schema(
        "cyclonedx-bom-1.6.schema.json",
        &["cyclonedx-jsf-0.82.schema.json", "cyclonedx-spdx.schema.json"],
    );
    assert_valid(&validator, &bom);
    let mut references: Vec<&str> =
        bom["components"].as_array().unwrap().iter().map(|it| it["bom-ref"].as_str().unwrap()).collect();
    let all = references.len();
    references.sort_unstable();
    references.dedup();
    assert_eq!((references.len(), all), (5, 5));
    let affects: Vec<&str> = bom["vulnerabilities"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["affects"].as_array().unwrap())
        .map(|it| it["ref"].as_str().unwrap())
        .collect();
    // Two of the packages are `a 1`, which has three findings.
    assert_eq!(affects.len(), 1 + 3 * 2);
    assert!(affects.iter().all(|it| references.contains(it)));
    assert_eq!(bom["components"][0]["licenses"][0]["license"]["id"], "MIT");
    assert_eq!(bom["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
}

#[test]
fn spdx_is_as_the_specification_has_it() {
    let scanned = nasty();
    let document = spdx::render(&scanned.report());
    assert_valid(&schema("spdx-2.3.schema.json", &[]), &document);
    let ids: Vec<&Value> = document["packages"].as_array().unwrap().iter().map(|it| &it["SPDXID"]).collect();
    for relationship in document["relationships"].as_array().unwrap() {
        assert!(ids.contains(&&relationship["relatedSpdxElement"]));
    }
    let declared = |place: usize| &document["packages"][place + 2]["licenseDeclared"];
    assert_eq!(declared(0), "NOASSERTION");
    assert_eq!(declared(1), "MIT OR Apache-2.0");
    assert_eq!(declared(2), "(MIT OR Apache-2.0) AND Zlib");
}

#[test]
fn json_is_as_its_documentation_has_it() {
    let scanned = nasty();
    let value = serde_json::to_value(document::Document::of(&scanned.report())).unwrap();
    let mut schema = file("../docs/schema/scan-v1.schema.json");
    close(&mut schema);
    assert_valid(&jsonschema::validator_for(&schema).unwrap(), &value);
}

/// The published schema lets later versions add to a document; here nothing may be there that it does not know.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object)
                && !object.contains_key("additionalProperties")
            {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn junit_counts_what_it_holds() {
    let scanned = nasty();
    let xml = junit::render(&scanned.report());
    assert_printable(&xml);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let root = document.root_element();
    let number =
        |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let of = |node: &roxmltree::Node<'_, '_>, name: &str| {
        node.descendants().filter(|it| it.has_tag_name(name)).count()
    };
    assert!(root.has_tag_name("testsuites"));
    let suites: Vec<_> = root.children().filter(roxmltree::Node::is_element).collect();
    assert!(suites.iter().all(|suite| suite.has_tag_name("testsuite")));
    assert_eq!(suites.len(), 5);
    for node in suites.iter().chain([&root]) {
        assert_eq!(number(node, "tests"), of(node, "testcase"));
        assert_eq!(number(node, "failures"), of(node, "failure"));
        assert_eq!(number(node, "errors"), of(node, "error"));
        assert_eq!(number(node, "skipped"), of(node, "skipped"));
    }
    for case in root.descendants().filter(|it| it.has_tag_name("testcase")) {
        assert!(case.attribute("name").is_some() && case.attribute("classname").is_some());
        assert!(case.parent().unwrap().has_tag_name("testsuite"));
    }
    assert_eq!(number(&suites[0], "failures"), 2, "one test case per package with findings");
}

#[test]
fn html_holds_no_markup_of_the_image() {
    let scanned = nasty();
    let page = html::render(&scanned.report());
    assert_printable(&page);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("http://"), "{page}");
    for words in [
        "CVE-1",
        "said by the distribution",
        "said by nobody",
        "not listed",
        "Not analysed: 2 items",
        "ended on 2024-06-30",
        "setuid: run as their owner",
        "1 of 1 layer",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let open = page.matches("<section>").count();
    assert_eq!((open, page.matches("</section>").count()), (2, 2), "one section per package");
    // Well-formed but for the void elements of the head and the line breaks.
    let body = page.split("<body>").nth(1).unwrap().split("</body>").next().unwrap().replace("<br>", "<br/>");
    roxmltree::Document::parse(&format!("<body>{body}</body>")).unwrap();
}

#[test]
fn tables_fit_their_page() {
    let scanned = nasty();
    for width in [80, 60] {
        let table = table::render(&scanned.report(), Page { width, ..Page::of_a_file() });
        assert_printable(&table);
        assert!(table.lines().all(|line| line.chars().count() <= width), "{width}\n{table}");
    }
    let table = table::render(&scanned.report(), Page::of_a_file());
    for words in [
        "severity said by nobody (?): 1",
        "Unknown       ? no fix",
        "3 findings not listed",
        "out of support",
        "setuid: run as their owner (1)",
        "1 of 1 layer",
    ] {
        assert!(table.contains(words), "{words}\n{table}");
    }
}

/// Every kind, more of them than are listed, paths longer than a row.
#[test]
fn special_files_are_grouped_and_bounded() {
    use SpecialFileKind::{Capabilities, Miner, PrivateKey, Setgid, Setuid, WorldWritable};
    let mut scanned = nasty();
    let file =
        |kind, path: String, detail: &str| SpecialFile { kind, path, detail: detail.into(), layer: None };
    scanned.inventory.files =
        (0..7).map(|n| file(Setuid, format!("/bin/{n}"), "mode 4755, owner 0")).collect();
    scanned.inventory.files.extend([
        file(Capabilities, "/bin/ping".into(), "cap_net_raw=ep"),
        file(Setgid, "/bin/wall".into(), "mode 2755, group 5"),
        file(WorldWritable, format!("/srv/{}", "x".repeat(300)), "mode 0666"),
        file(PrivateKey, "/root/.ssh/id_rsa".into(), "named like a private key"),
        file(Miner, "/opt/xmrig".into(), "named like a miner"),
    ]);
    scanned.inventory.secrets = vec![scanned.inventory.secrets[0].clone(); 12];
    let table = table::render(&scanned.report(), Page::of_a_file());
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let (_, files) = table.split_once("more than a file should\n").unwrap();
    let (files, secrets) = files.split_once("\n\n").unwrap();
    insta::assert_snapshot!(files);
    assert!(secrets.contains("and 2 more (-o json lists all)"), "{secrets}");
    let page = html::render(&scanned.report());
    assert!(page.contains("12 files that grant or hold more"), "{page}");
    assert!(page.find("miners of cryptocurrency").unwrap() < page.find("private keys").unwrap());
}

#[test]
fn the_end_of_support_is_a_finding_of_its_own_and_no_severity() {
    let scanned = nasty();
    let of = |now: &str| {
        let report = Report { now: now.parse().unwrap(), ..scanned.report() };
        let counts = report.counts();
        let said = |rendered: &str| rendered.contains("ended on");
        let shown = [
            said(&table::render(&report, Page::of_a_file())),
            said(&html::render(&report)),
            said(&junit::render(&report)),
            said(&sarif::render(&report).to_string()),
        ];
        (
            serde_json::to_value(document::Document::of(&report)).unwrap()["support"]["ended"] == true,
            shown,
            counts,
        )
    };
    let (before, after) = (of("2024-06-30T12:00:00Z"), of("2024-07-01T12:00:00Z"));
    assert_eq!((before.0, before.1), (false, [false; 4]));
    assert_eq!((after.0, after.1), (true, [true; 4]));
    assert_eq!(before.2, after.2);
    let report = Report { now: time(0), ..scanned.report() };
    assert!(table::render(&report, Page::of_a_file()).contains("supports this release until 2024-06-30"));
    let scanned = Scanned { inventory: Inventory { os: None, ..scanned.inventory.clone() }, ..scanned };
    let value = serde_json::to_value(document::Document::of(&scanned.report())).unwrap();
    assert_eq!(value.get("support"), None, "what is not known is not said");
}

#[test]
fn the_same_image_gives_the_same_documents_at_any_time() {
    let scanned = nasty();
    let later = Report { now: time(1_900_000_000), ..scanned.report() };
    assert_eq!(cyclonedx::render(&scanned.report()), cyclonedx::render(&later));
    assert_eq!(spdx::render(&scanned.report()), spdx::render(&later));
    assert_eq!(sarif::render(&scanned.report()), sarif::render(&later));
    assert_eq!(junit::render(&scanned.report()), junit::render(&later));
    let mut other = nasty();
    other.inventory.packages.pop();
    assert_ne!(
        cyclonedx::render(&scanned.report())["serialNumber"],
        cyclonedx::render(&other.report())["serialNumber"]
    );
}

#[test]
fn without_findings_and_index_nothing_is_claimed() {
    let mut scanned = nasty();
    scanned.findings.clear();
    let report = Report { advisories: None, verdict: None, hidden: 0, ..scanned.report() };
    assert_eq!(cyclonedx::render(&report).get("vulnerabilities"), None);
    assert!(junit::render(&report).contains("no advisory index"));
    assert!(table::render(&report, Page::of_a_file()).contains("not judged"));
    assert!(html::render(&report).contains("packages were not matched"));
}
