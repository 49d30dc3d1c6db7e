//! Interned strings: each distinct one is stored once, and named by its offset.

use std::collections::HashMap;

use super::cursor::{Cursor, put_varint};

/// The longest string kept, in bytes; what is longer is cut at a character.
pub(super) const MAX_STRING: usize = 1024;

pub(super) fn read(section: &[u8], offset: u32) -> Option<&str> {
    let mut cursor = Cursor(section.get(usize::try_from(offset).ok()?..)?);
    let length = cursor.varint_usize()?;
    std::str::from_utf8(cursor.take(length)?).ok()
}

#[derive(Debug)]
pub(super) struct Interner {
    bytes: Vec<u8>,
    offsets: HashMap<Box<str>, u32>,
}

impl Interner {
    pub(super) fn new() -> Self {
        let mut interner = Self { bytes: Vec::new(), offsets: HashMap::new() };
        interner.intern("");
        interner
    }

    /// The string's name. Offsets above `u32::MAX` are caught when the file is written: it is refused as too large.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let text = cut(text);
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        put_varint(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        self.offsets.insert(text.into(), offset);
        offset
    }

    pub(super) fn read(&self, offset: u32) -> &str {
        read(&self.bytes, offset).unwrap_or_default()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=MAX_STRING.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Interner, MAX_STRING, cut};

    #[test]
    fn the_same_string_is_stored_once() {
        let mut interner = Interner::new();
        let first = interner.intern("openssl");
        assert_eq!(interner.intern("openssl"), first);
        assert_eq!(interner.read(first), "openssl");
        assert_eq!(interner.intern(""), 0);
    }

    #[test]
    fn long_strings_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(MAX_STRING)).len(), MAX_STRING);
        assert_eq!(cut(&format!("a{}", "é".repeat(MAX_STRING))).len(), MAX_STRING - 1);
    }
}
