//! rpm's databases as rpm wrote them, against what rpm says of them, and damaged ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{fs, path::Path};

use breakwater_core::Inventory;
use breakwater_scanner::packages::{
    OsPackage,
    rpm::{self, Damage, Installed},
};
use proptest::prelude::*;
use support::*;

fn testdata(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rpm").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(testdata(name)).unwrap()
}

/// A package in the columns of the lists: epoch and label are `-` where there is none.
fn line(package: &OsPackage) -> String {
    let (epoch, rest) = package.version.split_once(':').unwrap_or(("-", &package.version));
    let (version, release) = rest.rsplit_once('-').unwrap();
    let (name, arch) = (&package.name, &package.architecture);
    let source = package.source.as_ref().map_or_else(
        || format!("{name}-{rest}.src.rpm"),
        |source| format!("{}-{}.src.rpm", source.name, source.version),
    );
    let label = if package.module.is_empty() { "-" } else { &package.module };
    format!("{name} {epoch} {version} {release} {arch} {source} {label}")
}

/// The lines of a list, an epoch of 0 as none.
fn list(name: &str) -> Vec<String> {
    text(name).lines().map(|line| line.replacen(" 0 ", " - ", 1)).collect()
}

fn read(bytes: &[u8]) -> (Installed, Vec<String>) {
    let mut files = Vec::new();
    let installed = rpm::read(bytes, |path| files.push(path.to_owned()));
    (installed, files)
}

fn lines(installed: &Installed) -> Vec<String> {
    let mut lines: Vec<_> = installed.packages.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn every_format_says_what_rpm_says() {
    for name in ["small.sqlite", "small.ndb", "small.bdb"] {
        let (installed, mut files) = read(&testdata(name));
        assert_eq!(installed.damage, None, "{name}");
        assert_eq!(lines(&installed), list("small.txt"), "{name}");
        assert_eq!(installed.packages[0].licenses, ["MIT AND Apache-2.0"], "{name}");
        files.sort();
        assert!(files.contains(&"usr/lib/node_modules/@scope/inner/package.json".to_owned()), "{name}");
        assert!(files.contains(&"usr/lib64/liblibrary.so.1".to_owned()), "{name}");
        assert_eq!(files.iter().filter(|path| path.starts_with("usr/share/many/")).count(), 157, "{name}");
    }
}

#[test]
fn a_distributions_own_database_is_read() {
    let (installed, files) = read(&testdata("libuuid.bdb"));
    assert_eq!(installed.damage, None);
    assert_eq!(lines(&installed), ["libuuid - 2.32.1 42.el8_8 x86_64 util-linux-2.32.1-42.el8_8.src.rpm -"]);
    assert!(files.contains(&"usr/lib64/libuuid.so.1".to_owned()), "{files:?}");
}

/// Numbers of a big-endian machine (s390x): the same database with every number of its pages turned round.
#[test]
fn byte_order_is_the_writers() {
    let mut bytes = testdata("small.bdb");
    let page = 4096;
    for start in (0..bytes.len()).step_by(page) {
        let (kind, entries) = (bytes[start + 25], usize::from(bytes[start + 20]));
        let mut turn = |at: usize, length: usize| bytes[start + at..start + at + length].reverse();
        [12, 16].into_iter().for_each(|at| turn(at, 4));
        if kind == 8 {
            [20, 32].into_iter().for_each(|at| turn(at, 4));
            continue;
        }
        [20, 22].into_iter().for_each(|at| turn(at, 2));
        if kind == 13 {
            for entry in 0..entries {
                let at = 26 + entry * 2;
                let item = usize::from(u16::from_le_bytes([bytes[start + at], bytes[start + at + 1]]));
                bytes[start + at..start + at + 2].reverse();
                if bytes[start + item] == 3 {
                    bytes[start + item + 4..start + item + 8].reverse();
                    bytes[start + item + 8..start + item + 12].reverse();
                }
            }
        }
    }
    assert_eq!(lines(&read(&bytes).0), list("small.txt"));
}

#[test]
fn what_comes_before_the_damage_is_kept_and_the_damage_is_said() {
    let sqlite = testdata("small.sqlite");
    let all = read(&sqlite).0.packages;
    for (name, keep) in [("small.ndb", 20_000), ("small.bdb", 3 * 4096), ("libuuid.bdb", 50_000)] {
        let (installed, _) = read(&testdata(name)[..keep]);
        assert!(installed.packages.len() < all.len(), "{name}");
        let words = installed.damage.unwrap_or_else(|| panic!("{name}")).to_string();
        assert!(words.contains("damaged at byte"), "{name}: {words}");
    }
    let (cut, _) = read(&testdata("small.ndb")[..20_000]);
    assert!(!cut.packages.is_empty() && all.iter().any(|package| package.name == cut.packages[0].name));
    for bytes in [b"".as_slice(), b"SQLite format 3", &[0; 4096], b"RpmP\x01\0\0\0"] {
        assert!(matches!(read(bytes).0.damage, Some(Damage::Foreign(_))), "{bytes:?}");
    }
}

#[test]
fn pages_that_lead_back_end_the_reading() {
    let mut sqlite = testdata("small.sqlite");
    // Every interior page's right-most child becomes page 1, whose own is left.
    for start in (4096..sqlite.len()).step_by(4096) {
        if sqlite[start] == 5 {
            let number = u32::try_from(start / 4096 + 1).unwrap();
            sqlite[start + 8..start + 12].copy_from_slice(&number.to_be_bytes());
        }
    }
    let (installed, _) = read(&sqlite);
    assert!(matches!(installed.damage, Some(Damage::Looped { .. })), "{:?}", installed.damage);

    let mut bdb = testdata("small.bdb");
    for start in (0..bdb.len()).step_by(4096) {
        if bdb[start + 25] == 7 {
            let number = u32::try_from(start / 4096).unwrap();
            bdb[start + 16..start + 20].copy_from_slice(&number.to_le_bytes());
        }
    }
    // Chains are as long as their values, whatever leads where.
    let (installed, _) = read(&bdb);
    assert!(installed.packages.len() <= 5);
}

#[test]
fn one_damaged_header_does_not_hide_the_others() {
    let mut ndb = testdata("small.ndb");
    let blob = ndb.windows(4).position(|window| window == b"BlbS").unwrap();
    ndb[blob + 16..blob + 20].fill(0xff);
    let (installed, _) = read(&ndb);
    assert_eq!(installed.packages.len(), 4);
    assert!(matches!(installed.damage, Some(Damage::Headers { count: 1, first: 1, .. })));
}

async fn inventory(tars: &[Vec<u8>]) -> Inventory {
    scan(&Server::of(image(tars)).await).await.unwrap().remove(0)
}

const ALMA: (&str, &[u8]) = ("etc/os-release", b"ID=\"almalinux\"\nVERSION_ID=\"8.10\"\n");

#[tokio::test]
async fn an_image_lists_its_rpm_packages_and_what_they_do_not_own() {
    let six = b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\n";
    let layers = [
        tar(&[
            ALMA,
            ("var/lib/rpm/Packages", &testdata("libuuid.bdb")),
            ("usr/lib/python3.6/site-packages/six-1.16.0.dist-info/METADATA", six),
            ("usr/local/lib/python3.6/site-packages/six-1.16.0.dist-info/METADATA", six),
            ("usr/lib/node_modules/left-pad/package.json", br#"{"name":"left-pad","version":"1.3.0"}"#),
        ]),
        tar(&[
            ("var/lib/rpm/.wh.Packages", b""),
            ("var/lib/rpm/rpmdb.sqlite", &testdata("small.sqlite")),
            ("var/lib/rpm/rpmdb.sqlite-wal", b""),
        ]),
    ];
    let inventory = inventory(&layers).await;
    let found: Vec<_> =
        inventory.packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.path.as_str())).collect();
    let path = "var/lib/rpm/rpmdb.sqlite";
    let local = "usr/local/lib/python3.6/site-packages/six-1.16.0.dist-info/METADATA";
    assert_eq!(
        found,
        [
            ("empty", "2:1.0~rc1-3.el8", path),
            ("library", "2:1.0~rc1-3.el8", path),
            ("many", "2:1.0~rc1-3.el8", path),
            ("script", "2:1.0~rc1-3.el8", path),
            ("six", "1.16.0", local),
            ("streamed", "10.24.0-1.module_el8.3.0+2023+d2377ea3", path),
        ]
    );
    let library = &inventory.packages[1];
    assert_eq!(library.ecosystem, "AlmaLinux:8");
    assert_eq!(
        library.purl,
        "pkg:rpm/almalinux/library@1.0~rc1-3.el8?arch=x86_64&distro=almalinux-8.10&epoch=2&upstream=small-1.0~rc1-3.el8.src.rpm"
    );
    assert_eq!(library.source.as_ref().unwrap().name, "small");
    assert_eq!(inventory.unanalysed, []);
}

#[tokio::test]
async fn a_package_belongs_to_the_layer_that_brought_its_version() {
    let layers = [
        tar(&[ALMA, ("usr/lib/sysimage/rpm/Packages.db", &testdata("small.ndb"))]),
        tar(&[
            ("usr/lib/sysimage/rpm/Packages.db", &testdata("small.ndb")),
            ("var/lib/rpm/rpmdb.sqlite-wal", b"frames"),
        ]),
    ];
    let inventory = inventory(&layers).await;
    assert_eq!(inventory.packages.len(), 5);
    assert!(
        inventory.packages.iter().all(|package| package.layer.as_ref() == Some(&inventory.layers[0].digest))
    );
    assert_eq!(inventory.unanalysed.len(), 1);
    assert!(inventory.unanalysed[0].reason.contains("rebuilddb"));
}

#[tokio::test]
async fn a_damaged_database_is_said_with_the_packages_before_the_damage() {
    let layers = [tar(&[ALMA, ("var/lib/rpm/Packages.db", &testdata("small.ndb")[..20_000])])];
    let inventory = inventory(&layers).await;
    assert!(!inventory.packages.is_empty());
    assert_eq!(inventory.unanalysed[0].path, "var/lib/rpm/Packages.db");
    assert!(inventory.unanalysed[0].reason.contains("damaged at byte"), "{:?}", inventory.unanalysed);
}

#[tokio::test]
async fn the_aged_root_lists_what_its_list_says() {
    let database = zstd::bulk::decompress(&testdata("aged.sqlite.zst"), 32 << 20).unwrap();
    assert_eq!(lines(&read(&database).0), list("aged.txt"));
    let inventory = inventory(&[tar(&[ALMA, ("var/lib/rpm/rpmdb.sqlite", &database)])]).await;
    assert_eq!(inventory.packages.len(), list("aged.txt").len());
    assert!(inventory.packages.iter().all(|package| package.ecosystem == "AlmaLinux:8"));
    assert!(inventory.packages.iter().any(|package| package.purl.contains("&rpmmod=nodejs:16:")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_ends_in_an_answer(
        name in prop::sample::select(vec!["small.sqlite", "small.ndb", "small.bdb", "libuuid.bdb"]),
        keep in 0_usize..260_000,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        early in prop::collection::vec((0_usize..8192, any::<u8>()), 0..4),
    ) {
        let mut bytes = testdata(name);
        bytes.truncate(keep.max(1));
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for (at, byte) in early {
            let at = at % bytes.len();
            bytes[at] ^= byte;
        }
        let (installed, _) = read(&bytes);
        prop_assert!(installed.packages.len() <= 1000);
    }

    #[test]
    fn headers_take_anything(bytes in prop::collection::vec(any::<u8>(), 0..400), entries in 0_u8..8) {
        let mut blob = vec![0, 0, 0, entries, 0, 0, 0, 64];
        blob.extend(bytes);
        if let Ok(header) = rpm::header::Header::parse(&blob) {
            let _ = header.package();
            header.files(|_| true);
        }
    }
}
