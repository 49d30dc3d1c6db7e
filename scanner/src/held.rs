//! Memory for a file that is held whole.

use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use memmap2::MmapMut;

use crate::limits::MAX_HELD_BESIDE;

/// Held by the one file that is larger than [`MAX_HELD_BESIDE`].
static ALONE: Mutex<()> = Mutex::new(());

/// Blocks above this many bytes get pages of their own.
const LARGE: usize = 256 << 10;

/// The bytes of one file whose size is known beforehand.
///
/// A large one lies in anonymous pages that the system has back as soon as they are dropped. The C library's allocator learns from every
/// large block that is freed to keep the next one: two layers at a time then fill a pod's memory with what nobody uses any more (measured on
/// one image of 430 MB: 92 MiB at the peak, 52 with these pages).
#[derive(Debug, Default)]
pub struct HeldFile {
    pages: Option<MmapMut>,
    /// What is held, or where `pages` hold it nothing.
    bytes: Vec<u8>,
    /// Bytes in use of `pages`.
    used: usize,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl HeldFile {
    /// Room for `size` bytes. More may be added, in memory as any other. A file above [`MAX_HELD_BESIDE`] waits until no other thread holds
    /// such a one; whoever holds one must not ask for another.
    #[must_use]
    pub fn of_size(size: usize) -> Self {
        // A panic while it was held says nothing about the next file.
        let alone = (size > MAX_HELD_BESIDE).then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        // Where the system has no pages, the allocator may have room.
        let pages = (size > LARGE).then(|| MmapMut::map_anon(size).ok()).flatten();
        let bytes = if pages.is_some() { Vec::new() } else { Vec::with_capacity(size) };
        Self { pages, bytes, used: 0, _alone: alone }
    }

    pub fn push(&mut self, piece: &[u8]) {
        let end = self.used.saturating_add(piece.len());
        if let Some(room) = self.pages.as_mut().and_then(|pages| pages.get_mut(self.used..end)) {
            room.copy_from_slice(piece);
            self.used = end;
            return;
        }
        // Larger than was said.
        if let Some(pages) = self.pages.take() {
            self.bytes.extend_from_slice(pages.get(..self.used).unwrap_or_default());
            self.used = 0;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Forgets the bytes and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }

    /// How many bytes there is room for without asking for more.
    #[must_use]
    pub fn room(&self) -> usize {
        self.pages.as_ref().map_or(self.bytes.capacity(), |pages| pages.len())
    }
}

impl Deref for HeldFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.pages {
            Some(pages) => pages.get(..self.used).unwrap_or_default(),
            None => &self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_held_whatever_was_said_of_its_size() {
        let piece: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        for (said, pieces) in
            [(0, 1), (100_000, 1), (LARGE, 3), (LARGE + 1, 2), (LARGE + 1, 9), (2 << 20, 21)]
        {
            let mut held = HeldFile::of_size(said);
            for round in 0..2 {
                (0..pieces).for_each(|_| held.push(&piece));
                assert!(*held == *piece.repeat(pieces), "{said} {pieces} {round}");
                held.clear();
                assert!(held.is_empty());
            }
        }
    }
}
