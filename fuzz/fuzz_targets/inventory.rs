#![no_main]
//! What is accepted is written as what it was.
use breakwater_core::Inventory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = serde_json::from_slice::<Inventory>(bytes) {
        let written = serde_json::to_vec(&inventory).unwrap();
        assert_eq!(serde_json::from_slice::<Inventory>(&written).unwrap(), inventory);
    }
});
