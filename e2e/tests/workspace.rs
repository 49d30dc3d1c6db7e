//! The borders between the crates, as cargo sees them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what a test relies on and does not get, fails it; a real cluster is waited for by the clock"
)]

use std::{collections::BTreeSet, process::Command};

/// Who may depend on whom inside the workspace. Binaries never depend on binaries; the end-to-end tests use the operator's report store.
const ALLOWED: &[(&str, &[&str])] = &[
    ("breakwater-core", &[]),
    ("breakwater-crds", &["breakwater-core"]),
    ("breakwater-advisories", &["breakwater-core"]),
    ("breakwater-scanner", &["breakwater-core"]),
    ("breakwater-operator", &["breakwater-core", "breakwater-crds", "breakwater-advisories"]),
    ("breakwater", &["breakwater-core", "breakwater-crds", "breakwater-advisories", "breakwater-scanner"]),
    ("breakwater-testing", &["breakwater-core"]),
    ("breakwater-e2e", &["breakwater-core", "breakwater-crds", "breakwater-operator"]),
];

/// Who may be a dev-dependency of all: tests use it, products do not.
const FOR_TESTS: &str = "breakwater-testing";

/// What the pure and the exposed crates must never see, however indirectly.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("breakwater-core", &["kube", "k8s-openapi", "tokio", "reqwest", "rand"]),
    ("breakwater-advisories", &["kube", "k8s-openapi", "tokio", "reqwest"]),
    ("breakwater-scanner", &["kube", "k8s-openapi"]),
];

#[test]
fn crates_depend_only_on_those_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "every crate of the workspace has its line here");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name).expect("just compared").1;
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let target = dependency["name"].as_str().expect("a name");
            assert!(
                !names.contains(target)
                    || allowed.contains(&target)
                    || (target == FOR_TESTS && dependency["kind"] == "dev"),
                "{name} must not depend on {target}"
            );
        }
    }
}

#[test]
fn pure_and_exposed_crates_never_see_the_api_server_or_a_runtime() {
    for (name, forbidden) in FORBIDDEN {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "-p", name, "-e", "normal", "--prefix", "none", "--format", "{p}"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(tree.starts_with(name), "{}", String::from_utf8_lossy(&output.stderr));
        let seen: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        for bad in *forbidden {
            assert!(!seen.contains(bad), "{name} sees {bad}");
        }
    }
}

#[test]
fn one_tls_provider() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--workspace", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("ring v"), "ring is the provider");
    for bad in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
        assert!(
            !tree.lines().any(|line| line.starts_with(&format!("{bad} "))),
            "{bad} makes rustls ambiguous"
        );
    }
}
