//! What is read from a real, stripped Go program: the control plane's own.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use breakwater_e2e::Layout;
use serde_json::Value;

use super::support::product::breakwater;

#[test]
fn the_packages_that_are_linked_are_those_that_the_linker_was_given() {
    let program = Layout::from_environment()
        .expect("a valid environment")
        .bin()
        .join("kubectl")
        .canonicalize()
        .expect("the cluster is up");
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(program, root.path().join("kubernetes")).unwrap();
    let scan = Command::new(breakwater())
        .args(["scan", "--no-secrets", "-o", "json"])
        .arg(format!("rootfs:{}", root.path().display()))
        // Without an index.
        .env("XDG_CACHE_HOME", root.path().join("none"))
        .env_remove("BREAKWATER_DB")
        .output()
        .expect("the command line runs");
    assert!(scan.status.success(), "{}", String::from_utf8_lossy(&scan.stderr));
    let document: Value = serde_json::from_slice(&scan.stdout).unwrap();
    let packages = document["packages"].as_array().unwrap();
    let imports = |package: &Value| -> Vec<String> {
        let list = package["imports"].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let linked: BTreeSet<String> = packages.iter().flat_map(imports).collect();

    let module = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cluster/k8s");
    let list = Command::new("go")
        .args(["list", "-mod=readonly", "-deps", "."])
        .env("CGO_ENABLED", "0")
        .current_dir(module)
        .output()
        .expect("go runs");
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    let given: BTreeSet<String> = String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect();

    // `a/b.T.c/d.(*U).F` is what `T` has from `U`; its package cannot be told from a path with dots (nor does debug/gosym).
    let is_promoted = |path: &str| path.match_indices('.').any(|(at, _)| given.contains(&path[..at]));
    let foreign: Vec<&String> =
        linked.difference(&given).filter(|path| path.contains('.') && !is_promoted(path)).collect();
    assert!(foreign.is_empty(), "linked, and not given to the linker: {foreign:?}");
    // The others hold types and constants alone, or nothing that is used.
    assert!(linked.len() * 10 > given.len() * 7, "{} of {}", linked.len(), given.len());
    for path in [
        "k8s.io/kubernetes/pkg/kubelet",
        "golang.org/x/net/http2",
        "go.etcd.io/etcd/server/v3/embed",
        "net/http",
    ] {
        assert!(linked.contains(path), "{path}");
    }
    let silent: Vec<&str> = packages
        .iter()
        .filter(|package| imports(package).is_empty())
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert!(silent.len() * 10 < packages.len(), "modules of which nothing is linked: {silent:?}");
}
