//! A tar archive of images, read here and there: one pass finds where each entry lies, blobs are then read from their places.

use std::{
    collections::BTreeMap,
    io::{BufRead, Seek},
};

use super::SourceError;
use crate::{
    layer::{LayerError, entry::Kind, path, tar::Tar},
    limits::{MAX_ARCHIVE_NAME, MAX_LINKS, MAX_SAVED_ENTRIES},
};

/// Where an entry's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Bytes from the archive's begin.
    pub at: u64,
    pub size: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    File(Span),
    /// To this name. `docker save` wrote layers that several images share as links.
    Link(String),
}

/// The entries of an archive by their names. A name is nothing but a key here: none leads out of the archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries(BTreeMap<String, Entry>);

impl Entries {
    /// Finds the entries of a tar archive of `length` bytes; contents are passed over, not read.
    ///
    /// # Errors
    /// [`SourceError::Compressed`], [`SourceError::NotAnArchive`]: no tar, cut short, too many entries, sparse files.
    pub fn read(mut from: impl BufRead + Seek, length: u64) -> Result<Self, SourceError> {
        let magic = from.fill_buf().map_err(|error| SourceError::unreadable(&error))?;
        let compression = match magic {
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
            [0xfd, b'7', b'z', b'X', ..] => Some("xz"),
            [b'B', b'Z', b'h', ..] => Some("bzip2"),
            _ => None,
        };
        if let Some(compression) = compression {
            return Err(SourceError::Compressed(compression));
        }
        let mut tar = Tar::new(from);
        let (mut entries, mut count) = (BTreeMap::new(), 0_usize);
        while let Some(entry) = tar.next_entry().map_err(|error| broken(&error))? {
            count += 1;
            if count > MAX_SAVED_ENTRIES {
                let why = format!(
                    "more than {MAX_SAVED_ENTRIES} entries; a root file system is read as rootfs:DIR"
                );
                return Err(SourceError::NotAnArchive(why));
            }
            let at = tar.pass_over().map_err(|error| broken(&error))?;
            if at.checked_add(entry.size).is_none_or(|end| end > length) {
                return Err(SourceError::NotAnArchive("it is cut short: copy it again".into()));
            }
            if entry.path.len() > MAX_ARCHIVE_NAME || entry.target.len() > MAX_ARCHIVE_NAME {
                continue;
            }
            let found = match entry.kind {
                Kind::File if entry.sparse => {
                    let why = "it was made with sparse files: make it without (tar --sparse)";
                    return Err(SourceError::NotAnArchive(why.into()));
                }
                Kind::File => Entry::File(Span { at, size: entry.size }),
                Kind::HardLink => Entry::Link(path::normalise(&entry.target)),
                Kind::SymbolicLink => Entry::Link(path::follow(&entry.path, &entry.target)),
                Kind::Directory | Kind::Other => continue,
            };
            entries.insert(entry.path, found);
        }
        if count == 0 {
            return Err(SourceError::NotAnArchive("it is empty".into()));
        }
        Ok(Self(entries))
    }

    /// Where the file of this name lies, links followed.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Span> {
        let name = path::normalise(name);
        let mut entry = self.0.get(&name)?;
        for _ in 0..MAX_LINKS {
            match entry {
                Entry::File(span) => return Some(*span),
                Entry::Link(target) => entry = self.0.get(target)?,
            }
        }
        None
    }

    /// The files below a directory, by the rest of their names.
    pub(super) fn below(&self, directory: &str) -> impl Iterator<Item = (&str, Span)> {
        let below = self.0.range(directory.to_owned()..);
        below
            .map_while(move |(name, _)| name.strip_prefix(directory))
            .filter_map(move |rest| Some((rest, self.find(&format!("{directory}{rest}"))?)))
    }
}

fn broken(error: &LayerError) -> SourceError {
    SourceError::NotAnArchive(breakwater_core::printable::line(&error.to_string(), 160))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(0);
            match path.split_once("->") {
                Some((path, target)) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target).unwrap();
                }
                None => {
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, path, *content).unwrap();
                }
            }
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Entries, SourceError> {
        Entries::read(Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn entries_are_found_by_name_and_nothing_else_is() {
        let archive = tar(&[
            ("blobs/sha256/b", b"bb"),
            ("old/layer.tar", &[7; 1000]),
            ("new/layer.tar->../old/layer.tar", b""),
            ("out->../../../etc/passwd", b""),
            ("loop->loop", b""),
            ("blobs/sha256/a", b"aaa"),
            ("index.json", b"{}"),
        ]);
        let entries = read(&archive).unwrap();
        let content = |name: &str| {
            let span = entries.find(name)?;
            let (at, size) = (usize::try_from(span.at).unwrap(), usize::try_from(span.size).unwrap());
            Some(archive[at..at + size].to_vec())
        };
        assert_eq!(content("./index.json").unwrap(), b"{}");
        assert_eq!(content("new/layer.tar").unwrap(), [7; 1000]);
        for nothing in ["out", "loop", "../../etc/passwd", "/etc/passwd", "", "blobs"] {
            assert_eq!(content(nothing), None, "{nothing}");
        }
        let below: Vec<_> = entries.below("blobs/sha256/").map(|(name, span)| (name, span.size)).collect();
        assert_eq!(below, [("a", 3), ("b", 2)]);
    }

    #[test]
    fn what_is_no_archive_says_why() {
        let archive = tar(&[("a", &[1; 2000])]);
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b"hello", "breaks off"),
            (&[b'x'; 600], "number"),
            (b"\x1f\x8b\x08", "gzip"),
            (&archive[..1500], "cut short"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn too_many_entries_are_refused() {
        let mut block = tar(&[("a", b"")])[..512].to_vec();
        block = block.repeat(MAX_SAVED_ENTRIES + 1);
        assert!(matches!(read(&block), Err(SourceError::NotAnArchive(why)) if why.contains("rootfs")));
    }
}
