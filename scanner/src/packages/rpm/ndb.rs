//! ndb, rpm's own container (rpm, `lib/backend/ndb`): pages of slots, each the place of one package's blob. All numbers are
//! little-endian.
//!
//! The file begins with `RpmP`, the version, a generation and the number of slot pages. A slot is `Slot`, the package's number, and
//! its place and length in blocks of 16 bytes; number 0 is a free slot. A blob is `BlbS`, number, generation, length, the header.

use super::{Damage, array, size};
use crate::limits::MAX_RPM_HEADER;

const PAGE: usize = 4096;
const SLOT: usize = 16;
/// The file's own header takes the place of the first slots.
const FIRST_SLOT: usize = 32;
const BLOB_HEAD: usize = 16;

pub fn is_ndb(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RpmP")
}

/// Gives `each` the package headers, one by one.
///
/// # Errors
/// [`Damage`]: where it stopped.
pub fn blobs(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), Damage> {
    let number = |at| array(bytes, at).map(u32::from_le_bytes);
    if !is_ndb(bytes) {
        return Err(Damage::Foreign("it does not begin as ndb does"));
    }
    if number(4) != Some(0) {
        return Err(Damage::Foreign("a version of ndb that is not known"));
    }
    let end = number(12).and_then(|pages| size(pages).checked_mul(PAGE)).filter(|end| *end <= bytes.len());
    let end = end.ok_or(Damage::Broken { at: 12, what: "more slots than the file has room for" })?;
    let mut unread = bytes.len();
    for at in (FIRST_SLOT..end).step_by(SLOT) {
        let slot: [u8; SLOT] = array(bytes, at).ok_or(Damage::Broken { at, what: "a slot is cut off" })?;
        let [magic, package, place] = [0, 4, 8].map(|at| array(&slot, at).map_or(0, u32::from_le_bytes));
        if magic != u32::from_le_bytes(*b"Slot") {
            return Err(Damage::Broken { at, what: "not a slot" });
        }
        if package == 0 {
            continue;
        }
        let blob = size(place).saturating_mul(16);
        if bytes.get(blob..).and_then(|blob| blob.get(..8)) != Some(&blob_mark(package)) {
            return Err(Damage::Broken { at, what: "a slot leads to no package" });
        }
        let length = number(blob + 12).map_or(usize::MAX, size);
        if length > MAX_RPM_HEADER {
            return Err(Damage::Overlong { at: blob });
        }
        let start = blob + BLOB_HEAD;
        let header = bytes.get(start..start + length);
        let header = header.ok_or(Damage::Broken { at: blob, what: "a package is cut off" })?;
        unread = unread.checked_sub(length).ok_or(Damage::Looped { at })?;
        each(header);
    }
    Ok(())
}

/// How the blob of a package begins.
fn blob_mark(package: u32) -> [u8; 8] {
    let [a, b, c, d] = package.to_le_bytes();
    [b'B', b'l', b'b', b'S', a, b, c, d]
}
