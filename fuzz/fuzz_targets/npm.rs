#![no_main]
use breakwater_scanner::packages::npm;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = npm::parse(bytes);
});
