#![no_main]
use breakwater_scanner::packages::rpm::header::Header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::parse(bytes) {
        let _ = header.package();
        header.files(|path| !path.is_empty());
    }
});
