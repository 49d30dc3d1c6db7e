//! A registry of a test, and the command line that reads from it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use breakwater_core::Digest;
use serde_json::{Value, json};

const DPKG: &str = "Package: zlib1g\nStatus: install ok installed\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\n\n\
                    Package: apt\nStatus: install ok installed\nVersion: 2.6.1\nArchitecture: amd64\n\n";
const OS_RELEASE: &str = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";

pub type File = (String, String);

/// An image: its name, its layers, its configuration's `config`.
pub struct Image {
    pub name: &'static str,
    pub layers: Vec<Vec<File>>,
    pub config: Value,
}

pub fn python(name: &str, version: &str) -> File {
    (
        format!("usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"),
        format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
    )
}

pub fn npm(name: &str, version: &str) -> File {
    (format!("app/node_modules/{name}/package.json"), json!({"name": name, "version": version}).to_string())
}

pub fn debian() -> Vec<File> {
    vec![
        ("etc/os-release".to_owned(), OS_RELEASE.to_owned()),
        ("var/lib/dpkg/status".to_owned(), DPKG.to_owned()),
    ]
}

/// Debian with old Python and npm packages, in one layer.
pub fn old_application() -> Image {
    let mut files = debian();
    files.extend([python("Jinja2", "2.10"), python("PyYAML", "5.1"), python("requests", "2.19.1")]);
    files.extend([npm("lodash", "4.17.15"), npm("minimist", "1.2.0")]);
    Image { name: "app", layers: vec![files], config: json!({"User": ""}) }
}

fn layer(files: &[File]) -> (Vec<u8>, Digest) {
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

/// Serves the images under every tag but `missing`.
pub async fn registry(images: Vec<Image>) -> String {
    let mut blobs = HashMap::new();
    let mut manifests = HashMap::new();
    for image in images {
        let layers: Vec<(Vec<u8>, Digest)> = image.layers.iter().map(|files| layer(files)).collect();
        let diff_ids: Vec<&Digest> = layers.iter().map(|(_, diff_id)| diff_id).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
            "config": image.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
        .into_bytes();
        let described: Vec<Value> = layers
            .iter()
            .map(|(blob, _)| {
                json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": Digest::of(blob), "size": blob.len()})
            })
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config), "size": config.len()},
            "layers": described});
        manifests.insert(image.name.to_owned(), manifest.to_string());
        blobs.extend(layers.into_iter().map(|(blob, _)| (Digest::of(&blob).to_string(), blob)));
        blobs.insert(Digest::of(&config).to_string(), config);
    }
    let (manifests, blobs) = (Arc::new(manifests), Arc::new(blobs));
    let routes = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route(
            "/v2/{name}/manifests/{reference}",
            get(move |UrlPath((name, reference)): UrlPath<(String, String)>| async move {
                match manifests.get(&name).filter(|_| reference != "missing") {
                    Some(manifest) => {
                        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
                        (kind, manifest.clone()).into_response()
                    }
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }),
        )
        .route(
            "/v2/{name}/blobs/{digest}",
            get(move |UrlPath((_, digest)): UrlPath<(String, String)>| async move {
                match blobs.get(&digest) {
                    Some(bytes) => bytes.clone().into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, routes).into_future());
    address.to_string()
}

/// The command line with an environment of its own: nobody's index, nobody's colours.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.args(arguments);
    for name in ["BREAKWATER_DB", "XDG_CACHE_HOME", "HOME", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

pub async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub async fn breakwater(arguments: &[&str]) -> Output {
    run(command(arguments)).await
}

/// What every reading from a registry of a test needs.
pub const READING: [&str; 4] = ["--insecure", "--allow-private", "--platform", "linux/amd64"];

pub async fn scan(image: &str, more: &[&str]) -> Output {
    breakwater(&[&["scan", image], READING.as_slice(), more].concat()).await
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An index of the records that the advisories crate tests with.
pub async fn index(directory: &Path) -> PathBuf {
    let out = directory.join("advisories.index");
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../advisories/testdata");
    let source = testdata.join("osv");
    let built =
        breakwater(&["db", "build", "--source", source.to_str().unwrap(), "--out", out.to_str().unwrap()])
            .await;
    assert!(built.status.success(), "{}", text(&built.stderr));
    out
}

pub fn policy(directory: &Path, name: &str, rules: &Value) -> String {
    let path = directory.join(name);
    let policy = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "test"}, "spec": {"rules": rules}});
    std::fs::write(&path, policy.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}
