use serde_json::{Value, json};

use super::*;

fn read(document: &Value) -> Inventory {
    parse(document.to_string().as_bytes(), "sbom:bom.json", "bom.json", &Platform::linux("amd64")).unwrap()
}

fn library(purl: &str) -> Value {
    json!({"type": "library", "name": "x", "version": "0", "purl": purl})
}

fn of(components: &[Value]) -> Inventory {
    read(&json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components}))
}

#[test]
fn package_urls_name_ecosystems_as_osv_does() {
    for (purl, ecosystem, name, version) in [
        ("pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12", "Debian:12", "libssl3", "3.0.11-1"),
        ("pkg:deb/debian/curl@7.50.3-1?distro=bullseye", "Debian:11", "curl", "7.50.3-1"),
        ("pkg:deb/debian/zlib1g@1.2.13?epoch=1&distro=debian-12.5", "Debian:12", "zlib1g", "1:1.2.13"),
        ("pkg:deb/ubuntu/bash@5.1?distro=ubuntu-22.04", "Ubuntu:22.04", "bash", "5.1"),
        ("pkg:apk/alpine/musl@1.2.5-r0?distro=alpine-3.20.3", "Alpine:v3.20", "musl", "1.2.5-r0"),
        ("pkg:apk/alpine/musl@1.2.5-r0?distro=3.20.3", "Alpine:v3.20", "musl", "1.2.5-r0"),
        ("pkg:apk/wolfi/glibc@2.40-r1?arch=x86_64", "Wolfi", "glibc", "2.40-r1"),
        (
            "pkg:rpm/almalinux/bash@5.1.8-6.el9?distro=almalinux-9.4&epoch=0",
            "AlmaLinux:9",
            "bash",
            "5.1.8-6.el9",
        ),
        ("pkg:npm/%40types/node@20.1.0", "npm", "@types/node", "20.1.0"),
        ("pkg:pypi/Jinja2_x.y@2.10", "PyPI", "jinja2-x-y", "2.10"),
        ("pkg:golang/github.com/Azure/azure-sdk@v1.0.0", "Go", "github.com/Azure/azure-sdk", "v1.0.0"),
        ("pkg:cargo/time@0.1.0", "crates.io", "time", "0.1.0"),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
            "Maven",
            "org.apache.logging.log4j:log4j-core",
            "2.14.1",
        ),
        ("pkg:gem/rails@7.0.0?platform=ruby", "RubyGems", "rails", "7.0.0"),
        ("pkg:nuget/Newtonsoft.Json@12.0.1", "NuGet", "Newtonsoft.Json", "12.0.1"),
        ("pkg:composer/symfony/http-kernel@5.0", "Packagist", "symfony/http-kernel", "5.0"),
        ("pkg:swift/github.com/apple/swift-nio@2.0.0", "SwiftURL", "github.com/apple/swift-nio", "2.0.0"),
    ] {
        let inventory = of(&[library(purl)]);
        let package =
            inventory.packages.first().unwrap_or_else(|| panic!("{purl}: {:?}", inventory.unanalysed));
        let found = (package.ecosystem.as_str(), package.name.as_str(), package.version.as_str());
        assert_eq!(found, (ecosystem, name, version), "{purl}");
        assert_eq!(package.purl, purl);
    }
}

#[test]
fn sources_come_from_qualifiers_and_properties() {
    let source = |component: Value| {
        of(&[component]).packages[0].source.clone().map(|source| (source.name, source.version))
    };
    let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
    let debian = "pkg:deb/debian/libc6@2.36-9?distro=debian-12";
    assert_eq!(source(library(debian)), None);
    assert_eq!(source(library(&format!("{debian}&upstream=glibc"))), pair("glibc", "2.36-9"));
    assert_eq!(source(library(&format!("{debian}&upstream=glibc%402.36-9%2Bx"))), pair("glibc", "2.36-9+x"));
    let rpm = "pkg:rpm/almalinux/bash-libs@5.1-6.el9?distro=almalinux-9&upstream=bash-5.1-6.el9.src.rpm";
    assert_eq!(source(library(rpm)), pair("bash", "5.1-6.el9"));
    let mut stated = library(debian);
    stated["properties"] = json!([{"name": "aquasecurity:trivy:SrcName", "value": "glibc"},
        {"name": "aquasecurity:trivy:SrcVersion", "value": "2.36"}, {"name": "aquasecurity:trivy:SrcRelease", "value": "9"},
        {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]);
    assert_eq!(source(stated), pair("glibc", "1:2.36-9"));
}

#[test]
fn what_cannot_be_matched_is_counted_by_reason() {
    let bare = |name: &str| json!({"type": "library", "name": name});
    let inventory = of(&[
        bare("first\u{1b}"),
        bare("second"),
        library("pkg:swid/a@1"),
        library("npm/a"),
        library("pkg:npm/a@1"),
        library("pkg:deb/debian/apt@1"),
        json!({"type": "library", "name": "unversioned", "purl": "pkg:npm/u"}),
        json!({"type": "file", "name": "/etc/passwd"}),
    ]);
    assert_eq!(inventory.packages.len(), 1);
    let reasons: Vec<_> = inventory.unanalysed.iter().map(|item| item.reason.as_str()).collect();
    assert_eq!(reasons.len(), 6, "{reasons:?}");
    for words in [
        "without a package URL cannot be matched (2 of 7",
        "type swid",
        "pkg:",
        "no stated release",
        "without a version",
        "no image configuration",
    ] {
        assert!(reasons.iter().any(|reason| reason.contains(words)), "{words}: {reasons:?}");
    }
}

#[test]
fn cyclonedx_parts_are_found_at_any_depth() {
    let inventory = read(&json!({"bomFormat": "CycloneDX", "specVersion": "1.6",
    "metadata": {"component": {"type": "container", "name": "app", "components": [library("pkg:npm/inner@1")]}},
    "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "library", "name": "bash", "version": "5.2", "purl": "pkg:deb/debian/bash@5.2?arch=amd64",
         "licenses": [{"license": {"id": "GPL-3.0"}}, {"expression": "MIT OR ISC"}],
         "evidence": {"occurrences": [{"location": "/var/lib/dpkg/status"}]}},
        {"type": "application", "name": "outer", "version": "1", "purl": "pkg:npm/outer@1", "components": [library("pkg:npm/deep@1")]},
    ]}));
    let os = inventory.os.unwrap();
    assert_eq!((os.id.as_str(), os.version.as_str(), os.name.as_str()), ("debian", "12", "debian 12"));
    let names: Vec<_> = inventory.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["bash", "deep", "inner", "outer"]);
    let bash = &inventory.packages[0];
    assert_eq!((bash.ecosystem.as_str(), bash.path.as_str()), ("Debian:12", "var/lib/dpkg/status"));
    assert_eq!(bash.licenses, ["GPL-3.0", "MIT OR ISC"]);
    assert_eq!(inventory.packages[1].path, "bom.json");
    assert!(inventory.software.iter().any(|software| software.name == "bash"));
}

#[test]
fn spdx_packages_are_read() {
    let purl = |locator: &str| json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}]);
    let inventory = read(&json!({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT",
    "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-app", "relationshipType": "DESCRIBES"}],
    "packages": [
        {"SPDXID": "SPDXRef-app", "name": "app", "versionInfo": "1"},
        {"SPDXID": "SPDXRef-os", "name": "Alpine", "versionInfo": "3.20.1", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"SPDXID": "a", "name": "musl", "versionInfo": "1.2.5-r0", "licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT",
         "sourceInfo": "acquired package info from APK DB: /lib/apk/db/installed", "externalRefs": purl("pkg:apk/alpine/musl@1.2.5-r0")},
        {"SPDXID": "b", "name": "nothing", "versionInfo": "1"},
    ]}));
    let [musl] = inventory.packages.as_slice() else { panic!("{:?}", inventory.packages) };
    assert_eq!((musl.ecosystem.as_str(), musl.path.as_str()), ("Alpine:v3.20", "lib/apk/db/installed"));
    assert_eq!(musl.licenses, ["MIT"]);
    assert!(inventory.unanalysed.iter().any(|item| item.reason.contains("(1 of 2, first nothing)")));
}

#[test]
fn other_documents_are_refused_with_a_remedy() {
    let refused = |text: &str| {
        parse(text.as_bytes(), "sbom:x", "x", &Platform::linux("amd64")).unwrap_err().to_string()
    };
    for (text, words) in [
        ("", "JSON"),
        ("<?xml version=\"1.0\"?><bom/>", "as JSON"),
        ("{}", "neither"),
        ("[]", "JSON"),
        (r#"{"bomFormat":"CycloneDX","specVersion":"1.1"}"#, "CycloneDX 1.1"),
        (r#"{"spdxVersion":"SPDX-3.0"}"#, "SPDX-3.0"),
        (r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#, "SPDX 3"),
        (r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":{}}"#, "JSON"),
    ] {
        assert!(refused(text).contains(words), "{text}: {}", refused(text));
    }
    let deep = [r#"[{"components":"#.repeat(100_000), "[]".into(), "}]".repeat(100_000)].concat();
    let nested = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":{deep}}}"#);
    assert!(refused(&nested).contains("recursion"));
}
