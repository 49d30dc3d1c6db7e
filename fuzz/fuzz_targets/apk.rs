#![no_main]
use breakwater_scanner::packages::apk;

libfuzzer_sys::fuzz_target!(|text: &str| {
    apk::parse_installed(text);
});
