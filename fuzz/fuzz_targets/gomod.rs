#![no_main]
use breakwater_scanner::packages::locks::Lock;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Lock::GoModule.read(text);
});
