#![no_main]
use breakwater_scanner::packages::dpkg;

libfuzzer_sys::fuzz_target!(|text: &str| {
    dpkg::parse_status(text);
    dpkg::parse_files(text);
});
