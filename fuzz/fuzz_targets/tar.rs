#![no_main]
//! A layer: framing, tar, and every file format inside.
use breakwater_core::Digest;
use breakwater_scanner::ScanOptions;
use breakwater_scanner::layer::{ExpectedLayer, read_layer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let expected = ExpectedLayer { digest: Digest::of(bytes), diff_id: Digest::of(bytes) };
    let _ = read_layer(bytes, &expected, ScanOptions::default());
});
