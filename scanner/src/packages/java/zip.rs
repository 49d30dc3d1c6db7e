//! The central directory of a zip archive (APPNOTE 6.3.10), read in place: nothing is kept for its entries, so that a million of them cost no
//! memory. Read as Java reads it, for what runs is what Java sees: from the end, offsets counted from where the directory really lies.

use std::io::Read as _;

use flate2::bufread::DeflateDecoder;

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const END_ZIP64: &[u8] = b"PK\x06\x06";
const END_ZIP64_LENGTH: usize = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;
const MAX_COMMENT: usize = 0xffff;
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_LENGTH: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: usize = 30;
const EXTRA_ZIP64: u16 = 1;

/// An archive in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zip<'a> {
    bytes: &'a [u8],
    directory: &'a [u8],
    /// What lies before the archive proper (a launcher script).
    base: u64,
}

/// A file in it, as the central directory states it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) name: &'a [u8],
    pub(super) compressed: u64,
    pub(super) size: u64,
    is_encrypted: bool,
    method: u16,
    header_at: u64,
}

impl<'a> Zip<'a> {
    /// `None` if no central directory can be found.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let from = bytes.len().saturating_sub(END_LENGTH + MAX_COMMENT);
        let tail = bytes.get(from..)?;
        memchr::memmem::rfind_iter(tail, END).find_map(|at| Self::ending_at(bytes, from + at))
    }

    fn ending_at(bytes: &'a [u8], end: usize) -> Option<Self> {
        let record = bytes.get(end..)?.get(..END_LENGTH)?;
        let (length, offset) = (u64::from(u32_at(record, 12)?), u64::from(u32_at(record, 16)?));
        Self::with_directory(bytes, end, length, offset).or_else(|| {
            let locator = end.checked_sub(LOCATOR_LENGTH).filter(|at| is_at(bytes, *at, LOCATOR))?;
            let stated = usize::try_from(u64_at(bytes, locator.checked_add(8)?)?).ok();
            let before = locator.checked_sub(END_ZIP64_LENGTH);
            let end = stated.into_iter().chain(before).find(|at| is_at(bytes, *at, END_ZIP64))?;
            Self::with_directory(
                bytes,
                end,
                u64_at(bytes, end.checked_add(40)?)?,
                u64_at(bytes, end.checked_add(48)?)?,
            )
        })
    }

    /// The directory ends where its end record begins.
    fn with_directory(bytes: &'a [u8], end: usize, length: u64, offset: u64) -> Option<Self> {
        let from = end.checked_sub(usize::try_from(length).ok()?)?;
        let directory = bytes.get(from..end)?;
        let base = u64::try_from(from).ok()?.checked_sub(offset)?;
        (directory.is_empty() || directory.starts_with(CENTRAL)).then_some(Self { bytes, directory, base })
    }

    /// Its files, in the directory's order; `Err` once, at the end, where the directory is damaged.
    pub(super) fn members(&self) -> impl Iterator<Item = Result<Member<'a>, Damaged>> + use<'a> {
        let mut rest = self.directory;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let split = Member::split(rest);
            rest = split.map_or(&[], |(_, rest)| rest);
            Some(split.map(|(member, _)| member).ok_or(Damaged))
        })
    }

    /// The bytes of `member` as they are stored.
    pub(super) fn stored(&self, member: &Member<'_>) -> Option<&'a [u8]> {
        let at = usize::try_from(self.base.checked_add(member.header_at)?).ok()?;
        let header = self.bytes.get(at..)?;
        if !header.starts_with(LOCAL) {
            return None;
        }
        let (name, extra) = (u16_at(header, 26)?, u16_at(header, 28)?);
        let from = LOCAL_LENGTH + usize::from(name) + usize::from(extra);
        header.get(from..)?.get(..usize::try_from(member.compressed).ok()?)
    }
}

/// A central directory that does not hold what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

impl<'a> Member<'a> {
    /// The first entry of a directory, and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        if !bytes.starts_with(CENTRAL) {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
        let (name, rest) = bytes.get(CENTRAL_LENGTH..)?.split_at_checked(name?)?;
        let (extra, rest) = rest.split_at_checked(extra?)?;
        let rest = rest.get(comment?..)?;
        // Fields that are all ones stand in the zip64 extra field instead, in this order.
        let mut wide = wide_fields(extra);
        let mut field = |at| match u32_at(bytes, at)? {
            u32::MAX => {
                let value = u64_at(wide, 0);
                wide = wide.get(8..).unwrap_or_default();
                Some(value.unwrap_or(u64::from(u32::MAX)))
            }
            value => Some(u64::from(value)),
        };
        let (size, compressed, header_at) = (field(24)?, field(20)?, field(42)?);
        let is_encrypted = u16_at(bytes, 8)? & 1 != 0;
        Some((Self { name, compressed, size, is_encrypted, method: u16_at(bytes, 10)?, header_at }, rest))
    }

    pub(super) fn is_stored(&self) -> bool {
        self.method == 0 && !self.is_encrypted
    }

    /// Inflates `stored`, the member's bytes, to no more than its stated size.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn inflate(&self, stored: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.is_encrypted {
            return Err("is encrypted");
        }
        match self.method {
            0 => Ok(stored.to_vec()),
            8 => {
                let size =
                    usize::try_from(self.size).unwrap_or(usize::MAX).min(stored.len().saturating_mul(1_100));
                let mut bytes = Vec::with_capacity(size);
                let mut decoder = DeflateDecoder::new(stored).take(self.size);
                match decoder.read_to_end(&mut bytes) {
                    Ok(_) => Ok(bytes),
                    Err(_) => Err("is damaged"),
                }
            }
            _ => Err("is compressed in a way that Java cannot read"),
        }
    }
}

fn wide_fields(mut extra: &[u8]) -> &[u8] {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some((field, rest)) = extra.get(4..).and_then(|rest| rest.split_at_checked(usize::from(length)))
        else {
            break;
        };
        if id == EXTRA_ZIP64 {
            return field;
        }
        extra = rest;
    }
    &[]
}

fn is_at(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|field| u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|field| u64::from_le_bytes(*field))
}
