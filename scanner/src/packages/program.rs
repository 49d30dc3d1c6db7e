//! What linkers leave in programs and libraries (ELF) about what was linked: Go's build information, Rust's list of crates.

use super::{
    auditable,
    gobuild::{BuildInfoSearch, Found},
};
use crate::{
    HeldFile,
    limits::{MAX_HELD_BESIDE, MAX_HELD_PROGRAM},
};

/// Looks through a file that goes by in pieces. Small programs are held on the way, for what is found only from their end.
#[derive(Debug)]
pub struct ProgramSearch {
    go: BuildInfoSearch,
    held: Held,
    /// Nothing more can be learned.
    is_over: bool,
}

#[derive(Debug)]
enum Held {
    Whole { size: usize, file: HeldFile },
    Tail(Vec<u8>),
}

/// Of programs that are not held whole, this much of the end is kept: section names stand there.
const TAIL: usize = 64 << 10;
/// Programs up to this size are held in memory that is handed on from one to the next, in bytes.
const SHARED_ROOM: usize = MAX_HELD_BESIDE;

impl ProgramSearch {
    /// For a file of `size` bytes; `memory` is used for what is held.
    #[must_use]
    pub fn new(size: u64, memory: HeldFile) -> Self {
        let held = match usize::try_from(size) {
            Ok(size) if size as u64 <= MAX_HELD_PROGRAM => Held::Whole { size, file: memory },
            _ => Held::Tail(Vec::new()),
        };
        Self { go: BuildInfoSearch::default(), held, is_over: false }
    }

    /// The next piece; `false` once nothing more can be learned.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if !self.go.push(piece) {
            self.is_over = true;
            return false;
        }
        match &mut self.held {
            Held::Whole { size, file } => {
                if file.room() < *size {
                    *file = HeldFile::of_size((*size).max(SHARED_ROOM));
                }
                file.push(piece);
            }
            Held::Tail(tail) => {
                if tail.len() + piece.len() > 2 * TAIL {
                    tail.drain(..tail.len().saturating_sub(TAIL));
                }
                tail.extend_from_slice(piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or(piece));
            }
        }
        true
    }

    /// Whether the file is a program or library at all.
    #[must_use]
    pub fn is_elf(&self) -> bool {
        self.go.is_elf()
    }

    /// What was found, and the memory for the next search.
    #[must_use]
    pub fn finish(self) -> (Found, HeldFile) {
        let is_elf = self.is_elf();
        let whole = match &self.held {
            Held::Whole { file, .. } if !self.is_over => Some(&**file),
            _ => None,
        };
        let mut found = self.go.finish(whole);
        if is_elf && found == Found::default() {
            found = match &self.held {
                _ if self.is_over => Found::default(),
                Held::Whole { file, .. } => auditable::parse(file),
                Held::Tail(tail) if memchr::memmem::find(tail, auditable::SECTION_IN_TABLE).is_some() => {
                    Found {
                        packages: Vec::new(),
                        unread: Some("a Rust program too large to read its list of crates"),
                    }
                }
                Held::Tail(_) => Found::default(),
            };
        }
        let memory = match self.held {
            Held::Whole { mut file, .. } if file.room() <= SHARED_ROOM => {
                file.clear();
                file
            }
            _ => HeldFile::default(),
        };
        (found, memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &[u8] = include_bytes!("../../../fuzz/seeds/auditable/good-library");

    fn read(program: &[u8], size: u64, piece: usize) -> Found {
        let mut search = ProgramSearch::new(size, HeldFile::default());
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
        for (size, room) in [(100, SHARED_ROOM), (SHARED_ROOM, SHARED_ROOM), (20 << 20, 0)] {
            let mut search = ProgramSearch::new(size as u64, HeldFile::default());
            search.push(b"\x7fELF");
            search.push(&vec![0; size - 4]);
            let memory = search.finish().1;
            assert_eq!((memory.room(), memory.len()), (room, 0), "{size}");
        }
    }
}
