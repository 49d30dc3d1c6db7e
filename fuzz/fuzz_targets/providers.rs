#![no_main]
use std::path::PathBuf;

use breakwater_scanner::registry::Providers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Providers::parse(bytes, PathBuf::new());
});
