#![no_main]
use breakwater_scanner::registry::referrers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = referrers::parse(bytes);
});
