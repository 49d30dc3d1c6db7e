#![no_main]
//! Answers of the API server, cut where they are too deep: whatever was JSON can be read then, and what was not too deep is as it was. The
//! first byte is the length of the pieces: they make no difference.
use breakwater_operator::kube::nesting::{Cutter, MAX_DEPTH};
use bytes::Bytes;
use serde_json::Value;

fn cut(text: &[u8], piece: usize) -> Vec<u8> {
    let mut cutter = Cutter::default();
    text.chunks(piece).flat_map(|piece| cutter.cut(Bytes::copy_from_slice(piece))).collect()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, text)) = bytes.split_first() else { return };
    let kept = cut(text, usize::MAX);
    assert_eq!(cut(text, usize::from(*piece).max(1)), kept);
    if serde_json::from_slice::<Value>(text).is_ok() {
        // What the parser takes is at most 127 levels deep; what was cut is no deeper than that, and the same again.
        assert!(serde_json::from_slice::<Value>(&kept).is_ok());
        assert_eq!(cut(&kept, usize::MAX), kept);
    }
    // As deep as anything, around the same text.
    let levels = MAX_DEPTH * 3;
    let deep = [&b"[".repeat(levels), text, &b"]".repeat(levels)].concat();
    if serde_json::from_slice::<serde::de::IgnoredAny>(&deep).is_ok() {
        assert!(serde_json::from_slice::<Value>(&cut(&deep, usize::MAX)).is_ok());
    }
});
