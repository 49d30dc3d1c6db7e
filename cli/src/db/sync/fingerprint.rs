//! What the source looked like: files with size and time of change. The same fingerprint makes the same index.

use std::path::Path;
use std::time::UNIX_EPOCH;

use breakwater_advisories::source::{Source, SourceError};
use sha2::{Digest, Sha256};

/// A digest over path, size and modification time of every file that is read.
pub(super) fn of<'a>(records: &Path, joined: impl Iterator<Item = &'a Path>) -> Result<String, SourceError> {
    let source = Source::open(records)?;
    let mut hash = Sha256::new();
    let joined: Vec<&Path> = joined.collect();
    for path in source.files().iter().map(std::path::PathBuf::as_path).chain(joined.iter().copied()) {
        let unreadable = |cause| SourceError::Unreadable { path: path.to_owned(), cause };
        let metadata = path.metadata().map_err(unreadable)?;
        let changed = metadata.modified().map_err(unreadable)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(metadata.len().to_le_bytes());
        hash.update(changed.as_nanos().to_le_bytes());
    }
    // An index of another format is another index.
    hash.update(env!("CARGO_PKG_VERSION"));
    Ok(hex::encode(hash.finalize()))
}
