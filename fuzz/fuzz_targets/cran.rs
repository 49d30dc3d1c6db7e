#![no_main]
use breakwater_scanner::packages::cran;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = cran::parse(&String::from_utf8_lossy(bytes));
});
