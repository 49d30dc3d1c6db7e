//! SQLite's file format (sqlite.org, "Database File Format"), as far as one table needs it: `Packages`, whose second column `blob` is
//! the header. Fixed pages; tables are B+trees of row number → record; a record too long for its page goes on in a chain of overflow
//! pages. All numbers are big-endian.

use super::{Damage, array, size};
use crate::limits::MAX_RPM_HEADER;

/// The deepest tree: with two children a page, the most pages of a file we read.
const MAX_DEPTH: usize = 20;
/// Page 1 begins with the file's header.
const FILE_HEADER: usize = 100;
const TABLE_INTERIOR: u8 = 5;
const TABLE_LEAF: u8 = 13;

pub fn is_sqlite(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SQLite format 3\0")
}

/// Gives `each` the package headers, one by one, in the order of their numbers.
///
/// # Errors
/// [`Damage`]: where it stopped.
pub fn blobs(bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), Damage> {
    let pages = Pages::of(bytes)?;
    let mut root = None;
    Tree::of(&pages).walk(1, 0, &mut |record| {
        // type, name, tbl_name, rootpage, sql
        if column(record, 0) == Some(b"table") && column(record, 1) == Some(b"Packages") {
            root = column(record, 3).map(number);
        }
    })?;
    let root = root.ok_or(Damage::Foreign("an SQLite database without a table named Packages"))?;
    Tree::of(&pages).walk(root, 0, &mut |record| {
        each(column(record, 1).unwrap_or_default());
    })
}

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    /// Bytes of a page that are SQLite's: extensions may keep some at the end.
    usable: usize,
}

impl<'a> Pages<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Damage> {
        if !is_sqlite(bytes) {
            return Err(Damage::Foreign("it does not begin as SQLite does"));
        }
        let size = match array(bytes, 16).map(u16::from_be_bytes) {
            Some(1) => 65_536,
            Some(size) if size.is_power_of_two() && size >= 512 => usize::from(size),
            _ => return Err(Damage::Broken { at: 16, what: "pages of a size that SQLite does not know" }),
        };
        let reserved = bytes.get(20).copied().map_or(0, usize::from);
        let usable = size.checked_sub(reserved).filter(|usable| *usable >= 480);
        let usable = usable.ok_or(Damage::Broken { at: 20, what: "too little of each page is used" })?;
        Ok(Self { bytes, size, usable })
    }

    /// Where page `number`, counted from 1, begins in the file.
    fn at(&self, number: usize) -> usize {
        number.saturating_sub(1).saturating_mul(self.size)
    }

    fn page(&self, number: usize) -> Result<&'a [u8], Damage> {
        let at = self.at(number);
        let page = self.bytes.get(at..).and_then(|rest| rest.get(..self.usable)).filter(|_| number > 0);
        page.ok_or(Damage::Broken { at, what: "a page is missing" })
    }
}

/// A walk over one table, which passes by every page at most once in all: a tree has no more.
struct Tree<'a> {
    pages: &'a Pages<'a>,
    unread: usize,
    /// A record that overflows its page, put together.
    buffer: Vec<u8>,
}

impl<'a> Tree<'a> {
    fn of(pages: &'a Pages<'a>) -> Self {
        Self { pages, unread: pages.bytes.len().div_ceil(pages.size), buffer: Vec::new() }
    }

    fn page(&mut self, number: usize) -> Result<&'a [u8], Damage> {
        let page = self.pages.page(number)?;
        self.unread = self.unread.checked_sub(1).ok_or(Damage::Looped { at: self.pages.at(number) })?;
        Ok(page)
    }

    fn walk(&mut self, number: usize, depth: usize, each: &mut impl FnMut(&[u8])) -> Result<(), Damage> {
        let at = self.pages.at(number);
        let broken = |what| Damage::Broken { at, what };
        if depth == MAX_DEPTH {
            return Err(Damage::Looped { at });
        }
        let page = self.page(number)?;
        let head = if number == 1 { FILE_HEADER } else { 0 };
        let kind = page.get(head).copied().unwrap_or_default();
        let cells = array(page, head + 3).map_or(0, u16::from_be_bytes);
        let pointers = head + if kind == TABLE_INTERIOR { 12 } else { 8 };
        let cell = |index: u16| {
            let start = array(page, pointers + usize::from(index) * 2).map(u16::from_be_bytes)?;
            page.get(usize::from(start)..)
        };
        let child = |bytes, at| array(bytes, at).map(u32::from_be_bytes).map(size);
        match kind {
            TABLE_INTERIOR => {
                for index in 0..cells {
                    let below = cell(index).and_then(|cell| child(cell, 0));
                    self.walk(below.ok_or_else(|| broken("a branch is cut off"))?, depth + 1, each)?;
                }
                let last = child(page, head + 8).ok_or_else(|| broken("a branch is cut off"))?;
                self.walk(last, depth + 1, each)
            }
            TABLE_LEAF => {
                let mut room = self.pages.usable;
                for index in 0..cells {
                    let cell = cell(index).ok_or_else(|| broken("a row lies outside of its page"))?;
                    let (length, rest) = varint(cell).ok_or_else(|| broken("a row is cut off"))?;
                    let (_row, rest) = varint(rest).ok_or_else(|| broken("a row is cut off"))?;
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if length > MAX_RPM_HEADER {
                        return Err(Damage::Overlong { at });
                    }
                    let here = self.local(length);
                    room = room.checked_sub(here).ok_or(Damage::Looped { at })?;
                    let start = rest.get(..here).ok_or_else(|| broken("a row is cut off"))?;
                    if here == length {
                        each(start);
                    } else {
                        let next = child(rest, here).ok_or_else(|| broken("a row is cut off"))?;
                        self.assemble(start, next, length)?;
                        each(&self.buffer);
                    }
                }
                Ok(())
            }
            _ => Err(broken("not the page of a table")),
        }
    }

    /// How much of a record of this length lies on the leaf itself ("B-tree Cell Format").
    fn local(&self, length: usize) -> usize {
        let usable = self.pages.usable;
        let most = usable - 35;
        if length <= most {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let even = least + (length - least) % (usable - 4);
        if even <= most { even } else { least }
    }

    /// Puts the record that begins with `start` and goes on at overflow page `next` into the buffer.
    fn assemble(&mut self, start: &[u8], mut next: usize, length: usize) -> Result<(), Damage> {
        self.buffer.clear();
        self.buffer.extend_from_slice(start);
        while self.buffer.len() < length {
            let page = self.page(next)?;
            let (head, content) = page.split_at_checked(4).unwrap_or_default();
            next = array(head, 0).map_or(0, u32::from_be_bytes).try_into().unwrap_or(usize::MAX);
            let missing = length - self.buffer.len();
            self.buffer.extend_from_slice(content.get(..missing).unwrap_or(content));
        }
        Ok(())
    }
}

/// The bytes of a record's column ("Record Format"); the values of numbers are their bytes.
fn column(record: &[u8], wanted: usize) -> Option<&[u8]> {
    let (head_length, rest) = varint(record)?;
    let head_length = usize::try_from(head_length).ok()?;
    let mut values = record.get(head_length..)?;
    let mut kinds = rest.get(..head_length.checked_sub(record.len() - rest.len())?)?;
    for index in 0.. {
        let (kind, other_kinds) = varint(kinds)?;
        kinds = other_kinds;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            _ => kind.checked_sub(12)? / 2,
        };
        let (value, other_values) = values.split_at_checked(usize::try_from(length).ok()?)?;
        if index == wanted {
            return Some(value);
        }
        values = other_values;
    }
    None
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number: usize, byte| number.wrapping_mul(256).wrapping_add(usize::from(*byte)))
}

/// A number of one to nine bytes, seven bits each, eight in the ninth ("varint").
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        let is_last = index == 8;
        let (bits, shift) = if is_last { (*byte, 8) } else { (*byte & 0x7f, 7) };
        number = number << shift | u64::from(bits);
        if is_last || *byte < 0x80 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{column, varint};

    #[test]
    fn numbers_have_as_many_bytes_as_they_need() {
        assert_eq!(varint(&[0x05, 9]), Some((5, [9].as_slice())));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, [].as_slice())));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, [].as_slice())));
        assert_eq!(varint(&[0x81]), None);
        assert_eq!(varint(&[]), None);
    }

    #[test]
    fn columns_are_found_by_the_lengths_of_those_before() {
        // NULL, a text of two bytes, a number of one byte.
        let record = [4, 0, 17, 1, b'a', b'b', 7];
        assert_eq!(column(&record, 0), Some([].as_slice()));
        assert_eq!(column(&record, 1), Some(b"ab".as_slice()));
        assert_eq!(column(&record, 2), Some([7].as_slice()));
        assert_eq!(column(&record, 3), None);
    }
}
