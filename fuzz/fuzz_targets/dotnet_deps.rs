#![no_main]
use breakwater_scanner::packages::dotnet;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = dotnet::parse(bytes);
});
