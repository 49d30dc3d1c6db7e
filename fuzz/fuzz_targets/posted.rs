#![no_main]
//! A posted inventory, as it came and as what a frame holds. What is accepted is clean, and accepted again as it is.
use breakwater_core::{inventory::MAX_INVENTORY, printable, scan::PostedInventory};
use breakwater_operator::intake::{Offered, OfferedManifest, Refusal, posted};
use serde_json::Value;

fn is_clean(value: &Value) -> bool {
    let is_line = |text: &str| printable::line(text, 1_024) == text;
    match value {
        Value::String(text) => is_line(text),
        Value::Array(items) => items.iter().all(is_clean),
        Value::Object(fields) => fields.iter().all(|(key, value)| is_line(key) && is_clean(value)),
        _ => true,
    }
}

fn check(read: Result<PostedInventory, Refusal>) {
    let posted = match read {
        Ok(posted) => posted,
        Err(refusal) => return assert!(is_clean(&refusal.to_string().into()), "it is logged"),
    };
    let image = posted.image.clone();
    let about = posted.inventory.image.clone();
    let manifest =
        OfferedManifest { platform: about.platform, digest: about.digest, config: about.config_digest };
    let offered = Offered { index: None, manifests: vec![manifest], absent: Vec::new() };
    let Ok(inventory) = posted::accept(&offered, posted) else { return };
    let written = serde_json::to_value(&inventory).unwrap();
    assert!(is_clean(&written) && written.to_string().len() <= MAX_INVENTORY, "{written}");
    let again = PostedInventory { image, inventory: inventory.clone() };
    assert_eq!(posted::accept(&offered, again).unwrap(), inventory);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(posted::read(bytes));
    check(posted::read(&zstd::bulk::compress(bytes, 1).unwrap()));
});
