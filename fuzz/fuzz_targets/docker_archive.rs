#![no_main]
use breakwater_scanner::image::local::docker;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = docker::parse(bytes);
});
