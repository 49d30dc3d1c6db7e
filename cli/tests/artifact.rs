//! Advisory records as an OCI artifact, from a registry that changes.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

mod files;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use breakwater_core::Digest;
use files::Shared;
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn record(id: &str, ecosystem: &str) -> Vec<u8> {
    json!({"id": id, "affected": [{"package": {"ecosystem": ecosystem, "name": "a"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}]})
    .to_string()
    .into_bytes()
}

fn zip(ecosystem: &str, number: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 0..number {
        archive.start_file(format!("{number}.json"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&record(&format!("{ecosystem}-{number}"), ecosystem)).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Puts an artifact under the tag `1`: the layers' titles, what their digests are said to be of, and what is served for them.
fn push(registry: &Shared, layers: &[(&str, &[u8], &[u8])]) -> Digest {
    let mut registry = registry.lock().unwrap();
    let described: Vec<_> = layers
        .iter()
        .map(|(title, bytes, _)| {
            json!({"mediaType": "application/zip", "digest": Digest::of(bytes), "size": bytes.len(),
                "annotations": {"org.opencontainers.image.title": title}})
        })
        .collect();
    for (_, bytes, served) in layers {
        registry.files.insert(format!("/v2/osv/blobs/{}", Digest::of(bytes)), served.to_vec());
    }
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": described}).to_string().into_bytes();
    let digest = Digest::of(&manifest);
    registry.files.insert("/v2/osv/manifests/1".to_owned(), manifest.clone());
    registry.files.insert(format!("/v2/osv/manifests/{digest}"), manifest);
    digest
}

async fn update(cache: &Path, source: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.args(["db", "update", "--source", source]).args(more);
    command.env_remove("BREAKWATER_DB").env("XDG_CACHE_HOME", cache).env("HOME", cache);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_fetched_layer_by_layer_and_each_once() {
    let registry = Shared::default();
    let source = format!("oci://{}/osv:1", files::serve(&registry).await);
    let cache = tempfile::tempdir().unwrap();
    let update = async |source: &str, more: &[&str]| update(cache.path(), source, more).await;
    let here = ["--insecure", "--allow-private"];
    let blobs = || {
        let asked = std::mem::take(&mut registry.lock().unwrap().asked);
        asked.iter().filter(|path| path.contains("/blobs/")).count()
    };
    let (npm, pypi, single) = (zip("npm", 30), zip("PyPI", 20), record("GO-1", "Go"));
    let good = [
        ("npm/all.zip", &npm[..], &npm[..]),
        ("PyPI/all.zip", &pypi, &pypi),
        ("Go/GO-1.json", &single, &single),
    ];
    let digest = push(&registry, &good);

    // A registry at a private address needs the word of the user.
    let (code, said) = update(&source, &["--insecure"]).await;
    assert!(code == Some(2) && said.contains("--allow-private"), "{said}");
    let (code, said) = update(&source, &here).await;
    assert!(code == Some(0) && said.contains("51 advisories about 3 packages in 3 ecosystems"), "{said}");
    assert_eq!(blobs(), 3);
    let pinned = source.replace(":1", &format!("@{digest}"));
    assert_eq!(update(&pinned, &here).await.0, Some(0));
    assert_eq!(blobs(), 0, "nothing is fetched twice");

    // A layer that changed is fetched; one that is gone is forgotten.
    let more = zip("npm", 40);
    push(&registry, &[("npm/all.zip", &more, &more), good[1]]);
    let (code, said) = update(&source, &[&here[..], &["--force"]].concat()).await;
    assert!(code == Some(0) && said.contains("60 advisories about 2 packages in 2 ecosystems"), "{said}");
    assert_eq!(blobs(), 1);
    let (code, said) = update(&source, &[&here[..], &["--ecosystem", "npm", "--force"]].concat()).await;
    assert!(code == Some(0) && said.contains("40 advisories about 1 package in 1 ecosystem"), "{said}");

    // What is wrong is named, and the index stays as it was.
    let half = &npm[..npm.len() / 2];
    for (layer, words) in [
        (("npm/all.zip", &npm[..], &more[..]), "is not what its digest names"),
        (("npm/all.zip", half, half), "not a whole zip archive"),
        (("app.tar", &npm, &npm), "no layer has a title"),
    ] {
        push(&registry, &[layer]);
        let (code, said) = update(&source, &here).await;
        assert!(code == Some(2) && said.contains(words), "{said}");
    }
    let (code, said) = update(&source.replace(":1", ":2"), &here).await;
    assert!(code == Some(2) && said.contains("osv"), "{said}");
    let index = breakwater_advisories::Index::open(&cache.path().join("breakwater/advisories.bwdb")).unwrap();
    assert_eq!(index.records(), 40);
}
