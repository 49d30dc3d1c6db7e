#![no_main]
use breakwater_scanner::registry::link;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let target = link::next(text);
    assert!(target.is_none_or(|target| text.contains(target)));
});
