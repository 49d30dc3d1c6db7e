#![no_main]
use breakwater_core::mitigation::Hold;
use chrono::DateTime;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let now = DateTime::UNIX_EPOCH;
    if let Ok(Some(hold)) = Hold::parse(text, now) {
        assert!(hold.until > now && !hold.reason.is_empty());
    }
});
