#![no_main]
use breakwater_scanner::packages::PackageUrl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<PackageUrl>();
    }
});
