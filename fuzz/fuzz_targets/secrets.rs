#![no_main]
//! Texts searched for secrets, and shown without them. The first byte is the length of the pieces: they make no difference.
use breakwater_scanner::secrets::{FoundSecret, SecretSearch, conceal};

fn search(text: &[u8], piece: usize) -> Vec<FoundSecret> {
    let mut search = SecretSearch::default();
    search.begin("app/settings.env");
    for piece in text.chunks(piece) {
        if !search.push(piece) {
            return Vec::new();
        }
    }
    search.finish()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, text)) = bytes.split_first() else { return };
    assert_eq!(search(text, usize::from(*piece).max(1)), search(text, usize::MAX));
    if let Ok(text) = std::str::from_utf8(text) {
        let shown = conceal("fuzz", text);
        assert!(shown.text.len() <= text.len() + 3 * shown.text.matches('…').count());
    }
});
