//! One package's header as databases keep it (rpm, "Header structure"): counts of index entries and of data bytes, the entries
//! (tag, type, offset, count), the data. All numbers are big-endian.

use breakwater_core::inventory::SourcePackage;

use super::{array, size};
use crate::{
    limits::MAX_PATH,
    packages::{OsPackage, name, version},
};

/// The parts of a header that are of interest, still as bytes.
#[derive(Debug, Default)]
pub struct Header<'a> {
    name: &'a [u8],
    version: &'a [u8],
    release: &'a [u8],
    epoch: u32,
    architecture: &'a [u8],
    license: &'a [u8],
    source: &'a [u8],
    module: &'a [u8],
    base_names: Strings<'a>,
    directory_names: Strings<'a>,
    /// For each base name the number of its directory, four bytes each.
    directory_indexes: &'a [u8],
}

/// Types of values (rpm, "Header tag data types").
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const TRANSLATED: u32 = 9;

impl<'a> Header<'a> {
    /// # Errors
    /// Why it is no header, in a few words.
    pub fn parse(blob: &'a [u8]) -> Result<Self, &'static str> {
        let number = |at| array(blob, at).map(u32::from_be_bytes).map(size);
        let entries = number(0).ok_or("it is too short")?;
        let length = number(4).ok_or("it is too short")?;
        let index = entries
            .checked_mul(16)
            .and_then(|bytes| blob.get(8..)?.split_at_checked(bytes))
            .ok_or("its index is cut off")?;
        let data = index.1.get(..length).ok_or("its data is cut off")?;
        let mut header = Self::default();
        for entry in index.0.as_chunks::<16>().0 {
            header.entry(entry, data);
        }
        Ok(header)
    }

    /// Takes what an entry leads to, if it is of interest; one that leads nowhere says nothing.
    fn entry(&mut self, entry: &[u8; 16], data: &'a [u8]) {
        let [tag, kind, offset, count] =
            [0, 4, 8, 12].map(|at| array(entry, at).map_or(0, u32::from_be_bytes));
        let Some(value) = data.get(size(offset)..) else { return };
        let text = || if matches!(kind, STRING | STRING_ARRAY | TRANSLATED) { until_nul(value) } else { b"" };
        let strings = || Strings { bytes: if kind == STRING_ARRAY { value } else { b"" }, left: size(count) };
        match tag {
            1000 => self.name = text(),
            1001 => self.version = text(),
            1002 => self.release = text(),
            1003 if kind == INT32 => self.epoch = array(value, 0).map_or(0, u32::from_be_bytes),
            1014 => self.license = text(),
            1022 => self.architecture = text(),
            1044 => self.source = text(),
            1116 if kind == INT32 => self.directory_indexes = value,
            1117 => self.base_names = strings(),
            1118 => self.directory_names = strings(),
            5096 => self.module = text(),
            _ => {}
        }
    }

    /// The package; `None` for what is none (`gpg-pubkey` stands for a key) or has no name or version.
    #[must_use]
    pub fn package(&self) -> Option<OsPackage> {
        let package_name = name(&text(self.name));
        let (stated, release) = (text(self.version), text(self.release));
        if package_name.is_empty() || package_name == "gpg-pubkey" || stated.is_empty() {
            return None;
        }
        let dash = if release.is_empty() { "" } else { "-" };
        let full = format!("{stated}{dash}{release}");
        let source = source(&text(self.source));
        Some(OsPackage {
            source: source.filter(|source| source.name != package_name || source.version != full),
            // An epoch of 0 is the same as none (rpm-version(7)).
            version: version(&if self.epoch == 0 { full } else { format!("{}:{full}", self.epoch) }),
            architecture: name(&text(self.architecture)),
            licenses: Some(name(&text(self.license)))
                .filter(|license| !license.is_empty())
                .into_iter()
                .collect(),
            module: name(&text(self.module)),
            name: package_name,
        })
    }

    /// Gives `take` the path of each file it owns, without leading slash, until that answers `false`. Paths longer than a file system's
    /// are left out.
    pub fn files(&self, mut take: impl FnMut(&str) -> bool) {
        let directories: Vec<&[u8]> = self.directory_names.collect();
        let mut path = String::new();
        for (base, index) in self.base_names.zip(self.directory_indexes.as_chunks::<4>().0) {
            let Some(directory) = directories.get(size(u32::from_be_bytes(*index))) else { continue };
            if directory.len().saturating_add(base.len()) > MAX_PATH {
                continue;
            }
            path.clear();
            path.push_str(text(directory).trim_start_matches('/'));
            path.push_str(&text(base));
            if !take(&path) {
                return;
            }
        }
    }
}

/// Strings that follow each other, each ended by a zero byte.
#[derive(Debug, Clone, Copy, Default)]
struct Strings<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let end = memchr::memchr(0, self.bytes)?;
        let (string, rest) = self.bytes.split_at_checked(end)?;
        self.bytes = rest.get(1..)?;
        Some(string)
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).and_then(|end| bytes.get(..end)).unwrap_or_default()
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `NAME-VERSION-RELEASE.src.rpm`. The file's name says nothing of an epoch.
fn source(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (source, stated) = rest.rsplit_once('-')?;
    Some(SourcePackage { name: name(source), version: version(&format!("{stated}-{release}")) })
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn source_packages_are_told_from_their_file() {
        let parts = |file| source(file).map(|source| (source.name, source.version));
        let said = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(parts("util-linux-2.32.1-42.el8_8.src.rpm"), said("util-linux", "2.32.1-42.el8_8"));
        assert_eq!(parts("jdk-17-1.nosrc.rpm"), said("jdk", "17-1"));
        assert_eq!(parts("(none)"), None);
        assert_eq!(parts("a-1.src.rpm"), None);
    }
}
