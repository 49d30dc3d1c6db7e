#![no_main]
use breakwater_advisories::{BuildInput, Index, build};

// What is built from anything at all is whole.
libfuzzer_sys::fuzz_target!(|archive: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let (source, out) = (directory.path().join("source.zip"), directory.path().join("index"));
    std::fs::write(&source, archive).unwrap();
    if build(BuildInput::new(&source, &out), 1, chrono::DateTime::UNIX_EPOCH).is_ok() {
        Index::open(&out).unwrap().walk().unwrap();
    }
});
