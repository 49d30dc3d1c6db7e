#![no_main]
//! What is accepted prints back to itself.
use breakwater_core::Platform;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform));
    }
});
