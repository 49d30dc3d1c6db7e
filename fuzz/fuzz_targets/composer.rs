#![no_main]
use breakwater_scanner::packages::composer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = composer::parse(bytes);
});
