//! Where records come from: a directory that holds `<ecosystem>/all.zip` (the layout of OSV's bulk export) or `*.json`, at any
//! depth up to [`MAX_DEPTH`]; or one such file. Single records are changes since the archives were made, and count before them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::osv::MAX_RECORD;

/// How deep a directory is searched.
pub const MAX_DEPTH: usize = 4;
/// The most files of a directory, and the most entries of one archive, that are read.
pub const MAX_ENTRIES: usize = 2_000_000;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{} is not a whole zip archive ({cause}): fetch it again", path.display())]
    DamagedArchive { path: PathBuf, cause: zip::result::ZipError },
    #[error("{} holds neither all.zip archives nor JSON records", path.display())]
    Empty { path: PathBuf },
    #[error("{} has more than {MAX_ENTRIES} entries", path.display())]
    TooManyEntries { path: PathBuf },
}

/// The names of an archive's records without `.json`; reading them shows that the archive came whole.
///
/// # Errors
/// When it cannot be read, or is not a whole archive.
pub fn names(path: &Path) -> Result<Vec<String>, SourceError> {
    let file = File::open(path).map_err(|cause| SourceError::Unreadable { path: path.to_owned(), cause })?;
    let damaged = |cause| SourceError::DamagedArchive { path: path.to_owned(), cause };
    let archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        return Err(SourceError::TooManyEntries { path: path.to_owned() });
    }
    let names = archive.file_names().map(|name| name.map_err(damaged));
    names
        .filter_map(|name| name.map(|name| name.strip_suffix(".json").map(str::to_owned)).transpose())
        .collect()
}

/// The files of one source, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    files: Vec<PathBuf>,
}

impl Source {
    /// Finds the files of a source.
    ///
    /// # Errors
    /// When `path` cannot be read or holds nothing that could be a record.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |cause| SourceError::Unreadable { path: path.to_owned(), cause };
        let mut files = Vec::new();
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            collect(path, MAX_DEPTH, &mut files)?;
        } else {
            files.push(path.to_owned());
        }
        if files.is_empty() {
            return Err(SourceError::Empty { path: path.to_owned() });
        }
        // Of a record that is there twice the first counts: a single one is newer than what an archive holds.
        files.sort_by_cached_key(|path| (is_named(path, "zip"), path.clone()));
        Ok(Self { files })
    }

    /// The files that are read: archives and single records.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Shows every record's name and bytes to `visit`; `None` for one larger than is read.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&str, Option<&[u8]>)) -> Result<(), SourceError> {
        let mut buffer = Vec::new();
        for path in &self.files {
            let file =
                File::open(path).map_err(|cause| SourceError::Unreadable { path: path.clone(), cause })?;
            if is_named(path, "zip") {
                read_archive(path, file, &mut buffer, &mut visit)?;
            } else {
                let whole = read_capped(file, &mut buffer)
                    .map_err(|cause| SourceError::Unreadable { path: path.clone(), cause })?;
                visit(&path.display().to_string(), whole.then_some(&buffer));
            }
        }
        Ok(())
    }
}

fn read_archive(
    path: &Path,
    file: File,
    buffer: &mut Vec<u8>,
    visit: &mut impl FnMut(&str, Option<&[u8]>),
) -> Result<(), SourceError> {
    let damaged = |cause| SourceError::DamagedArchive { path: path.to_owned(), cause };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        return Err(SourceError::TooManyEntries { path: path.to_owned() });
    }
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if !entry.is_file() || !name.ends_with(".json") {
            continue;
        }
        let whole = read_capped(entry, buffer).map_err(|cause| damaged(cause.into()))?;
        visit(&name, whole.then_some(buffer));
    }
    Ok(())
}

/// Whether everything was read, that is, whether it was within the cap.
fn read_capped(reader: impl Read, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    buffer.clear();
    let read = reader.take(MAX_RECORD as u64 + 1).read_to_end(buffer)?;
    Ok(read <= MAX_RECORD)
}

fn collect(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let unreadable = |cause| SourceError::Unreadable { path: directory.to_owned(), cause };
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if depth > 1 {
                collect(&path, depth - 1, files)?;
            }
        } else if is_named(&path, "zip") || is_named(&path, "json") {
            files.push(path);
        }
        if files.len() > MAX_ENTRIES {
            return Err(SourceError::TooManyEntries { path: directory.to_owned() });
        }
    }
    Ok(())
}

fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
