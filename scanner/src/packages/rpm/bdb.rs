//! Berkeley DB's hash tables, as rpm used them until 4.16 (Berkeley DB 4.x and 5.x, `dbinc/db_page.h`): fixed pages, of which hash
//! pages hold keys and values in turn, and chains of overflow pages what does not fit there. Numbers have the writer's byte order.
//!
//! rpm's keys are package numbers; number 0 holds the last number given out. Pages are read in the order of the file, so that the
//! buckets and their chains do not matter.

use super::{Damage, array, size};
use crate::limits::MAX_RPM_HEADER;

/// Magic number and supported versions of hash tables, at bytes 12 and 16 of the first page.
const MAGIC: u32 = 0x0006_1561;
const VERSIONS: std::ops::RangeInclusive<u32> = 7..=10;
/// Every page begins with its log position, number, neighbours, count of entries, free space or length, level and type.
const PAGE_HEADER: usize = 26;
const UNSORTED_HASH: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Kinds of items on a hash page: the value itself, or where its overflow pages begin and its length.
const HERE: u8 = 1;
const ELSEWHERE: u8 = 3;

/// Gives `each` the package headers, one by one.
///
/// # Errors
/// [`Damage`]: where it stopped.
pub fn blobs(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), Damage> {
    let pages = Pages::of(bytes)?;
    let mut buffer = Vec::new();
    let mut unread = bytes.len();
    for number in 1..=pages.last {
        let page = pages.page(number)?;
        if !matches!(page.kind, UNSORTED_HASH | HASH) {
            continue;
        }
        let mut above = pages.size;
        let mut key = None;
        for entry in 0..page.entries {
            let item = page.item(entry, &mut above)?;
            let Some(key_bytes) = key.take() else {
                key = Some(item.get(1..).unwrap_or_default());
                continue;
            };
            if key_bytes == [0; 4] {
                continue;
            }
            match item.first() {
                Some(&HERE) => each(item.get(1..).unwrap_or_default()),
                Some(&ELSEWHERE) => {
                    let at = page.at;
                    let [first, length] = [4, 8].map(|at| pages.u32(item, at).map(size));
                    let (Some(first), Some(length)) = (first, length) else {
                        return Err(Damage::Broken { at, what: "an entry is cut off" });
                    };
                    if length > MAX_RPM_HEADER {
                        return Err(Damage::Overlong { at });
                    }
                    pages.chain(first, length, &mut buffer)?;
                    unread = unread.checked_sub(length).ok_or(Damage::Looped { at })?;
                    each(&buffer);
                }
                _ => {
                    return Err(Damage::Broken {
                        at: page.at,
                        what: "an entry of a kind that rpm does not write",
                    });
                }
            }
        }
    }
    Ok(())
}

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    /// The number of the last page.
    last: usize,
    big_endian: bool,
}

struct Page<'a> {
    bytes: &'a [u8],
    /// Its offset in the file.
    at: usize,
    /// Offsets of entries within the page.
    offsets: &'a [u8],
    big_endian: bool,
    entries: usize,
    /// On an overflow page the length of its content.
    length: usize,
    next: usize,
    kind: u8,
}

impl<'a> Pages<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Damage> {
        let magic = array(bytes, 12).ok_or(Damage::Foreign("it is too short"))?;
        let big_endian = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MAGIC, _) => false,
            (_, MAGIC) => true,
            _ => return Err(Damage::Foreign("it does not begin as any of the formats do")),
        };
        let mut pages = Self { bytes, size: 0, last: 0, big_endian };
        if !pages.u32(bytes, 16).is_some_and(|version| VERSIONS.contains(&version)) {
            return Err(Damage::Foreign("a version of Berkeley DB that is not known"));
        }
        if bytes.get(24) != Some(&0) {
            return Err(Damage::Foreign("an encrypted Berkeley DB"));
        }
        pages.size = pages.u32(bytes, 20).map_or(0, size);
        if !pages.size.is_power_of_two() || !(512..=65_536).contains(&pages.size) {
            return Err(Damage::Broken { at: 20, what: "pages of a size that Berkeley DB does not know" });
        }
        pages.last = pages.u32(bytes, 32).map_or(0, size);
        Ok(pages)
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = array(bytes, at)?;
        Some(if self.big_endian { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) })
    }

    fn page(&self, number: usize) -> Result<Page<'a>, Damage> {
        let at = number.saturating_mul(self.size);
        let bytes = self.bytes.get(at..).and_then(|rest| rest.get(..self.size));
        let bytes = bytes.ok_or(Damage::Broken { at, what: "a page is cut off" })?;
        let (head, offsets) =
            bytes.split_at_checked(PAGE_HEADER).ok_or(Damage::Broken { at, what: "a page is cut off" })?;
        let short = |at| u16_of(head, at, self.big_endian).map_or(0, usize::from);
        Ok(Page {
            bytes,
            at,
            offsets,
            big_endian: self.big_endian,
            entries: short(20),
            length: short(22),
            next: self.u32(head, 16).map_or(0, size),
            kind: head.last().copied().unwrap_or_default(),
        })
    }

    /// Puts the value that begins on overflow page `number` and is `length` bytes long into `buffer`. Every page adds to it, so it ends.
    fn chain(&self, mut number: usize, length: usize, buffer: &mut Vec<u8>) -> Result<(), Damage> {
        buffer.clear();
        while buffer.len() < length {
            let page = self.page(number)?;
            let content = page.bytes.get(PAGE_HEADER..).and_then(|content| content.get(..page.length));
            match content {
                Some(content) if page.kind == OVERFLOW && !content.is_empty() => {
                    buffer.extend_from_slice(content);
                }
                _ => {
                    return Err(Damage::Broken {
                        at: page.at,
                        what: "not the overflow page that belongs here",
                    });
                }
            }
            number = page.next;
        }
        buffer.truncate(length);
        Ok(())
    }
}

impl<'a> Page<'a> {
    /// The item with its kind as first byte. Items grow from the page's end downwards: each reaches up to the one before.
    fn item(&self, entry: usize, above: &mut usize) -> Result<&'a [u8], Damage> {
        let start = u16_of(self.offsets, entry * 2, self.big_endian).map_or(0, usize::from);
        let item = self.bytes.get(start..*above).filter(|_| start >= PAGE_HEADER);
        *above = start;
        item.ok_or(Damage::Broken { at: self.at, what: "an entry lies outside of its page" })
    }
}

fn u16_of(bytes: &[u8], at: usize, big_endian: bool) -> Option<u16> {
    let number = array(bytes, at)?;
    Some(if big_endian { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) })
}
