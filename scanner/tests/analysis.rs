//! From layers to an inventory: what is found, what it is attributed to, what is hidden, and what is said to be unread.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::io::Write as _;

use breakwater_core::{
    Digest, Inventory,
    inventory::{SoftwareSet, SpecialFileKind},
};
use breakwater_scanner::ScanOptions;
use breakwater_scanner::layer::{ExpectedLayer, LayerFacts, read_layer};
use support::*;

const DEBIAN: (&str, &[u8]) = ("usr/lib/os-release", b"ID=debian\nVERSION_ID=\"12\"\n");

async fn inventory(tars: &[Vec<u8>]) -> Inventory {
    scan(&Server::of(image(tars)).await).await.unwrap().remove(0)
}

fn names(inventory: &Inventory) -> Vec<(&str, &str, usize)> {
    let layer = |digest: &Option<Digest>| {
        inventory.layers.iter().position(|layer| Some(&layer.digest) == digest.as_ref()).unwrap()
    };
    inventory.packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), layer(&p.layer))).collect()
}

fn status(packages: &[(&str, &str)]) -> Vec<u8> {
    let paragraph = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    packages.iter().map(paragraph).collect::<String>().into_bytes()
}

#[tokio::test]
async fn a_package_belongs_to_the_layer_that_brought_its_version() {
    let layers = [
        tar(&[DEBIAN, ("var/lib/dpkg/status", &status(&[("libc6", "1"), ("curl", "1"), ("gone", "1")]))]),
        tar(&[("srv/data", b"nothing")]),
        tar(&[("var/lib/dpkg/status", &status(&[("libc6", "1"), ("curl", "2"), ("gone", "1")]))]),
        tar(&[("var/lib/dpkg/status", &status(&[("libc6", "1"), ("curl", "2"), ("git", "1")]))]),
    ];
    let inventory = inventory(&layers).await;
    assert_eq!(names(&inventory), [("curl", "2", 2), ("git", "1", 3), ("libc6", "1", 0)]);
}

#[tokio::test]
async fn upper_layers_hide_and_links_are_followed() {
    let package = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.0"}}"#).into_bytes();
    let layers = [
        tar(&[
            ("app/node_modules/a/package.json", &package("a")),
            ("app/node_modules/b/package.json", &package("b")),
            ("old/node_modules/c/package.json", &package("c")),
            ("bin/busybox", b"\x7fELF"),
            ("bin/sh->/bin/busybox", b""),
            ("bin/nc=>bin/busybox", b""),
        ]),
        tar(&[
            ("app/node_modules/.wh.b", b""),
            ("old/.wh..wh..opq", b""),
            ("copy/node_modules/a/package.json=>app/node_modules/a/package.json", b""),
            ("lost/node_modules/x/package.json=>app/store/x", b""),
            ("bin/.wh.nc", b""),
        ]),
    ];
    let inventory = inventory(&layers).await;
    let paths: Vec<_> = inventory.packages.iter().map(|package| package.path.as_str()).collect();
    assert_eq!(paths, ["app/node_modules/a/package.json", "copy/node_modules/a/package.json"]);
    let software: Vec<_> = inventory.software.iter().map(|s| (s.set, s.path.as_str())).collect();
    assert_eq!(
        software,
        [
            (SoftwareSet::NetworkTools, "/bin/busybox"),
            (SoftwareSet::Shells, "/bin/busybox"),
            (SoftwareSet::Shells, "/bin/sh")
        ]
    );
    assert_eq!(inventory.unanalysed.len(), 1);
    assert_eq!(inventory.unanalysed[0].path, "lost/node_modules/x/package.json");
}

#[tokio::test]
async fn what_a_distribution_package_owns_is_that_package() {
    let metadata = |name: &str| format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n").into_bytes();
    let layers = [tar(&[
        DEBIAN,
        ("var/lib/dpkg/status", &status(&[("python3-six", "1.16.0-4")])),
        ("var/lib/dpkg/info/python3-six.list", b"/.\n/usr/lib/python3/dist-packages/six-1.16.0.egg-info\n/lib/python3/owned.dist-info/METADATA\n"),
        ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", &metadata("six")),
        // The same place, spelled as before /lib was merged into /usr.
        ("usr/lib/python3/owned.dist-info/METADATA", &metadata("owned")),
        ("usr/local/lib/python3/Flask.dist-info/METADATA", &metadata("Flask")),
    ])];
    let inventory = inventory(&layers).await;
    let found: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.ecosystem.as_str())).collect();
    assert_eq!(found, [("flask", "PyPI"), ("python3-six", "Debian:12")]);
}

#[tokio::test]
async fn an_archive_of_a_distribution_package_is_that_package_with_all_that_lies_within() {
    let archive = include_bytes!("../../fuzz/seeds/jar/good-nested");
    let layers = [tar(&[
        DEBIAN,
        ("var/lib/dpkg/status", &status(&[("libc-java", "1.2-1")])),
        ("var/lib/dpkg/info/libc-java.list", b"/usr/share/java/c.jar\n/usr/share/java/broken.jar\n"),
        ("usr/share/java/c.jar", archive),
        ("usr/share/java/broken.jar", b"PK"),
        ("srv/app.jar", archive),
    ])];
    let inventory = inventory(&layers).await;
    let found: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
    assert_eq!(
        found,
        [
            ("libc-java", "var/lib/dpkg/status"),
            ("x.test:c", "srv/app.jar!/BOOT-INF/lib/c-1.2.jar"),
            ("x.test:c", "srv/app.jar!/BOOT-INF/lib/d.war!/WEB-INF/lib/c.jar"),
        ]
    );
    let unread: Vec<_> = inventory.unanalysed.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(unread, ["usr/share/java/broken.jar"]);
}

#[tokio::test]
async fn lock_files_tell_of_what_is_not_seen_installed() {
    let package = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.0"}}"#).into_bytes();
    let lock =
        br#"{"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/dev":{"version":"1.0.0"}}}"#;
    let layers = [tar(&[
        ("tree/package-lock.json", lock),
        ("tree/node_modules/a/package.json", &package("a")),
        ("bundled/package-lock.json", lock),
        ("srv/requirements.txt", b"six==1.16.0\n"),
        ("broken/composer.lock", b"{"),
    ])];
    let inventory = inventory(&layers).await;
    let found: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
    assert_eq!(
        found,
        [
            ("a", "tree/node_modules/a/package.json"),
            ("dev", "bundled/package-lock.json"),
            ("six", "srv/requirements.txt")
        ]
    );
    assert_eq!(inventory.unanalysed.len(), 1);
    assert_eq!(inventory.unanalysed[0].path, "broken/composer.lock");
}

#[tokio::test]
async fn debian_licences_come_from_copyright_files() {
    let layers = [tar(&[
        DEBIAN,
        ("var/lib/dpkg/status", &status(&[("bash", "5"), ("gcc", "12"), ("libgcc", "12"), ("lost", "1")])),
        ("usr/share/doc/bash/copyright", b"Format: x\n\nFiles: *\nLicense: GPL-3+\n"),
        ("usr/share/doc/gcc/copyright", b"see /usr/share/common-licenses/GPL-3, or any later version\n"),
        ("usr/share/doc/libgcc->gcc", b""),
        ("usr/share/doc/lost/copyright->../nowhere/copyright", b""),
    ])];
    let inventory = inventory(&layers).await;
    let licenses: Vec<_> = inventory.packages.iter().map(|p| p.licenses.join(", ")).collect();
    assert_eq!(licenses, ["GPL-3.0-or-later", "GPL-3.0-or-later", "GPL-3.0-or-later", ""]);
    assert!(inventory.unanalysed.is_empty(), "{:?}", inventory.unanalysed);
}

#[tokio::test]
async fn what_is_not_read_is_said() {
    let layers = [tar(&[
        ("var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0"),
        ("opt/a.jar", b"PK"),
        ("x/node_modules/broken/package.json", b"{"),
    ])];
    let inventory = inventory(&layers).await;
    assert!(inventory.packages.is_empty());
    let paths: Vec<_> = inventory.unanalysed.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(paths, ["opt/a.jar", "var/lib/rpm/rpmdb.sqlite", "x/node_modules/broken/package.json"]);
}

#[tokio::test]
async fn the_same_image_gives_the_same_document() {
    let package = |n: usize| format!(r#"{{"name":"p{n}","version":"1"}}"#).into_bytes();
    let layers: Vec<_> = (0..6)
        .map(|n| tar(&[(format!("l{n}/node_modules/p{n}/package.json").as_str(), &package(n)), DEBIAN]))
        .collect();
    let server = Server::of(image(&layers)).await;
    let first = serde_json::to_string(&scan(&server).await.unwrap()).unwrap();
    for _ in 0..5 {
        assert_eq!(serde_json::to_string(&scan(&server).await.unwrap()).unwrap(), first);
    }
    assert!(!first.contains("s3cr3t"), "no value of the environment");
}

fn read(tar: &[u8], blob: &[u8]) -> LayerFacts {
    let expected = ExpectedLayer { digest: Digest::of(blob), diff_id: Digest::of(tar) };
    read_layer(blob, &expected, ScanOptions::default()).unwrap()
}

#[test]
fn every_compression_gives_the_same_facts() {
    let tar = tar(&[DEBIAN, ("var/lib/dpkg/status", &status(&[("a", "1")]))]);
    let members = [gzip(&tar[..700]), gzip(&tar[700..])].concat();
    let zstd = zstd::bulk::compress(&tar, 3).unwrap();
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0meta".as_slice(), &zstd].concat();
    for blob in [tar.clone(), gzip(&tar), members, zstd, skippable] {
        assert_eq!(read(&tar, &blob).files.len(), 2);
    }
}

#[test]
fn long_names_and_sparse_files_are_understood() {
    let deep = format!("{}node_modules/deep/package.json", "d/".repeat(120));
    let gnu = tar(&[(deep.as_str(), br#"{"name":"deep","version":"1"}"#)]);
    assert_eq!(read(&gnu, &gnu).files.len(), 1);

    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("path", deep.as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    let content = br#"{"name":"pax","version":"1"}"#;
    header.set_path("short").unwrap();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content.as_slice()).unwrap();
    let pax = builder.into_inner().unwrap();
    assert_eq!(read(&pax, &pax).files.keys().collect::<Vec<_>>(), [&deep]);

    // Old GNU sparse: the header's map, then only the stored bytes.
    let mut header = tar::Header::new_gnu();
    header.set_path("var/lib/dpkg/status").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(512);
    header.set_cksum();
    let mut sparse = header.as_bytes().to_vec();
    sparse.extend([0; 512]);
    sparse.extend(tar_of_os_release());
    let facts = read(&sparse, &sparse);
    assert_eq!(facts.files.len(), 2, "{facts:?}");
    assert!(format!("{facts:?}").contains("sparse"));
}

fn tar_of_os_release() -> Vec<u8> {
    tar(&[DEBIAN])
}

#[test]
fn bombs_are_bounded_and_reported() {
    // 2.1 GiB of zeros in one file, 2 MB compressed.
    let mut header = tar::Header::new_gnu();
    let size = (2_u64 << 30) + (100 << 20);
    header.set_path("zeros").unwrap();
    header.set_size(size);
    header.set_cksum();
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    let blob = encoder.finish().unwrap();
    let facts = read(b"never compared", &blob);
    assert_eq!(facts.unanalysed.len(), 1);
    assert!(facts.unanalysed[0].reason.contains("200 times"));
}

/// Layers made to hurt, in small; `benches/hostile_layers.rs` has them in full.
#[test]
fn paths_that_no_file_system_takes_are_passed_over_and_counted() {
    let mut builder = tar::Builder::new(Vec::new());
    let deep = "d/".repeat(5_000);
    for depth in [10, 2_040, 2_049, 5_000] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, &deep[..2 * depth], std::io::empty()).unwrap();
    }
    let mut archive = builder.into_inner().unwrap();
    archive.truncate(archive.len() - 1024);
    archive.extend(tar(&[DEBIAN]));
    let facts = read(&archive, &archive);
    assert_eq!(facts.files.len(), 1, "what follows is read");
    assert_eq!(facts.unanalysed.len(), 1);
    assert!(facts.unanalysed[0].reason.starts_with("2 paths of more than 4096 bytes"), "{facts:?}");
}

#[tokio::test]
async fn special_files_are_those_that_are_seen() {
    // linux/capability.h: revision 2, effective, cap_net_raw.
    let capability: Vec<u8> =
        [0x0200_0001_u32, 1 << 13, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut lower = tar::Builder::new(Vec::new());
    let entry = |builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_uid(42);
        header.set_size(content.len() as u64);
        if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder.append_data(&mut header, path, content).unwrap();
    };
    entry(&mut lower, "usr/bin/su", 0o4755, b"x");
    entry(&mut lower, "usr/bin/gone", 0o4755, b"x");
    entry(&mut lower, "srv/open/", 0o777, b"");
    entry(&mut lower, "srv/mended/", 0o777, b"");
    entry(&mut lower, "tmp/", 0o1777, b"");
    entry(&mut lower, "opt/xmrig", 0o755, b"\x7fELF");
    entry(&mut lower, "opt/app", 0o755, b"\x7fELF stratum+tcp://pool donate-level");
    lower.append_pax_extensions([("SCHILY.xattr.security.capability", capability.as_slice())]).unwrap();
    entry(&mut lower, "usr/bin/ping", 0o755, b"x");
    let mut upper = tar::Builder::new(Vec::new());
    entry(&mut upper, "srv/mended/", 0o755, b"");
    entry(&mut upper, "usr/bin/.wh.gone", 0o644, b"");
    let inventory = inventory(&[lower.into_inner().unwrap(), upper.into_inner().unwrap()]).await;
    let found: Vec<_> =
        inventory.files.iter().map(|file| (file.kind, file.path.as_str(), file.detail.as_str())).collect();
    assert_eq!(
        found,
        [
            (SpecialFileKind::Setuid, "/usr/bin/su", "mode 4755, owner 42"),
            (SpecialFileKind::Capabilities, "/usr/bin/ping", "cap_net_raw=ep"),
            (SpecialFileKind::WorldWritable, "/srv/open", "directory, mode 0777"),
            (SpecialFileKind::Miner, "/opt/app", "contains stratum+, donate-level"),
            (SpecialFileKind::Miner, "/opt/xmrig", "named like a miner"),
        ]
    );
    assert!(inventory.files.iter().all(|file| file.layer.as_ref() == Some(&inventory.layers[0].digest)));
}
