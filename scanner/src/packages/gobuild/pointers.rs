//! Programs of Go before 1.18: behind the magic stand the addresses of two strings, each an address and a length itself.

use memchr::memmem;
use object::{File, Object as _, ObjectSegment as _};

use super::{INLINE, MAGIC};

/// What begins the strings: the size of a pointer, a flag for big-endian numbers, then the addresses.
const ADDRESSES_AT: usize = 16;
const BIG_ENDIAN: u8 = 1;
/// Occurrences of the magic that are looked at: scanners hold it as well.
const MAX_MAGICS: usize = 16;
/// Segments of a program that are looked at; Go's have about ten.
const MAX_SEGMENTS: usize = 64;
const MAX_GO_VERSION: u64 = 256;

/// The version of Go that built `program`.
pub(super) fn go_version(program: &[u8]) -> Option<String> {
    let file = File::parse(program).ok()?;
    memmem::find_iter(program, MAGIC).take(MAX_MAGICS).find_map(|at| version_at(&file, program.get(at..)?))
}

fn version_at(file: &File<'_>, info: &[u8]) -> Option<String> {
    let pointer = usize::from(*info.get(MAGIC.len())?);
    let flags = *info.get(MAGIC.len() + 1)?;
    if !matches!(pointer, 4 | 8) || flags & INLINE != 0 {
        return None;
    }
    let number = |bytes: &[u8]| {
        let bytes = bytes.get(..pointer)?.iter();
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if flags & BIG_ENDIAN != 0 { bytes.fold(0, add) } else { bytes.rev().fold(0, add) })
    };
    let string = number(info.get(ADDRESSES_AT..)?)?;
    let header = loaded(file, string, 2 * pointer as u64)?;
    let (address, length) = (number(header)?, number(header.get(pointer..)?)?);
    let text = std::str::from_utf8(loaded(file, address, length.min(MAX_GO_VERSION))?).ok()?;
    (text.starts_with("go1") || text.starts_with("devel")).then(|| text.to_owned())
}

/// What a running program would find at `address`.
fn loaded<'a>(file: &File<'a>, address: u64, length: u64) -> Option<&'a [u8]> {
    file.segments().take(MAX_SEGMENTS).find_map(|segment| segment.data_range(address, length).ok().flatten())
}
