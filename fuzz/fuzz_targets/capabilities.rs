#![no_main]
use breakwater_scanner::contents::capabilities;

libfuzzer_sys::fuzz_target!(|attribute: &[u8]| {
    // `cap_checkpoint_restore,` is the longest of 64 names, in two sets.
    assert!(capabilities::describe(attribute).len() <= 2 * 64 * 23 + 32);
});
