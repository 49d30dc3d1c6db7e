#![no_main]
use breakwater_scanner::packages::auditable;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = auditable::parse(bytes);
});
