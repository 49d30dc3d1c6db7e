#![no_main]
use breakwater_scanner::packages::ruby;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = ruby::parse("c-1.2.gemspec", &String::from_utf8_lossy(bytes));
});
