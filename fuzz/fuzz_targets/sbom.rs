#![no_main]
use breakwater_core::Platform;
use breakwater_scanner::sbom;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = sbom::parse(bytes, "sbom:fuzz", "fuzz", &Platform::linux("amd64"));
});
