//! `breakwater scan` against a registry of this test: a Debian-like image with old Python and npm packages.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use breakwater_core::Digest;
use serde_json::{Value, json};

const DPKG: &str = "Package: zlib1g\nStatus: install ok installed\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\n\n\
                    Package: apt\nStatus: install ok installed\nVersion: 2.6.1\nArchitecture: amd64\n\n";

fn layer(files: &[(&str, &str)]) -> (Vec<u8>, Digest) {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let diff_id = Digest::of(&archive);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).unwrap();
    (gzip.finish().unwrap(), diff_id)
}

/// Serves one image under every name and tag but `missing`.
async fn registry() -> String {
    let python = |name: &str, version: &str| {
        (
            format!("usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        )
    };
    let npm = |name: &str, version: &str| {
        (
            format!("app/node_modules/{name}/package.json"),
            json!({"name": name, "version": version}).to_string(),
        )
    };
    let mut files = vec![
        (
            "etc/os-release".to_owned(),
            "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n".to_owned(),
        ),
        ("var/lib/dpkg/status".to_owned(), DPKG.to_owned()),
    ];
    files.extend([python("Jinja2", "2.10"), python("PyYAML", "5.1"), python("requests", "2.19.1")]);
    files.extend([npm("lodash", "4.17.15"), npm("minimist", "1.2.0")]);
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (blob, diff_id) = layer(&files);
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"User": ""},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}})
    .to_string()
    .into_bytes();
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": Digest::of(&blob), "size": blob.len()}]})
    .to_string();
    let blobs = vec![(Digest::of(&config).to_string(), config), (Digest::of(&blob).to_string(), blob)];
    let routes = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route(
            "/v2/{name}/manifests/{reference}",
            get(move |UrlPath((_, reference)): UrlPath<(String, String)>| async move {
                if reference == "missing" {
                    return StatusCode::NOT_FOUND.into_response();
                }
                ([("content-type", "application/vnd.oci.image.manifest.v1+json")], manifest).into_response()
            }),
        )
        .route(
            "/v2/{name}/blobs/{digest}",
            get(move |UrlPath((_, digest)): UrlPath<(String, String)>| async move {
                match blobs.into_iter().find(|(of, _)| *of == digest) {
                    Some((_, bytes)) => bytes.into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, routes).into_future());
    address.to_string()
}

async fn breakwater(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.args(arguments).env_remove("BREAKWATER_DB");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn index(directory: &Path) -> PathBuf {
    let out = directory.join("advisories.index");
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../advisories/testdata");
    let built = breakwater(&[
        "db",
        "build",
        "--source",
        testdata.join("osv").to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ])
    .await;
    assert!(built.status.success(), "{}", text(&built.stderr));
    out
}

fn policy(directory: &Path, name: &str, max: &Value) -> String {
    let path = directory.join(name);
    let rules = json!({"vulnerabilities": {"max": max}});
    let policy = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "test"}, "spec": {"rules": rules}});
    std::fs::write(&path, policy.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_image_is_read_matched_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/app:1", registry().await);
    let db = index(directory.path()).await;
    let db = db.to_str().unwrap();
    let scan = ["scan", &image, "--insecure", "--allow-private", "--platform", "linux/amd64"];
    let with = |more: &[&str]| {
        scan.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |more: &[&str]| {
        let arguments = with(more);
        breakwater(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };

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

    let strict = policy(directory.path(), "strict.yaml", &json!({"critical": 0}));
    let failed = run(&["--db", db, "--policy", &strict]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    assert!(text(&failed.stdout).contains("policy FAIL") && text(&failed.stdout).contains("BW-VUL-001"));
    let lax = policy(directory.path(), "lax.yaml", &json!({"critical": 100}));
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
    let registry = registry().await;
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
        (vec!["scan", "UPPER/case"], "IMAGE"),
        (vec!["scan", "oci-dir:/x"], "oci-dir:"),
        (vec!["scan", &image, "--insecure"], "--allow-private"),
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
