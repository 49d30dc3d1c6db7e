//! Images on this machine are read as those of registries are: the same inventory, the same checks, whatever the container.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{fs, path::Path};

use breakwater_core::{Digest, Inventory, Platform, inventory::SoftwareSet, scan::FailureReason};
use breakwater_scanner::{
    ScanError, ScanOptions, Source,
    image::local::{open, rootfs},
};
use serde_json::{Value, json};
use support::*;

async fn read(source: &str) -> Result<Inventory, ScanError> {
    read_for(source, "linux/amd64").await
}

async fn read_for(source: &str, platform: &str) -> Result<Inventory, ScanError> {
    let source: Source = source.parse().unwrap();
    let image = open(&source, Path::new("/var/lib/containerd"))?.unwrap();
    let platforms = [platform.parse::<Platform>().unwrap()];
    let resolved = image.resolve(&platforms).await?;
    let Some(manifest) = resolved.manifests.first() else {
        return Err(ScanError::PlatformMissing { wanted: platforms.to_vec() });
    };
    image.analyse(manifest, ScanOptions::default(), &|_| {}).await
}

fn layout_files(image: &Image, entries: &[Value]) -> Vec<(String, Vec<u8>)> {
    let index = json!({"schemaVersion": 2, "manifests": entries}).to_string().into_bytes();
    let blobs =
        image.blobs.iter().map(|(digest, blob)| (digest.replace("sha256:", "blobs/sha256/"), blob.clone()));
    blobs
        .chain([
            ("index.json".into(), index),
            ("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ])
        .collect()
}

fn named(image: &Image, name: &str) -> Value {
    let mut entry = descriptor(MANIFEST, &image.manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    entry
}

fn write(directory: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn archive(path: &Path, files: &[(String, Vec<u8>)]) {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    fs::write(path, tar(&files)).unwrap();
}

/// Configuration and uncompressed layers of an image, by digest.
fn parts(image: &Image) -> (Vec<u8>, Vec<Vec<u8>>) {
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let blob = |descriptor: &Value| image.blobs[descriptor["digest"].as_str().unwrap()].clone();
    let layers = manifest["layers"].as_array().unwrap().iter().map(blob).collect();
    (blob(&manifest["config"]), layers)
}

fn plain_image() -> Image {
    let layers =
        [tar(&[("etc/os-release", b"ID=debian\nVERSION_ID=12\n")]), tar(&[("bin/bash", b"\x7fELF")])];
    image_of(&layers.map(|tar| (tar.clone(), tar)), "amd64")
}

fn packages(inventory: &Inventory) -> Vec<&str> {
    inventory.packages.iter().map(|package| package.purl.as_str()).collect()
}

#[tokio::test]
async fn layouts_give_what_their_registry_would() {
    let image = small_image();
    let from_registry = scan(&Server::of(image.clone()).await).await.unwrap().remove(0);
    let directory = tempfile::tempdir().unwrap();
    let files = layout_files(&image, &[named(&image, "v1")]);
    write(&directory.path().join("layout"), &files);
    archive(&directory.path().join("first.tar"), &files);
    let mut reversed = files.clone();
    reversed.reverse();
    archive(&directory.path().join("last.tar"), &reversed);
    let at = directory.path().display();
    let digest = Digest::of(&image.manifest);
    for source in [
        format!("oci-dir:{at}/layout"),
        format!("oci-dir:{at}/layout:v1"),
        format!("oci-archive:{at}/first.tar@{digest}"),
        format!("oci-archive:{at}/last.tar"),
    ] {
        let mut inventory = read(&source).await.unwrap();
        assert_eq!(inventory.image.reference, source);
        inventory.image.reference.clone_from(&from_registry.image.reference);
        assert_eq!(inventory, from_registry, "{source}");
    }
}

#[tokio::test]
async fn docker_archives_of_both_layouts_are_read() {
    let image = plain_image();
    let (config, layers) = parts(&image);
    let id = Digest::of(&config);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved.tar");
    let saved = |config_name: &str, names: &[String], blobs: &[Vec<u8>]| {
        let manifest = json!([{"Config": config_name, "RepoTags": ["app:1"], "Layers": names}]);
        let mut files = vec![("manifest.json".to_owned(), manifest.to_string().into_bytes())];
        files.extend(names.iter().cloned().zip(blobs.iter().cloned()));
        files.push((config_name.to_owned(), config.clone()));
        archive(&path, &files);
    };
    let source = format!("docker-archive:{}", path.display());
    let old: Vec<String> = (0..2).map(|n| format!("{n}/layer.tar")).collect();
    let new: Vec<String> = layers.iter().map(|l| format!("blobs/sha256/{}", Digest::of(l).hex())).collect();
    let zipped: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer)).collect();
    for (config_name, names, blobs) in [
        (format!("{}.json", id.hex()), &old, &layers),
        (format!("blobs/sha256/{}", id.hex()), &new, &layers),
        ("config.json".to_owned(), &old, &zipped),
    ] {
        saved(&config_name, names, blobs);
        let inventory = read(&source).await.unwrap();
        assert_eq!((&inventory.image.digest, &inventory.image.config_digest), (&id, &id));
        let digests: Vec<_> = inventory.layers.iter().map(|layer| layer.digest.clone()).collect();
        assert_eq!(digests, blobs.iter().map(|blob| Digest::of(blob)).collect::<Vec<_>>());
        assert_eq!(inventory.os.unwrap().id, "debian");
        assert_eq!(inventory.software[0].set, SoftwareSet::Shells);
        assert!(read(&format!("{source}:app:1")).await.is_ok());
        let platform = read_for(&source, "linux/arm64").await.unwrap_err();
        assert!(matches!(platform, ScanError::PlatformMissing { .. }));
    }
    // A layer that two images share was written once, and linked.
    let shared = json!([{"Config": "config.json", "Layers": ["0/layer.tar", "1/layer.tar"]}]).to_string();
    let bytes = tar(&[
        ("0/layer.tar", &layers[0]),
        ("shared/layer.tar", &layers[1]),
        ("1/layer.tar->../shared/layer.tar", b""),
        ("config.json", &config),
        ("manifest.json", shared.as_bytes()),
    ]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(read(&source).await.unwrap().layers.len(), 2);
}

#[tokio::test]
async fn nothing_outside_of_an_archive_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().join("outside.json");
    let (config, _) = parts(&plain_image());
    fs::write(&outside, &config).unwrap();
    let path = directory.path().join("saved.tar");
    for name in [outside.to_str().unwrap(), "../outside.json", "outside.json"] {
        let manifest = json!([{"Config": name, "Layers": [name, name]}]).to_string();
        fs::write(&path, tar(&[("manifest.json", manifest.as_bytes())])).unwrap();
        let error = read(&format!("docker-archive:{}", path.display())).await.unwrap_err();
        assert!(error.to_string().contains("it has no"), "{error}");
    }
}

#[tokio::test]
async fn damaged_blobs_are_noticed() {
    let image = plain_image();
    let (config, layers) = parts(&image);
    let directory = tempfile::tempdir().unwrap();
    let source = format!("oci-dir:{}", directory.path().display());
    let good = layout_files(&image, &[named(&image, "v1")]);
    for (what, victim) in [("manifest", &image.manifest), ("configuration", &config), ("layer", &layers[1])] {
        write(directory.path(), &good);
        let blob = directory.path().join("blobs/sha256").join(Digest::of(victim).hex());
        let mut bytes = victim.clone();
        // The last byte but a tar's padding: it stays JSON or tar.
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let error = read(&source).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::DigestMismatch, "{what}: {error}");
        fs::remove_file(&blob).unwrap();
        let error = read(&source).await.unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("incomplete"), "{error}");
    }
    // In an archive of Docker's the diff id is the only witness.
    let manifest = json!([{"Config": "c.json", "Layers": ["a.tar", "b.tar"]}]).to_string();
    let archived = tar(&[
        ("manifest.json", manifest.as_bytes()),
        ("c.json", &config),
        ("a.tar", &layers[0]),
        ("b.tar", &layers[0]),
    ]);
    let path = directory.path().join("saved.tar");
    fs::write(&path, archived).unwrap();
    let error = read(&format!("docker-archive:{}", path.display())).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::DigestMismatch, "{error}");
}

#[tokio::test]
async fn indexes_within_indexes_are_followed_within_bounds() {
    let (amd64, arm64) = (small_image(), image_of(&[(tar(&[]), tar(&[]))], "arm64"));
    let entry = |image: &Image, architecture: &str| {
        let mut entry = descriptor(MANIFEST, &image.manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let mut files = Image { blobs: amd64.blobs.clone(), ..amd64.clone() };
    files.blobs.extend(arm64.blobs.clone());
    let index = |entries: &[Value]| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes()
    };
    let directory = tempfile::tempdir().unwrap();
    let source = format!("oci-dir:{}", directory.path().display());
    let mut inner = index(&[entry(&amd64, "amd64"), entry(&arm64, "arm64")]);
    for depth in 1..=5 {
        files.blobs.insert(Digest::of(&inner).to_string(), inner.clone());
        write(directory.path(), &layout_files(&files, &[descriptor(INDEX, &inner)]));
        let found = read_for(&source, "linux/arm64").await;
        if depth <= 4 {
            assert_eq!(found.unwrap().image.digest, Digest::of(&arm64.manifest), "{depth}");
        } else {
            assert_eq!(found.unwrap_err().reason(), FailureReason::UnsupportedMediaType);
        }
        inner = index(&[descriptor(INDEX, &inner)]);
    }
    let many: Vec<Vec<u8>> = (0..20)
        .map(|n| {
            let mut index = index(&[]);
            index.extend(vec![b' '; n]);
            index
        })
        .collect();
    let wide = index(&many.iter().map(|index| descriptor(INDEX, index)).collect::<Vec<_>>());
    files
        .blobs
        .extend(many.iter().chain([&wide]).map(|index| (Digest::of(index).to_string(), index.clone())));
    write(directory.path(), &layout_files(&files, &[descriptor(INDEX, &wide)]));
    assert_eq!(read(&source).await.unwrap_err().reason(), FailureReason::UnsupportedMediaType);
}

#[tokio::test]
async fn the_stated_base_is_passed_on() {
    let image = plain_image();
    let base = Digest::of(b"base");
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["annotations"] = json!({"org.opencontainers.image.base.name": "r.test/base:1",
        "org.opencontainers.image.base.digest": base});
    let manifest = manifest.to_string().into_bytes();
    let mut image = Image { manifest: manifest.clone(), ..image };
    image.blobs.insert(Digest::of(&manifest).to_string(), manifest);
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &layout_files(&image, &[named(&image, "v1")]));
    let inventory = read(&format!("oci-dir:{}", directory.path().display())).await.unwrap();
    let stated = inventory.base.unwrap();
    assert_eq!((stated.name.as_str(), stated.digest), ("r.test/base:1", Some(base)));
}

#[test]
fn a_root_file_system_is_read_without_leaving_it() {
    let directory = tempfile::tempdir().unwrap();
    let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
    let package = br#"{"name":"in","version":"1.0.0"}"#.to_vec();
    write(
        &root,
        &[
            ("usr/lib/os-release".into(), b"ID=alpine\nVERSION_ID=3.20.1\n".to_vec()),
            ("lib/apk/db/installed".into(), b"P:musl\nV:1.2.5-r0\nA:x86_64\n\n".to_vec()),
            ("app/node_modules/in/package.json".into(), package.clone()),
            ("app/.wh.node_modules".into(), Vec::new()),
            ("app/node_modules/broken/package.json".into(), b"{".to_vec()),
        ],
    );
    write(&outside, &[("node_modules/out/package.json".into(), package)]);
    fs::create_dir_all(root.join("etc")).unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("escape")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("app/node_modules/in/METADATA")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("app/node_modules/in/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let mut deep = root.clone();
    for _ in 0..300 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();

    let platform = Platform::linux("amd64");
    let inventory = rootfs("rootfs:x", &root, &platform, ScanOptions::default()).unwrap();
    assert_eq!(
        packages(&inventory),
        ["pkg:npm/in@1.0.0", "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1"]
    );
    assert!(inventory.layers.is_empty() && inventory.packages.iter().all(|package| package.layer.is_none()));
    let unread: Vec<_> = inventory.unanalysed.iter().map(|item| item.reason.as_str()).collect();
    assert_eq!(unread.len(), 3, "{unread:?}");
    assert!(unread.iter().any(|reason| reason.contains("256 deep")), "{unread:?}");
    assert!(unread.iter().any(|reason| reason.contains("no image configuration")), "{unread:?}");

    let again = rootfs("rootfs:y", &root, &platform, ScanOptions::default()).unwrap();
    assert_eq!(again.image.digest, inventory.image.digest, "the content alone decides");
    fs::write(root.join("lib/apk/db/installed"), "P:musl\nV:2\n\n").unwrap();
    assert_ne!(
        rootfs("rootfs:x", &root, &platform, ScanOptions::default()).unwrap().image.digest,
        inventory.image.digest
    );

    for (path, words) in [("nowhere", "no such file"), ("root/usr/lib/os-release", "no directory")] {
        let error = rootfs("rootfs:x", &directory.path().join(path), &platform, ScanOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_node_s_content_store_is_read_by_digest() {
    let image = small_image();
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("io.containerd.content.v1.content"), &layout_files(&image, &[]));
    let digest = Digest::of(&image.manifest);
    let source = |digest: &Digest| format!("containerd:r.test/app@{digest}").parse::<Source>().unwrap();
    let stored = open(&source(&digest), directory.path()).unwrap().unwrap();
    let resolved = stored.resolve(&[Platform::linux("amd64")]).await.unwrap();
    let inventory = stored.analyse(&resolved.manifests[0], ScanOptions::default(), &|_| {}).await.unwrap();
    assert_eq!((inventory.packages.len(), &inventory.image.digest), (1, &digest));
    for (digest, root, words) in [
        (Digest::of(b"nobody"), directory.path().to_owned(), "it has no manifest sha256:"),
        (digest, directory.path().join("elsewhere"), "--containerd-root"),
    ] {
        let error = open(&source(&digest), &root).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
