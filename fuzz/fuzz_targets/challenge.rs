#![no_main]
use breakwater_scanner::registry::challenge;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = challenge::parse(text.lines());
});
