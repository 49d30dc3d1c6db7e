#![no_main]
//! What lies in the report store: frames, their names, and the documents in them.
use breakwater_core::{Platform, history::RepositoryHistory};
use breakwater_operator::store::{Key, MAX_DOCUMENT, Resolution, Collection, codec};
use chrono::DateTime;

const KEY: Key = Key::Ledger("fuzz");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(codec::unpack(&KEY, bytes).unwrap_or_default().len() <= MAX_DOCUMENT);
    assert_eq!(codec::unpack(&KEY, &codec::pack(&KEY, bytes).unwrap()).unwrap(), bytes);
    if let Ok(leaf) = std::str::from_utf8(bytes) {
        for room in [Collection::Inventory, Collection::Resolution, Collection::History] {
            assert!(room.key(leaf).is_none_or(|key| key.leaf() == leaf), "it is found again by its name");
        }
    }
    if let Ok(found) = serde_json::from_slice::<Resolution>(bytes) {
        let wanted = Platform::linux("arm");
        assert_eq!(
            serde_json::from_slice::<Resolution>(&serde_json::to_vec(&found).unwrap()).unwrap(),
            found
        );
        assert!(
            found.manifest(&wanted).is_none_or(|of| found.platforms.iter().any(|(_, digest)| digest == of))
        );
    }
    if let Ok(mut kept) = serde_json::from_slice::<RepositoryHistory>(bytes) {
        let written = serde_json::to_vec(&kept).unwrap();
        assert_eq!(serde_json::from_slice::<RepositoryHistory>(&written).unwrap(), kept);
        kept.observe(&[], DateTime::UNIX_EPOCH);
        assert_eq!(kept.of_image(&[]).since, None);
    }
});
