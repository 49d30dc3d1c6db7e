//! The tar format (POSIX ustar and pax, GNU), read as Go's `archive/tar` reads it: that is what container runtimes unpack with, and a
//! scanner that understands an archive otherwise can be shown another image than the one that runs.

use std::io::{BufRead, Seek};

use super::{
    LayerError,
    entry::{Entry, Kind},
    path,
};
use crate::limits::{MAX_PATH, MAX_TAR_EXTENSION};

const BLOCK: usize = 512;
/// The longest form of `security.capability`, in bytes (linux/capability.h, `vfs_ns_cap_data`).
pub(super) const MAX_CAPABILITY: usize = 24;

/// The content of one entry of a tar archive or of one file of a directory.
pub(crate) trait Content {
    /// Passes what is left of it to `each`, piece by piece, until it answers `false`.
    fn content(&mut self, each: impl FnMut(&[u8]) -> bool) -> Result<(), LayerError>;
}

#[derive(Debug)]
pub struct Tar<R> {
    from: R,
    /// Content bytes of the current entry not read yet.
    content: u64,
    /// Zero bytes that fill its last block.
    padding: u64,
    /// Entries passed over because of their paths.
    overlong: u64,
}

/// What extended headers said about the next entry.
#[derive(Debug, Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    gnu_path: Option<String>,
    gnu_link: Option<String>,
    size: Option<u64>,
    sparse: bool,
    uid: Option<u64>,
    gid: Option<u64>,
    capabilities: Vec<u8>,
}

impl<R: BufRead> Tar<R> {
    pub fn new(from: R) -> Self {
        Self { from, content: 0, padding: 0, overlong: 0 }
    }

    /// The next entry; what was left of the last one's content is passed over, as are entries with paths or targets that no file system
    /// takes (see [`Tar::overlong`]). `None` is the archive's end.
    ///
    /// # Errors
    /// A header without its checksum, a number that is none, an extended header out of bounds, an archive that breaks off.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut extended = Extended::default();
        loop {
            self.skip_content()?;
            let Some(block) = self.block()? else { return Ok(None) };
            let header = Header(&block);
            if header.is_zero() {
                // Two of them end the archive; one alone at the end of the bytes does as well.
                return match self.block()? {
                    Some(second) if !Header(&second).is_zero() => Err(corrupt("a zero block in the middle")),
                    _ => Ok(None),
                };
            }
            header.verify()?;
            let kind = header.byte(156);
            let size = header.number(124, 12)?;
            self.expect_content(size)?;
            match kind {
                b'x' => extended.read_pax(&self.extension(size)?)?,
                b'g' => {} // Runtimes apply nothing from global headers.
                b'L' => extended.gnu_path = Some(text(until_nul(&self.extension(size)?))),
                b'K' => extended.gnu_link = Some(text(until_nul(&self.extension(size)?))),
                _ => match self.finish(&header, kind, size, std::mem::take(&mut extended))? {
                    Some(entry) => return Ok(Some(entry)),
                    None => self.overlong += 1,
                },
            }
        }
    }

    /// How many entries were passed over because their path or target is longer than `MAX_PATH`: they cannot be unpacked either.
    pub fn overlong(&self) -> u64 {
        self.overlong
    }

    /// The reader, for what follows the archive's end.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn finish(
        &mut self,
        header: &Header,
        kind: u8,
        size: u64,
        ext: Extended,
    ) -> Result<Option<Entry>, LayerError> {
        let mut sparse = ext.sparse;
        if kind == b'S' {
            sparse = true;
            let mut more = header.byte(482) != 0;
            while more {
                let block = self.block()?.ok_or_else(|| corrupt("a sparse map breaks off"))?;
                more = block.get(504).is_some_and(|byte| *byte != 0);
            }
        }
        let raw_path = ext.gnu_path.or(ext.path).unwrap_or_else(|| header.path());
        let target = ext.gnu_link.or(ext.link).unwrap_or_else(|| text(until_nul(header.bytes(157, 100))));
        let is_overlong = raw_path.len() > MAX_PATH || target.len() > MAX_PATH;
        let kind = match kind {
            0 if raw_path.ends_with('/') => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'5' => Kind::Directory,
            _ => Kind::Other,
        };
        let is_header_only = matches!(header.byte(156), b'1'..=b'6');
        let size = if is_header_only { 0 } else { ext.size.unwrap_or(size) };
        self.expect_content(size)?;
        let mode = u32::try_from(header.number(100, 8).unwrap_or(0) & 0o7777).unwrap_or(0);
        let uid = ext.uid.unwrap_or_else(|| header.number(108, 8).unwrap_or(0));
        let gid = ext.gid.unwrap_or_else(|| header.number(116, 8).unwrap_or(0));
        let entry = || Entry {
            path: path::normalise(&raw_path),
            kind,
            size,
            mode,
            target,
            sparse,
            uid,
            gid,
            capabilities: ext.capabilities,
        };
        Ok((!is_overlong).then(entry))
    }

    fn expect_content(&mut self, size: u64) -> Result<(), LayerError> {
        if size > i64::MAX as u64 {
            return Err(corrupt("a size beyond all bounds"));
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn skip_content(&mut self) -> Result<(), LayerError> {
        self.content(|_| true)?;
        self.content = std::mem::take(&mut self.padding);
        self.content(|_| true)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        if size > MAX_TAR_EXTENSION {
            return Err(LayerError::Corrupt(format!("an extended header of {size} bytes")));
        }
        let mut bytes = Vec::new();
        self.content(|piece| {
            bytes.extend_from_slice(piece);
            true
        })?;
        Ok(bytes)
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let got = self.from.read(rest)?;
            match (got, filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(corrupt("the tar archive breaks off inside a header")),
                _ => filled += got,
            }
        }
        Ok(Some(block))
    }
}

impl<R: BufRead> Content for Tar<R> {
    /// # Errors
    /// An archive that breaks off, or whatever the bytes' source reports.
    fn content(&mut self, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), LayerError> {
        while self.content > 0 {
            let piece = self.from.fill_buf()?;
            if piece.is_empty() {
                return Err(corrupt("the tar archive breaks off inside a file"));
            }
            let wanted = usize::try_from(self.content).unwrap_or(usize::MAX).min(piece.len());
            let go_on = each(piece.get(..wanted).unwrap_or_default());
            self.from.consume(wanted);
            self.content = self.content.saturating_sub(wanted as u64);
            if !go_on {
                break;
            }
        }
        Ok(())
    }
}

impl<R: BufRead + Seek> Tar<R> {
    /// Where the current entry's content begins in the source, which is left standing behind it without reading it.
    ///
    /// # Errors
    /// What the source reports. A content that goes beyond the source's end is not noticed here.
    pub fn pass_over(&mut self) -> Result<u64, LayerError> {
        let begin = self.from.stream_position()?;
        let ahead = self.content.saturating_add(self.padding);
        self.from.seek_relative(i64::try_from(ahead).map_err(|_| corrupt("a size beyond all bounds"))?)?;
        (self.content, self.padding) = (0, 0);
        Ok(begin)
    }
}

impl Extended {
    /// Records are `length SPACE key=value NEWLINE`, the length counting all of it (POSIX.1-2001, pax).
    fn read_pax(&mut self, mut bytes: &[u8]) -> Result<(), LayerError> {
        let broken = || corrupt("a pax header that is none");
        while !bytes.is_empty() {
            let space = memchr::memchr(b' ', bytes).ok_or_else(broken)?;
            let length = bytes.get(..space).and_then(|n| std::str::from_utf8(n).ok());
            let length: usize = length.and_then(|n| n.parse().ok()).ok_or_else(broken)?;
            let record = bytes.get(space + 1..length).ok_or_else(broken)?;
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            bytes = bytes.get(length..).ok_or_else(broken)?;
            let equals = memchr::memchr(b'=', record).ok_or_else(broken)?;
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            if key == b"SCHILY.xattr.security.capability" {
                // Bytes, not text.
                self.capabilities = value.iter().take(MAX_CAPABILITY).copied().collect();
                continue;
            }
            let value = text(value);
            match key {
                b"path" if !value.is_empty() => self.path = Some(value),
                b"linkpath" if !value.is_empty() => self.link = Some(value),
                b"size" => self.size = Some(value.parse().map_err(|_| broken())?),
                b"uid" => self.uid = value.parse().ok(),
                b"gid" => self.gid = value.parse().ok(),
                b"GNU.sparse.name" => (self.path, self.sparse) = (Some(value), true),
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

struct Header<'a>(&'a [u8; BLOCK]);

impl Header<'_> {
    fn bytes(&self, at: usize, length: usize) -> &[u8] {
        self.0.get(at..at + length).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The sum of all bytes, the checksum's own field counted as spaces; old archivers summed signed bytes.
    fn verify(&self) -> Result<(), LayerError> {
        let spaced = |unsigned: bool| {
            let value = |byte: &u8| if unsigned { i32::from(*byte) } else { i32::from(byte.cast_signed()) };
            let sum = |bytes: &[u8]| bytes.iter().map(value).sum::<i32>();
            i64::from(sum(self.0) - sum(self.bytes(148, 8)) + 8 * 32)
        };
        let stated = i64::try_from(self.number(148, 8)?).unwrap_or(-1);
        if stated == spaced(true) || stated == spaced(false) {
            Ok(())
        } else {
            Err(corrupt("a tar header whose checksum does not fit"))
        }
    }

    /// Octal digits between spaces or NULs, or (high bit set) a big-endian number.
    fn number(&self, at: usize, length: usize) -> Result<u64, LayerError> {
        let broken = || corrupt("a number in a tar header that is none");
        let field = self.bytes(at, length);
        match field {
            [first, rest @ ..] if first & 0x80 != 0 => {
                if first & 0x40 != 0 {
                    return Err(broken()); // negative
                }
                rest.iter().try_fold(u64::from(first & 0x3f), |sum, byte| {
                    sum.checked_mul(256)?.checked_add(u64::from(*byte))
                })
            }
            _ => {
                let digits = field.trim_ascii().split(|byte| *byte == 0).find(|part| !part.is_empty());
                let digits = digits.unwrap_or_default().trim_ascii();
                digits.iter().try_fold(0_u64, |sum, byte| match byte {
                    b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
                    _ => None,
                })
            }
        }
        .ok_or_else(broken)
    }

    fn path(&self) -> String {
        let name = text(until_nul(self.bytes(0, 100)));
        let has_prefix = self.bytes(257, 6) == b"ustar\0";
        let prefix_length = if self.bytes(508, 4) == b"tar\0" { 131 } else { 155 };
        let prefix = until_nul(self.bytes(345, prefix_length));
        if has_prefix && !prefix.is_empty() { format!("{}/{name}", text(prefix)) } else { name }
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn corrupt(what: &str) -> LayerError {
    LayerError::Corrupt(what.into())
}
