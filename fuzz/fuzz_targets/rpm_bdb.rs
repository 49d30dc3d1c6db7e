#![no_main]
use breakwater_scanner::packages::rpm::bdb;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut read = 0;
    let _ = bdb::blobs(bytes, &mut |blob| read += blob.len());
    assert!(read <= bytes.len(), "every byte belongs to one package");
});
