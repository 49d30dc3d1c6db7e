#![no_main]
use std::io::Cursor;

use breakwater_scanner::image::local::archive::Entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = Entries::read(Cursor::new(bytes), bytes.len() as u64)
        && let Some(span) = entries.find("index.json")
    {
        assert!(span.at + span.size <= bytes.len() as u64);
    }
});
