//! `breakwater scan` of what lies on this machine: each source, and what is said of each that cannot be read.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]

use std::path::Path;
use std::process::{Command, Output};

use breakwater_core::Digest;
use serde_json::{Value, json};

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The layers of a base, and those of an image on top of it.
fn layers() -> [Vec<u8>; 2] {
    let os = ("etc/os-release", &b"ID=debian\nVERSION_ID=12\n"[..]);
    let npm = ("app/node_modules/lodash/package.json", &br#"{"name":"lodash","version":"4.17.15"}"#[..]);
    [tar(&[os]), tar(&[npm])]
}

/// An OCI layout of these uncompressed layers, by file names; and the digest of its manifest.
fn layout(layers: &[Vec<u8>], name: &str) -> (Vec<(String, Vec<u8>)>, Digest) {
    let media = |kind: &str| format!("application/vnd.oci.image.{kind}");
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": media(kind), "digest": Digest::of(bytes), "size": bytes.len()});
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = config.to_string().into_bytes();
    let listed: Vec<Value> = layers.iter().map(|layer| descriptor("layer.v1.tar", layer)).collect();
    let manifest =
        json!({"schemaVersion": 2, "config": descriptor("config.v1+json", &config), "layers": listed});
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string().into_bytes();
    let digest = Digest::of(&manifest);
    let blobs = layers.iter().cloned().chain([config, manifest]);
    let mut files: Vec<_> =
        blobs.map(|blob| (format!("blobs/sha256/{}", Digest::of(&blob).hex()), blob)).collect();
    files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    files.push(("index.json".into(), index));
    (files, digest)
}

fn write(directory: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    tar(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

/// One image in every form, below `directory`.
fn sources(directory: &Path) -> Digest {
    let layers = layers();
    let (files, digest) = layout(&layers, "v1");
    write(&directory.join("layout"), &files);
    write(&directory.join("base"), &layout(&layers[..1], "base").0);
    std::fs::write(directory.join("layout.tar"), archive(&files)).unwrap();
    write(&directory.join("node/io.containerd.content.v1.content"), &files);
    let config = files.iter().find(|(_, bytes)| bytes.starts_with(b"{\"architecture")).unwrap();
    let manifest =
        json!([{"Config": config.0, "RepoTags": ["shop:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]);
    let saved = [
        config.clone(),
        ("a/layer.tar".into(), layers[0].clone()),
        ("b/layer.tar".into(), layers[1].clone()),
        ("manifest.json".into(), manifest.to_string().into_bytes()),
    ];
    std::fs::write(directory.join("saved.tar"), archive(&saved)).unwrap();
    let os = ("root/etc/os-release".to_owned(), b"ID=debian\nVERSION_ID=12\n".to_vec());
    let npm = (
        "root/app/node_modules/lodash/package.json".to_owned(),
        br#"{"name":"lodash","version":"4.17.15"}"#.to_vec(),
    );
    write(directory, &[os, npm]);
    let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "library", "name": "lodash", "version": "4.17.15", "purl": "pkg:npm/lodash@4.17.15"}]});
    std::fs::write(directory.join("bom.json"), bom.to_string()).unwrap();
    digest
}

fn scan(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater"));
    command.current_dir(directory).arg("scan").args(arguments);
    if !arguments.contains(&"--platform") {
        command.args(["--platform", "linux/amd64"]);
    }
    command.env_remove("BREAKWATER_DB").output().unwrap()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_source_gives_its_inventory() {
    let directory = tempfile::tempdir().unwrap();
    let digest = sources(directory.path());
    let stored = format!("containerd:{digest}");
    for source in [
        "oci-dir:layout",
        "oci-dir:layout:v1",
        "oci-archive:layout.tar",
        "docker-archive:saved.tar",
        "docker-archive:saved.tar:docker.io/library/shop:1",
        "rootfs:root",
        "sbom:bom.json",
        &stored,
    ] {
        let json = document(&scan(directory.path(), &[source, "--containerd-root", "node", "-o", "json"]));
        assert_eq!(json["packages"][0]["purl"], "pkg:npm/lodash@4.17.15", "{source}");
        assert_eq!(json["image"]["reference"], source);
        assert_eq!(json["image"]["platform"], "linux/amd64");
        let table = scan(directory.path(), &[source, "--containerd-root", "node"]);
        assert!(table.status.success() && table.stderr.is_empty(), "{source}: {}", text(&table.stderr));
    }
}

/// Root file systems and SBOMs have no configuration: nothing is claimed of what it would say.
#[test]
fn what_a_source_cannot_tell_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    sources(directory.path());
    let policy = "apiVersion: breakwater.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: p}\nspec:\n  rules:\n    \
                  image: {allowRootUser: false, requiredLabels: [team], incomplete: Allow}\n";
    std::fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    for (source, code, words) in [
        ("oci-dir:layout", 1, ["runs as root", "container runs as root", "label team is missing"]),
        ("rootfs:root", 2, ["user not known", "user is not known", "label team is not known"]),
        ("sbom:bom.json", 2, ["user not known", "user is not known", "label team is not known"]),
    ] {
        let scanned = scan(directory.path(), &[source, "--policy", "policy.yaml"]);
        assert_eq!(scanned.status.code(), Some(code), "{source}: {}", text(&scanned.stderr));
        for words in words {
            assert!(text(&scanned.stdout).contains(words), "{source}: {words}\n{}", text(&scanned.stdout));
        }
    }
    let unread = scan(directory.path(), &["rootfs:root", "--fail-on", "high"]);
    let said = text(&unread.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("breakwater db update") && !said.contains("ScanJob") && !said.contains("Deployment"),
        "{said}"
    );
}

#[test]
fn the_base_is_recognised_by_its_layers() {
    let directory = tempfile::tempdir().unwrap();
    sources(directory.path());
    let with_base =
        ["oci-dir:layout", "--base", "docker-archive:saved.tar", "--base", "oci-dir:base", "-o", "json"];
    let both = document(&scan(directory.path(), &with_base));
    assert_eq!(
        (&both["base"]["name"], &both["base"]["layers"]),
        (&json!("docker-archive:saved.tar"), &json!(2))
    );
    let one = document(&scan(directory.path(), &["oci-dir:layout", "--base", "oci-dir:base", "-o", "json"]));
    assert_eq!((&one["base"]["name"], &one["base"]["layers"]), (&json!("oci-dir:base"), &json!(1)));
    let none = scan(directory.path(), &["oci-dir:base", "--base", "oci-dir:layout", "-o", "json"]);
    assert!(text(&none.stderr).contains("--base"));
    assert_eq!(document(&none).get("base"), None);
}

#[test]
fn files_are_never_taken_for_registries() {
    let directory = tempfile::tempdir().unwrap();
    sources(directory.path());
    let policy = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "test"},
        "spec": {"rules": {"registries": {"allow": ["docker.io/library/*"]}}}});
    std::fs::write(directory.path().join("policy.yaml"), policy.to_string()).unwrap();
    let judged = scan(directory.path(), &["sbom:bom.json", "--policy", "policy.yaml"]);
    assert_ne!(judged.status.code(), Some(0), "{}{}", text(&judged.stdout), text(&judged.stderr));
}

#[test]
fn what_cannot_be_read_is_named_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let digest = sources(at);
    let (mut damaged, _) = layout(&layers(), "v1");
    let last = damaged[1].1.len() - 1;
    damaged[1].1[last] ^= 1;
    std::fs::write(at.join("damaged.tar"), archive(&damaged)).unwrap();
    std::fs::write(at.join("text.tar"), "no archive at all\n".repeat(100)).unwrap();
    std::fs::write(at.join("zipped.tar"), b"\x1f\x8b\x08\0\0\0\0\0").unwrap();
    std::fs::write(at.join("legacy.tar"), tar(&[("repositories", b"{}"), ("a/layer.tar", b"")])).unwrap();
    std::fs::write(at.join("bom.xml"), "<bom/>").unwrap();
    let missing = format!("containerd:{}", Digest::of(b"nobody"));
    let elsewhere = format!("containerd:{digest}");
    for (source, words) in [
        ("oci-dir:nowhere", "no such file"),
        ("oci-dir:root", "no oci-layout: it is no OCI image layout; a directory tree is read as rootfs:DIR"),
        ("oci-dir:layout:v2", "no image v2; it has v1"),
        ("oci-archive:nowhere.tar", "no such file"),
        ("oci-archive:root", "no ordinary file"),
        ("oci-archive:text.tar", "no archive of images"),
        ("oci-archive:zipped.tar", "compressed (gzip)"),
        ("oci-archive:saved.tar", "docker-archive:FILE"),
        ("oci-archive:damaged.tar", "digest"),
        ("docker-archive:layout.tar", "oci-archive:FILE"),
        ("docker-archive:legacy.tar", "older than 1.10"),
        ("docker-archive:saved.tar:shop:2", "no image shop:2; it has shop:1"),
        ("rootfs:nowhere", "no such file"),
        ("rootfs:bom.json", "no directory"),
        ("sbom:root", "directory"),
        ("sbom:bom.xml", "as JSON"),
        ("sbom:layout/oci-layout", "neither CycloneDX nor SPDX"),
        ("containerd:shop:1", "give the digest"),
        (&missing, "discard_unpacked_layers"),
        (&elsewhere, "--containerd-root"),
    ] {
        let root = if source == elsewhere { "nowhere" } else { "node" };
        let ended = scan(at, &[source, "--containerd-root", root]);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{source}: {said}");
        assert!(said.contains(words) && said.contains(source), "{source}: {said}");
        assert!(ended.stdout.is_empty() && said.lines().count() == 1, "{source}: {said}");
    }
    for source in ["oci-dir:layout", "oci-archive:layout.tar", "docker-archive:saved.tar"] {
        let ended = scan(at, &[source, "--platform", "linux/s390x"]);
        assert_eq!(ended.status.code(), Some(2));
        let said = text(&ended.stderr);
        assert!(said.contains(source) && said.contains("--platform"), "{said}");
    }
}
