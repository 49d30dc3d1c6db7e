//! The memory map: the one unsafe block of this project.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole file read-only.
#[allow(
    unsafe_code,
    reason = "mapping a file is unsafe in Rust because somebody could change it meanwhile; see SAFETY"
)]
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only, and index files are never written in place: `build` writes a temporary file and renames it over
    // the old one, so a mapped file keeps its bytes for as long as it is mapped. Whoever truncates it nevertheless gets SIGBUS, not
    // a wrong answer; the directory belongs to this program alone.
    unsafe { Mmap::map(file) }
}
