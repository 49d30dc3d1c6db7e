//! What linkers leave in programs and libraries (ELF) about what was linked: Go's build information, Rust's list of crates.

use super::{
    auditable,
    gobuild::{BuildInfoSearch, Found},
};
use crate::limits::MAX_HELD_PROGRAM;

/// Looks through a file that goes by in pieces. Small programs are held on the way, for what is found only from their end.
#[derive(Debug)]
pub struct ProgramSearch {
    go: BuildInfoSearch,
    held: Vec<u8>,
    is_whole: bool,
}

/// Of programs that are not held whole, this much of the end is kept: section names stand there.
const TAIL: usize = 64 << 10;
/// The most memory that is handed on for the next program.
const KEPT_MEMORY: usize = 8 << 20;

impl ProgramSearch {
    /// For a file of `size` bytes; `memory` is used for what is held.
    #[must_use]
    pub fn new(size: u64, mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { go: BuildInfoSearch::default(), held: memory, is_whole: size <= MAX_HELD_PROGRAM }
    }

    /// The next piece; `false` once nothing more can be learned.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if !self.go.push(piece) {
            self.is_whole = false;
            return false;
        }
        if !self.is_whole && self.held.len() + piece.len() > 2 * TAIL {
            self.held.drain(..self.held.len().saturating_sub(TAIL));
        }
        let fresh = if self.is_whole {
            piece
        } else {
            piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or(piece)
        };
        self.held.extend_from_slice(fresh);
        true
    }

    /// Whether the file is a program or library at all.
    #[must_use]
    pub fn is_elf(&self) -> bool {
        self.go.is_elf()
    }

    /// What was found, and the memory for the next search.
    #[must_use]
    pub fn finish(mut self) -> (Found, Vec<u8>) {
        let is_elf = self.is_elf();
        let whole = self.is_whole.then_some(self.held.as_slice());
        let mut found = self.go.finish(whole);
        if is_elf && found == Found::default() {
            found = match whole {
                Some(program) => auditable::parse(program),
                None if memchr::memmem::find(&self.held, auditable::SECTION_IN_TABLE).is_some() => Found {
                    packages: Vec::new(),
                    unread: Some("a Rust program too large to read its list of crates"),
                },
                None => Found::default(),
            };
        }
        if self.held.capacity() > KEPT_MEMORY {
            self.held = Vec::new();
        }
        (found, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &[u8] = include_bytes!("../../../fuzz/seeds/auditable/good-library");

    fn read(program: &[u8], size: u64, piece: usize) -> Found {
        let mut search = ProgramSearch::new(size, Vec::new());
        for piece in program.chunks(piece) {
            if !search.push(piece) {
                break;
            }
        }
        search.finish().0
    }

    #[test]
    fn what_is_held_is_read_however_the_pieces_fall() {
        for piece in [1, 3, 64, 1000, 100_000] {
            assert_eq!(read(RUST, RUST.len() as u64, piece).packages.len(), 2, "{piece}");
        }
        assert_eq!(read(b"#!/bin/sh", 9, 3), Found::default());
    }

    #[test]
    fn what_is_too_large_to_hold_says_so_if_it_holds_crates() {
        let padded = |end: &[u8]| [b"\x7fELF".as_slice(), &vec![0; 5 * TAIL], end].concat();
        for piece in [7, 1000, TAIL, 3 * TAIL, 10 * TAIL] {
            let rust = read(&padded(b"\0.text\0.dep-v0\0.data\0"), MAX_HELD_PROGRAM + 1, piece);
            assert!(rust.unread.is_some_and(|reason| reason.contains("too large")), "{piece}");
            assert_eq!(read(&padded(b"\0.text\0.data\0"), MAX_HELD_PROGRAM + 1, piece), Found::default());
        }
    }

    #[test]
    fn memory_is_handed_on_within_its_bound() {
        let mut search = ProgramSearch::new(20 << 20, Vec::new());
        search.push(b"\x7fELF");
        search.push(&vec![0; 20 << 20]);
        assert_eq!(search.finish().1.capacity(), 0);
    }
}
