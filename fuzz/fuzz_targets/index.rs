#![no_main]
use std::sync::LazyLock;

use breakwater_advisories::{Index, match_inventory};
use breakwater_core::Inventory;
use twox_hash::XxHash3_64;

static INVENTORY: LazyLock<Inventory> =
    LazyLock::new(|| serde_json::from_str(include_str!("../seeds/index.inventory.json")).unwrap());

// The checksum (bytes 16 to 24, over all behind it) is set right, so that what lies behind it is reached.
libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let mut forged = file.to_vec();
    if forged.len() < 24 {
        return;
    }
    let checksum = XxHash3_64::oneshot(&forged[24..]).to_le_bytes();
    forged[16..24].copy_from_slice(&checksum);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    std::fs::write(&path, &forged).unwrap();
    if let Ok(index) = Index::open(&path) {
        let _ = (index.walk(), index.ecosystems(), match_inventory(&index, &INVENTORY));
    }
});
