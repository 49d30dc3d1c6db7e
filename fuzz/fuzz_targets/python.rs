#![no_main]
use breakwater_scanner::packages::python;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = python::parse(&String::from_utf8_lossy(bytes));
});
