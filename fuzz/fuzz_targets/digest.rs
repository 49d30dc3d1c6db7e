#![no_main]
//! What is accepted prints back to itself, in both forms.
use breakwater_core::Digest;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Some(digest) = Digest::from_compact(text) {
        assert_eq!(digest.compact(), text);
    }
});
