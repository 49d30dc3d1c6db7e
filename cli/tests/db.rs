//! `breakwater db build` and `db status`, as people run them.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn breakwater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_breakwater"))
        .args(arguments)
        .env_remove("BREAKWATER_DB")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../advisories/testdata")
}

#[test]
fn an_index_is_built_and_says_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("advisories.index");
    let (out, source, kev) = (out.to_str().unwrap(), testdata().join("osv"), testdata().join("kev.json"));
    let source = format!("file:{}", source.display());
    let built = breakwater(&[
        "db",
        "build",
        "--source",
        &source,
        "--kev",
        kev.to_str().unwrap(),
        "--out",
        out,
        "--revision",
        "7",
    ]);
    assert!(built.status.success(), "{}", text(&built.stderr));
    assert!(text(&built.stdout).contains("revision 7"), "{}", text(&built.stdout));
    assert!(built.stderr.is_empty(), "progress is for terminals only");

    let status = breakwater(&["db", "status", out]);
    assert!(status.status.success());
    let shown = text(&status.stdout);
    assert!(shown.contains("is whole") && shown.contains("Debian:12") && shown.contains("PyPI"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80 || line.contains("is whole")), "{shown}");

    let json = breakwater(&["db", "status", out, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["revision"], 7);
    assert_eq!(json["ecosystems"][0]["name"], "Debian:12");
}

#[test]
fn what_cannot_be_used_is_named_and_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("damaged"), "nonsense nonsense").unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    for (arguments, words) in [
        (vec!["db", "status", &path("nowhere")], "nowhere"),
        (vec!["db", "status", &path("damaged")], "not an advisory index"),
        (
            vec!["db", "build", "--source", &path("empty"), "--out", &path("x")],
            "neither all.zip archives nor JSON",
        ),
        (
            vec!["db", "build", "--source", "http://127.0.0.1:1/", "--out", &path("x")],
            "cannot fetch http://127.0.0.1:1/ecosystems.txt",
        ),
        (vec!["db", "build", "--source", "http://[", "--out", &path("x")], "is not a URL"),
        (vec!["db", "sync", "--source", "x", "--dir", "y", "--interval", "1ms"], "from 1s to 7d"),
        (vec!["undo", "service/web"], "no kind of workload"),
    ] {
        let ended = breakwater(&arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        assert!(text(&ended.stderr).contains(words), "{arguments:?}: {}", text(&ended.stderr));
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn help_version_and_completions() {
    let help = text(&breakwater(&["--help"]).stdout);
    for word in ["scan", "db", "explain", "undo", "completions", "Exit status"] {
        assert!(help.contains(word), "{help}");
    }
    assert_eq!(text(&breakwater(&["version"]).stdout), format!("breakwater {}\n", env!("CARGO_PKG_VERSION")));
    assert!(text(&breakwater(&["completions", "bash"]).stdout).contains("_breakwater"));
}
