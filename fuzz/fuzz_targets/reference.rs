#![no_main]
//! What is accepted prints back to itself.
use breakwater_core::ImageReference;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<ImageReference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
});
