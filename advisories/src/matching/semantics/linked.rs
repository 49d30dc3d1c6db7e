//! Go: advisories name packages of a module, inventories those that are linked into a program.

use breakwater_core::inventory::Package;
use breakwater_core::{Finding, NotLinked};
use serde_json::{Value, json};

use super::{Advisories, affected, inventory, package};
use crate::matching::{match_inventory, not_linked};

fn published() -> Vec<Value> {
    vec![serde_json::from_str(include_str!("../../../testdata/osv/Go/GO-2023-1571.json")).unwrap()]
}

fn linking(name: &str, version: &str, imports: &[&str]) -> Package {
    let imports = imports.iter().map(|&path| path.to_owned()).collect();
    Package { imports, ..package("Go", name, version) }
}

/// A record about `imports` of the module `m`, mended in 2.0.0.
fn record(id: &str, cve: &str, imports: Value) -> Value {
    let mut affected = affected("Go", "m", json!([{"introduced": "0"}, {"fixed": "2.0.0"}]));
    affected["ecosystem_specific"] = json!({ "imports": imports });
    json!({"id": id, "aliases": [cve], "affected": [affected]})
}

/// What matching says, and what it passes over.
#[derive(Debug)]
struct Matched {
    findings: Vec<Finding>,
    not_linked: Vec<NotLinked>,
}

fn matches(records: &[Value], packages: Vec<Package>) -> Matched {
    let (index, _) = Advisories::of(records).index(None);
    let inventory = inventory(packages);
    Matched {
        findings: match_inventory(&index, &inventory).findings,
        not_linked: not_linked(&index, &inventory),
    }
}

fn found(matches: &Matched) -> Vec<&str> {
    matches.findings.iter().map(|finding| finding.id.as_str()).collect()
}

fn absent(matches: &Matched) -> Vec<&str> {
    matches.not_linked.iter().map(|absent| absent.id.as_str()).collect()
}

/// GO-2023-1571 (CVE-2022-41723): HPACK decoding, in `golang.org/x/net/http2` and `…/http2/hpack`, and in `net/http`.
#[test]
fn a_module_without_the_affected_packages_is_not_affected() {
    let html =
        linking("golang.org/x/net", "v0.6.0", &["golang.org/x/net/html", "golang.org/x/net/html/atom"]);
    let matched = matches(&published(), vec![html.clone()]);
    assert!(matched.findings.is_empty(), "{matched:?}");
    let [named] = &matched.not_linked[..] else { panic!("{matched:?}") };
    let NotLinked { id, aliases, package, imports, path } = named;
    assert_eq!(
        (id.as_str(), &aliases[..]),
        ("CVE-2022-41723", &["GHSA-vvpx-j8f3-3w6h".into(), "GO-2023-1571".to_owned()][..])
    );
    assert_eq!((package.name.as_str(), package.version.as_str()), ("golang.org/x/net", "v0.6.0"));
    assert_eq!(imports, &["golang.org/x/net/http2", "golang.org/x/net/http2/hpack"]);
    assert_eq!(path, &html.path);

    for imports in [&["golang.org/x/net/html", "golang.org/x/net/http2/hpack"][..], &[]] {
        let matched = matches(&published(), vec![linking("golang.org/x/net", "v0.6.0", imports)]);
        assert_eq!((found(&matched), absent(&matched)), (vec!["CVE-2022-41723"], vec![]), "{imports:?}");
    }
    let mended =
        matches(&published(), vec![linking("golang.org/x/net", "v0.7.0", &["golang.org/x/net/html"])]);
    assert_eq!((found(&mended), absent(&mended)), (vec![], vec![]), "a mended version says nothing");
}

#[test]
fn the_standard_library_is_judged_by_its_packages() {
    let of = |imports| matches(&published(), vec![linking("stdlib", "1.19.5", imports)]);
    assert_eq!(found(&of(&["net/http", "os"])), ["CVE-2022-41723"]);
    assert_eq!(absent(&of(&["net/http/internal", "os"])), ["CVE-2022-41723"]);
}

/// As GO-2022-1143 (`os`, Windows) and GO-2022-0187 (`crypto/elliptic`, amd64) have it. The inventory is of linux/amd64.
#[test]
fn packages_of_another_platform_are_not_affected() {
    for (only, is_here) in [
        (json!({"path": "m/a", "goos": ["windows", "darwin"]}), false),
        (json!({"path": "m/a", "goos": ["linux"]}), true),
        (json!({"path": "m/a", "goarch": ["386", "arm"]}), false),
        (json!({"path": "m/a", "goos": ["linux"], "goarch": ["amd64"]}), true),
        (json!({"path": "m/a", "goos": [], "goarch": null}), true),
    ] {
        let records = [record("GO-1", "CVE-1", json!([only]))];
        let matched = matches(&records, vec![linking("m", "v1.0.0", &["m/a"])]);
        assert_eq!(
            (found(&matched).len(), absent(&matched).len()),
            (usize::from(is_here), usize::from(!is_here)),
            "{only}"
        );
        let unknown = matches(&records, vec![linking("m", "v1.0.0", &[])]);
        assert_eq!(found(&unknown), ["CVE-1"], "without the linked packages nothing is left out: {only}");
    }
}

#[test]
fn entries_of_one_record_are_judged_each_by_its_own_packages() {
    let entry = |path: &str, events: Value| {
        let mut affected = affected("Go", "m", events);
        affected["ecosystem_specific"] = json!({"imports": [{"path": path}]});
        affected
    };
    let records = [json!({"id": "GO-1", "aliases": ["CVE-1"], "affected": [
        entry("m/old", json!([{"introduced": "0"}, {"fixed": "1.5.0"}])),
        entry("m/new", json!([{"introduced": "1.5.0"}, {"fixed": "2.0.0"}]))]})];
    for (version, import, is_hit) in [
        ("v1.0.0", "m/old", true),
        ("v1.0.0", "m/new", false),
        ("v1.6.0", "m/new", true),
        ("v1.6.0", "m/old", false),
    ] {
        let matched = matches(&records, vec![linking("m", version, &[import])]);
        assert_eq!(!found(&matched).is_empty(), is_hit, "{version} {import}");
        assert_eq!(!absent(&matched).is_empty(), !is_hit, "{version} {import}");
    }
}

/// The Go export has GitHub's records, too; those know a module as a whole.
#[test]
fn what_names_the_packages_counts_against_what_names_the_module_alone() {
    let whole = || {
        json!({"id": "GHSA-1", "aliases": ["CVE-1"], "affected": [
        affected("Go", "m", json!([{"introduced": "0"}, {"fixed": "2.1.0"}]))]})
    };
    let precise = || record("GO-1", "CVE-1", json!([{"path": "m/a"}]));

    let matched = matches(&[whole(), precise()], vec![linking("m", "v1.0.0", &["m/b"])]);
    assert_eq!((found(&matched), absent(&matched)), (vec![], vec!["CVE-1"]));
    assert_eq!(matched.not_linked[0].aliases, ["GHSA-1", "GO-1"]);
    // Only the wider range of the other record covers this version.
    let matched = matches(&[whole(), precise()], vec![linking("m", "v2.0.5", &["m/b"])]);
    assert_eq!((found(&matched), absent(&matched)), (vec![], vec!["CVE-1"]));

    let matched = matches(&[whole(), precise()], vec![linking("m", "v1.0.0", &["m/a"])]);
    assert_eq!(found(&matched), ["CVE-1"]);
    assert_eq!(matched.findings[0].fixed.as_deref(), Some("2.1.0"));
    // Without a record that names packages, and where two of them do not agree, the module counts.
    let matched = matches(&[whole()], vec![linking("m", "v1.0.0", &["m/b"])]);
    assert_eq!(found(&matched), ["CVE-1"]);
    let other = record("GO-2", "CVE-1", json!([{"path": "m/b"}]));
    let matched = matches(&[whole(), precise(), other], vec![linking("m", "v1.0.0", &["m/b"])]);
    assert_eq!((found(&matched), absent(&matched)), (vec!["CVE-1"], vec![]));
}

#[test]
fn what_one_program_does_not_have_another_may() {
    let records = [record("GO-1", "CVE-1", json!([{"path": "m/a"}]))];
    let at =
        |path: &str, imports: &[&str]| Package { path: path.to_owned(), ..linking("m", "v1.0.0", imports) };
    let matched =
        matches(&records, vec![at("bin/x", &["m/b"]), at("bin/y", &["m/a"]), at("bin/z", &["m/a", "m/b"])]);
    assert_eq!((found(&matched), absent(&matched)), (vec!["CVE-1"], vec![]));
    assert_eq!(matched.findings[0].path, "bin/y");
    let matched = matches(&records, vec![at("bin/x", &["m/b"]), at("bin/y", &["m/c"])]);
    assert_eq!((found(&matched), absent(&matched)), (vec![], vec!["CVE-1"]));
    assert_eq!(matched.not_linked[0].path, "bin/x");
}

#[test]
fn imports_mean_nothing_outside_of_go() {
    let mut record = record("GHSA-1", "CVE-1", json!([{"path": "m/a"}]));
    record["affected"][0]["package"]["ecosystem"] = json!("npm");
    let linked = Package { imports: vec!["m/b".into()], ..package("npm", "m", "1.0.0") };
    assert_eq!(found(&matches(&[record], vec![linked])), ["CVE-1"]);
}
