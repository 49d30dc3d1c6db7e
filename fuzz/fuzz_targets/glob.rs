#![no_main]
//! The first line is a pattern, the second what it is held against.
use breakwater_core::glob::Glob;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(glob) = Glob::new(pattern) {
        let is_literal = !pattern.contains(['*', '?']);
        assert!(glob.matches(name) == (pattern == name) || !is_literal);
    }
});
