#![no_main]
use breakwater_scanner::contents::capabilities;

libfuzzer_sys::fuzz_target!(|attribute: &[u8]| {
    assert!(capabilities::describe(attribute).len() < 1_000, "there are 41 names");
});
