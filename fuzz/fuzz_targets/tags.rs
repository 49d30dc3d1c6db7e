#![no_main]
use breakwater_scanner::registry::tags;

libfuzzer_sys::fuzz_target!(|page: &[u8]| {
    let _ = tags::parse(page);
});
