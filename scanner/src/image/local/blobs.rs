//! Blobs on this machine, named by their digests alone: nothing that an image says becomes a path.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use breakwater_core::{Digest, scan::MAX_MANIFEST};

use super::{SourceError, Span};
use crate::{ScanError, limits::MAX_CONFIG, registry::Fetched};

const BUFFER: usize = 128 << 10;

/// A place that holds blobs.
#[derive(Debug)]
pub(crate) struct Blobs {
    /// As the source is called in errors.
    pub(super) source: String,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Place {
    /// A directory with one file a blob, called by its hexadecimal digits (`blobs/sha256`).
    Directory {
        path: PathBuf,
        if_absent: &'static str,
    },
    Archive {
        file: Arc<File>,
        spans: BTreeMap<Digest, Span>,
    },
}

/// A piece of a file, read by its own position.
#[derive(Debug)]
pub(crate) struct Piece {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Piece {
    pub(super) fn of(file: &Arc<File>, span: Span) -> Self {
        Self { file: Arc::clone(file), at: span.at, left: span.size }
    }

    /// All of it, at most `bound` bytes.
    pub(super) fn whole(self, what: &str, bound: usize) -> Result<Vec<u8>, SourceError> {
        if self.left > bound as u64 {
            return Err(SourceError::TooLarge { what: what.to_owned(), bound: bound as u64 });
        }
        let mut bytes = Vec::new();
        self.take(bound as u64).read_to_end(&mut bytes).map_err(|error| SourceError::unreadable(&error))?;
        Ok(bytes)
    }
}

impl Read for Piece {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        let got = self.file.read_at(to.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at = self.at.saturating_add(got as u64);
        self.left = self.left.saturating_sub(got as u64);
        Ok(got)
    }
}

/// Opens an ordinary file, following links; anything else (a pipe would block for ever) is refused.
pub(super) fn open(path: &Path) -> Result<(Arc<File>, u64), SourceError> {
    let metadata = std::fs::metadata(path).map_err(|error| SourceError::unreadable(&error))?;
    if !metadata.is_file() {
        return Err(SourceError::Unreadable("it is no ordinary file".into()));
    }
    let file = File::open(path).map_err(|error| SourceError::unreadable(&error))?;
    Ok((Arc::new(file), metadata.len()))
}

impl Blobs {
    fn piece(&self, what: &str, digest: &Digest) -> Result<Piece, SourceError> {
        let absent = |remedy| SourceError::NotThere { name: format!("{what} {digest}"), remedy };
        match &self.place {
            Place::Directory { path, if_absent } => {
                let (file, size) = match open(&path.join(digest.hex())) {
                    Ok(opened) => opened,
                    Err(_) if !path.join(digest.hex()).exists() => return Err(absent(if_absent)),
                    Err(error) => return Err(error),
                };
                Ok(Piece::of(&file, Span { at: 0, size }))
            }
            Place::Archive { file, spans } => {
                let span = spans.get(digest).ok_or_else(|| absent("it is incomplete, make it again"))?;
                Ok(Piece::of(file, *span))
            }
        }
    }

    fn whole(&self, what: &str, digest: &Digest, bound: usize) -> Result<Vec<u8>, ScanError> {
        let bytes = self.piece(what, digest).and_then(|piece| piece.whole(what, bound));
        let bytes = bytes.and_then(|bytes| check(what, digest, &Digest::of(&bytes)).map(|()| bytes));
        bytes.map_err(|error| self.failed(error))
    }

    /// A manifest or index, at most 4 MiB, checked against its digest.
    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Fetched, ScanError> {
        let bytes = self.whole("manifest", digest, MAX_MANIFEST)?;
        Ok(Fetched { bytes, media_type: None, digest: digest.clone() })
    }

    /// An image configuration, at most 4 MiB, checked against its digest.
    pub(crate) fn config(&self, digest: &Digest) -> Result<Vec<u8>, ScanError> {
        self.whole("configuration", digest, MAX_CONFIG)
    }

    /// A layer's bytes. Who reads them checks their digest.
    pub(crate) fn reader(&self, digest: &Digest) -> Result<BufReader<Piece>, ScanError> {
        let piece = self.piece("layer", digest).map_err(|error| self.failed(error))?;
        Ok(BufReader::with_capacity(BUFFER, piece))
    }

    pub(super) fn failed(&self, error: SourceError) -> ScanError {
        ScanError::Source { path: self.source.clone(), error }
    }
}

pub(super) fn check(what: &str, expected: &Digest, found: &Digest) -> Result<(), SourceError> {
    if expected == found {
        return Ok(());
    }
    let (what, expected, found) = (what.to_owned(), expected.to_string(), found.to_string());
    Err(SourceError::DigestMismatch { what, expected, found })
}
