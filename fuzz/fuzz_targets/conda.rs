#![no_main]
use breakwater_scanner::packages::conda;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = conda::parse(bytes);
});
