//! `breakwater scan` against a registry of this test: a Debian-like image with old Python and npm packages.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

mod registry;

use std::os::unix::fs::PermissionsExt as _;

use registry::{breakwater, index, old_application, policy, registry, text};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_image_is_read_matched_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/app:1", registry(vec![old_application()]).await);
    let db = index(directory.path()).await;
    let db = db.to_str().unwrap();
    let run = async |more: &[&str]| registry::scan(&image, more).await;

    let table = run(&["--db", db]).await;
    assert!(table.status.success(), "{}", text(&table.stderr));
    assert!(table.stderr.is_empty(), "progress is for terminals only: {}", text(&table.stderr));
    let shown = text(&table.stdout);
    println!("{shown}");
    for words in [
        "CVE-2021-44906",
        "fixed in 1.2.6",
        "lodash 4.17.15",
        "pyyaml 5.1",
        "critical",
        "Debian GNU/Linux 12",
        "runs as root",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(!shown.contains('\x1b'), "no colours in a pipe");

    let json = run(&["--db", db, "-o", "json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["schemaVersion"], 1);
    assert_eq!(json["image"]["platform"], "linux/amd64");
    let finding = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["id"] == "CVE-2021-44906")
        .unwrap();
    assert_eq!(
        (&finding["fixed"], &finding["cvss"], &finding["severity"]),
        (&json!("1.2.6"), &json!("9.8"), &json!("Critical"))
    );
    let zlib = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["id"] == "CVE-2023-45853")
        .unwrap();
    assert_eq!((&zlib["package"]["name"], &zlib["severity"]), (&json!("zlib1g"), &json!("Low")));

    let strict =
        policy(directory.path(), "strict.yaml", &json!({"vulnerabilities": {"max": {"critical": 0}}}));
    let failed = run(&["--db", db, "--policy", &strict]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    assert!(text(&failed.stdout).contains("policy FAIL") && text(&failed.stdout).contains("BW-VUL-001"));
    let lax = policy(directory.path(), "lax.yaml", &json!({"vulnerabilities": {"max": {"critical": 100}}}));
    let passed = run(&["--db", db, "--policy", &lax]).await;
    assert_eq!(passed.status.code(), Some(0), "{}{}", text(&passed.stdout), text(&passed.stderr));

    // Without an index nothing is known, and that is no pass.
    let unknown = run(&["--policy", &lax, "-o", "json"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    let unknown: Value = serde_json::from_slice(&unknown.stdout).unwrap();
    assert_eq!((&unknown["verdict"]["result"], unknown.get("advisories")), (&json!("Unknown"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(vec![old_application()]).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        path("typo.yaml"),
        "apiVersion: breakwater.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: a}\nspec: {rulez: {}}\n",
    )
    .unwrap();
    std::fs::write(path("other.yaml"), "kind: ConfigMap\n").unwrap();
    std::fs::write(path("damaged"), "no index at all").unwrap();
    let image = format!("{registry}/app:1");
    let missing = format!("{registry}/app:missing");
    for (arguments, words) in [
        (vec!["scan", "UPPER/case"], "SOURCE"),
        (vec!["scan", directory.path().to_str().unwrap()], "rootfs:DIR"),
        (vec!["scan", "./image.tar"], "docker-archive:FILE"),
        (vec!["scan", &image, "--base", "/srv/base"], "--base \"/srv/base\" is a path"),
        (vec!["scan", &image, "--max-db-age", "24h"], "`breakwater db update`"),
        (
            vec!["scan", &image, "--insecure", "--allow-private", "--db", &path("absent")],
            "`breakwater db update`",
        ),
        (vec!["fix-plan", &image], "`breakwater db update`"),
        (vec!["diff", &image, &image, "--fail-on-new", "high"], "`breakwater db update`"),
        (vec!["scan", &image, "--insecure"], "--allow-private"),
        (vec!["scan", &image, "--allow-private"], "--insecure"),
        (vec!["scan", &missing, "--insecure", "--allow-private"], "missing"),
        (vec!["scan", &image, "--insecure", "--allow-private", "--platform", "linux/s390x"], "--platform"),
        (vec!["scan", &image, "--db", &path("nowhere")], "nowhere"),
        (vec!["scan", &image, "--db", &path("damaged")], "db build"),
        (vec!["scan", &image, "--policy", &path("typo.yaml")], "rulez"),
        (vec!["scan", &image, "--policy", &path("other.yaml")], "no ImagePolicy"),
        (vec!["scan", &image, "--credentials", &path("nowhere")], "--credentials"),
    ] {
        let ended = breakwater(&arguments).await;
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(ended.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reading_gives_many_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/app:1", registry(vec![old_application()]).await);
    let db = index(directory.path()).await;
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut arguments = vec!["--db".to_owned(), db.to_str().unwrap().to_owned()];
    for format in ["table", "json", "sarif", "cyclonedx", "spdx", "junit", "html"] {
        arguments.extend(["-o".to_owned(), format!("{format}={}", path(format))]);
    }
    arguments.extend(["-o".to_owned(), "table".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = registry::scan(&image, &arguments).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(text(&ended.stdout), read("table"));
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    assert_eq!(json("sarif")["version"], "2.1.0");
    assert_eq!(json("cyclonedx")["specVersion"], "1.6");
    assert_eq!(json("spdx")["spdxVersion"], "SPDX-2.3");
    let findings = json("json")["findings"].as_array().unwrap().len();
    assert_eq!(json("sarif")["runs"][0]["results"].as_array().unwrap().len(), findings);
    assert!(read("junit").starts_with("<?xml") && read("html").starts_with("<!DOCTYPE html>"));

    // Two runs, one document.
    let again = registry::scan(&image, &["-o", "cyclonedx", "--db", db.to_str().unwrap()]).await;
    assert_eq!(text(&again.stdout), read("cyclonedx"));

    let full = registry::scan(&image, &["-o", "json=/dev/full"]).await;
    assert_eq!(full.status.code(), Some(2));
    assert!(text(&full.stderr).contains("/dev/full") && text(&full.stderr).contains("No space"));
}

#[tokio::test(flavor = "multi_thread")]
async fn demands_without_a_policy() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/app:1", registry(vec![old_application()]).await);
    let db = index(directory.path()).await;
    let db = db.to_str().unwrap();
    let critical = registry::scan(&image, &["--db", db, "--fail-on", "critical"]).await;
    assert_eq!(critical.status.code(), Some(1), "{}", text(&critical.stderr));
    assert!(text(&critical.stdout).contains("--fail-on FAIL"), "{}", text(&critical.stdout));
    let kev = registry::scan(&image, &["--db", db, "--fail-on", "kev"]).await;
    assert_eq!(kev.status.code(), Some(2), "the index has no catalogue: {}", text(&kev.stdout));
    assert!(text(&kev.stdout).contains("BW-VUL-003 unknown"), "{}", text(&kev.stdout));
    let blind = registry::scan(&image, &["--fail-on", "kev"]).await;
    assert_eq!(blind.status.code(), Some(2), "without an index nothing can be told");

    let all = registry::scan(&image, &["--db", db, "-o", "json"]).await;
    let some = registry::scan(&image, &["--db", db, "-o", "json", "--severity", "critical"]).await;
    let count = |output: &std::process::Output| {
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let shown = json["findings"].as_array().unwrap().len();
        (shown, usize::try_from(json["summary"]["hidden"].as_u64().unwrap()).unwrap())
    };
    let ((all, none), (some, hidden)) = (count(&all), count(&some));
    assert_eq!((none, some + hidden), (0, all));
    assert!(some > 0 && hidden > 0);
    let both = breakwater(&["scan", &image, "--policy", "x", "--fail-on", "high"]).await;
    assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_is_found_and_its_age_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/app:1", registry(vec![old_application()]).await);
    let cache = directory.path().join("breakwater");
    std::fs::create_dir(&cache).unwrap();
    std::fs::rename(index(directory.path()).await, cache.join("advisories.bwdb")).unwrap();
    let scan = |more: &[&str]| {
        let mut command =
            registry::command(&[&["scan", &image], registry::READING.as_slice(), more].concat());
        command.env("XDG_CACHE_HOME", directory.path());
        registry::run(command)
    };
    let found = scan(&[]).await;
    assert!(text(&found.stdout).contains("CVE-2021-44906"), "{}", text(&found.stdout));
    assert_eq!(text(&found.stderr), "");
    let without = registry::scan(&image, &[]).await;
    assert!(without.status.success());
    let said = text(&without.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("fetch one with `breakwater db update`"), "{said}");
}

/// Everything beside packages that the table shows, from a real reading.
#[tokio::test(flavor = "multi_thread")]
async fn special_files_and_the_end_of_support_are_shown() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    std::fs::create_dir_all(path("usr/bin")).unwrap();
    std::fs::create_dir_all(path("etc")).unwrap();
    let release = "ID=debian\nVERSION_ID=\"10\"\nPRETTY_NAME=\"Debian GNU/Linux 10 (buster)\"\n";
    std::fs::write(path("etc/os-release"), release).unwrap();
    for (name, mode) in [("usr/bin/su", 0o4755), ("usr/bin/xmrig", 0o755), ("etc/open", 0o666)] {
        std::fs::write(path(name), "\x7fELF").unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let source = format!("rootfs:{}", root.path().display());
    let shown = breakwater(&["scan", &source]).await;
    let table = text(&shown.stdout);
    for words in [
        "out of support",
        "buster) ended on 2024-06-30",
        "miners of cryptocurrency (1)",
        "/usr/bin/xmrig",
        "setuid: run as their owner (1)",
        "/usr/bin/su  mode 4755",
        "writable by everybody (1)",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let json = breakwater(&["scan", &source, "-o", "json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["support"], json!({"until": "2024-06-30", "ended": true}));
    assert_eq!(json["findings"], json!([]), "it is no vulnerability");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_and_pipes() {
    let image = format!("{}/app:1", registry(vec![old_application()]).await);
    let scan = |name: &str, value: &str| {
        let mut command = registry::command(&[&["scan", &image], registry::READING.as_slice()].concat());
        command.env(name, value);
        registry::run(command)
    };
    assert!(text(&scan("CLICOLOR_FORCE", "1").await.stdout).contains('\x1b'));
    assert!(!text(&scan("CLICOLOR_FORCE", "0").await.stdout).contains('\x1b'));
    assert!(!text(&scan("NO_COLOR", "1").await.stdout).contains('\x1b'));

    // A reader that goes away early.
    let mut command =
        registry::command(&[&["scan", &image, "-o", "json"], registry::READING.as_slice()].concat());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr).as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_ends_it_at_once() {
    // A registry that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/app:1", silent.local_addr().unwrap());
    let mut command = registry::command(&[&["scan", &image], registry::READING.as_slice()].concat());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let ended = tokio::task::spawn_blocking(move || {
        let child = command.spawn().unwrap();
        // Connected: it listens to signals.
        let _connection = silent.accept().unwrap();
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr).as_str()), (Some(130), "breakwater: interrupted\n"));
}

/// T-30 of the remediation design: whoever pads an image until the scanner's bounds cut something off gets no clean verdict from it.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_padded_to_the_caps_is_unknown_and_never_compliant() {
    let directory = tempfile::tempdir().unwrap();
    // One byte beyond what is read of a file; what is vulnerable hides in it.
    let padded = |name: &'static str, padding: usize| {
        let mut files = registry::debian();
        let package = json!({"name": "left-pad", "version": "1.3.0", "x": " ".repeat(padding)}).to_string();
        files.push(("app/node_modules/left-pad/package.json".to_owned(), package));
        registry::Image { name, layers: vec![files], config: json!({"User": "5"}) }
    };
    // Removals of files that never were, of which no layer by itself has too many.
    let layered = |name: &'static str, removals: usize| {
        let removal = |layer: usize, number: usize| {
            (format!("{layer}/{}/.wh.{number}", "d".repeat(200).repeat(20)), String::new())
        };
        let padding = (0..2).map(|layer| (0..removals).map(|number| removal(layer, number)).collect());
        let layers = std::iter::once(registry::debian()).chain(padding).collect();
        registry::Image { name, layers, config: json!({"User": "5"}) }
    };
    let images =
        vec![padded("padded", 32 << 20), padded("plain", 0), layered("layered", 8_500), layered("few", 5)];
    let host = registry(images).await;
    let policy =
        policy(directory.path(), "strict.yaml", &json!({"vulnerabilities": {"max": {"critical": 0}}}));
    let db = index(directory.path()).await;
    let judged = async |name: &str| {
        let image = format!("{host}/{name}:1");
        let options = ["--db", db.to_str().unwrap(), "--policy", policy.as_str(), "-o", "json"];
        let ended = registry::scan(&image, &options).await;
        let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
        (ended.status.code(), json)
    };
    let (code, json) = judged("padded").await;
    assert_eq!((code, &json["verdict"]["result"]), (Some(2), &json!("Unknown")), "{json:#}");
    assert_eq!(json["unanalysed"][0]["path"], "app/node_modules/left-pad/package.json");
    let (code, json) = judged("plain").await;
    assert_eq!((code, &json["verdict"]["result"]), (Some(0), &json!("Pass")), "the same without padding");
    let (code, json) = judged("layered").await;
    assert_eq!((code, &json["verdict"]["result"]), (Some(2), &json!("Unknown")), "{json:#}");
    assert_eq!(json["unanalysed"][0]["reason"], "the image removes more than is kept");
    let (code, json) = judged("few").await;
    assert_eq!((code, &json["verdict"]["result"]), (Some(0), &json!("Pass")), "{json:#}");
}
