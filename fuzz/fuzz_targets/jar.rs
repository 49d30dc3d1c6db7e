#![no_main]
use breakwater_scanner::packages::java;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = java::read("lib/c-1.2.jar", bytes);
});
