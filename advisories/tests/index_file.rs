//! The index as a file: what it says about itself, and every way in which it is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

use std::path::{Path, PathBuf};

use breakwater_advisories::{BuildError, BuildInput, Index, IndexError, build, match_inventory};
use breakwater_core::Inventory;
use chrono::DateTime;
use proptest::prelude::*;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn built(directory: &Path) -> PathBuf {
    let out = directory.join("index");
    let (source, kev) = (testdata().join("osv"), testdata().join("kev.json"));
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    build(BuildInput { kev: Some(&kev), ..BuildInput::new(&source, &out) }, 42, now).unwrap();
    out
}

#[test]
fn it_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(&built(directory.path())).unwrap();
    assert_eq!(index.revision(), 42);
    assert_eq!(index.built_at(), 1_800_000_000);
    let names: Vec<_> = index.ecosystems().into_iter().map(|ecosystem| ecosystem.name).collect();
    assert_eq!(names, ["Debian:12", "Go", "PyPI", "npm"]);
    assert!(index.records() > 50);
    assert_eq!(index.walk(), Ok(()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let read = |directory: &Path| std::fs::read(built(directory)).unwrap();
    assert_eq!(read(one.path()), read(two.path()));
}

#[test]
fn damage_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = built(directory.path());
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        let path = directory.path().join("other");
        std::fs::write(&path, bytes).unwrap();
        Index::open(&path).unwrap_err()
    };
    assert!(matches!(open(b""), IndexError::NotAnIndex { .. }));
    assert!(matches!(open(b"PK\x03\x04 something else entirely"), IndexError::NotAnIndex { .. }));
    assert!(matches!(open(&whole[..whole.len() - 1]), IndexError::Truncated { .. }));
    assert!(matches!(open(&whole[..30]), IndexError::Truncated { .. }));
    let mut newer = whole.clone();
    newer[8] = 9;
    assert!(matches!(open(&newer), IndexError::NewerFormat { found: 9, .. }));
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(open(&longer), IndexError::Damaged { .. }));
    for place in [16, 24, 33, 60, 200, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        let error = open(&flipped);
        assert!(
            matches!(error, IndexError::Damaged { .. } | IndexError::Truncated { .. }),
            "{place}: {error}"
        );
    }
    let missing = Index::open(&directory.path().join("nowhere")).unwrap_err();
    assert!(matches!(missing, IndexError::Unreadable { .. }));
}

#[test]
fn a_failed_build_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let out = built(directory.path());
    let bad = directory.path().join("bad");
    std::fs::create_dir(&bad).unwrap();
    std::fs::write(bad.join("1.json"), "{}").unwrap();
    let input = BuildInput::new(&bad, &out);
    let error = build(input, 43, DateTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(&error, BuildError::NothingLeft { seen: 1, first: Some(_), .. }), "{error}");
    std::fs::write(bad.join("all.zip"), "PK no zip").unwrap();
    let error = build(input, 43, DateTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, BuildError::Source(_)), "{error}");
    assert_eq!(Index::open(&out).unwrap().revision(), 42);
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
}

/// Packages that the test data knows, of each ecosystem.
fn inventory() -> Inventory {
    let package = |ecosystem: &str, name: &str, version: &str| serde_json::json!({"name": name, "version": version, "ecosystem": ecosystem, "purl": "", "path": name});
    let digest = format!("sha256:{}", "0".repeat(64));
    serde_json::from_value(serde_json::json!({
        "schemaVersion": 1, "scanner": {"name": "test", "version": "0"},
        "image": {"reference": "test", "digest": digest, "configDigest": digest, "platform": "linux/amd64"},
        "layers": [], "software": [], "config": {}, "unanalysed": [],
        "packages": [
            package("PyPI", "Jinja2", "2.10"), package("PyPI", "urllib3", "1.24.1"), package("npm", "lodash", "4.17.15"),
            package("Debian:12", "glibc", "2.36-9"), package("Go", "stdlib", "1.19.0"),
        ]
    }))
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A file that was forged with a right checksum gives wrong answers or gaps, never a panic or endless work.
    #[test]
    fn a_forged_index_never_panics(changes in prop::collection::vec((24_usize..1 << 20, any::<u8>()), 1..40)) {
        use std::sync::LazyLock;
        static WHOLE: LazyLock<(Vec<u8>, Inventory)> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            (std::fs::read(built(directory.path())).unwrap(), inventory())
        });
        let (whole, inventory) = &*WHOLE;
        let mut forged = whole.clone();
        for (place, byte) in changes {
            let place = 24 + place % (forged.len() - 24);
            forged[place] = byte;
        }
        let checksum = twox_hash::XxHash3_64::oneshot(&forged[24..]).to_le_bytes();
        forged[16..24].copy_from_slice(&checksum);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forged");
        std::fs::write(&path, &forged).unwrap();
        if let Ok(index) = Index::open(&path) {
            let _ = (index.ecosystems(), index.walk(), match_inventory(&index, inventory));
        }
    }
}
