#![no_main]
//! What is accepted prints back to itself.
use breakwater_scanner::image::local::Source;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(source) = text.parse::<Source>() {
        assert_eq!(source.to_string().parse(), Ok(source));
    }
});
