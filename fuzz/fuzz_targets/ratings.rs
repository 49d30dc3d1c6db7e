#![no_main]
use breakwater_advisories::{BuildInput, Index, build};

const RECORD: &[u8] = include_bytes!("../seeds/osv/good-go.json");

// What is built from anything at all is whole.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (source, joined, out) = (at("source.json"), at("joined"), at("index"));
    std::fs::write(&source, RECORD).unwrap();
    std::fs::write(&joined, bytes).unwrap();
    let input = BuildInput { severities: &[joined], ..BuildInput::new(&source, &out) };
    if build(input, 1, chrono::DateTime::UNIX_EPOCH).is_ok() {
        Index::open(&out).unwrap().walk().unwrap();
    }
});
