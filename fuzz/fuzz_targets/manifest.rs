#![no_main]
use breakwater_scanner::image::{ImageDescription, manifest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = manifest::parse(bytes, None);
    let _ = ImageDescription::parse(bytes);
});
