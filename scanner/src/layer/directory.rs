//! A directory tree read as one layer. Each step opens a name within an opened directory and follows no link, so that nothing outside
//! the tree is read even if the tree changes meanwhile; pipes and devices are never opened.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use breakwater_core::Digest;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, fstat, open, openat, readlinkat, statat,
};

use super::{
    Budget, LayerError, LayerFacts,
    entry::{Entry, Kind},
    read::Reading,
    tar::{Content, MAX_CAPABILITY},
};
use crate::ScanOptions;
use crate::limits::{MAX_DIRECTORY_DEPTH, MAX_LAYER_ENTRIES, MAX_LAYER_INFLATED, MAX_PATH};

const BUFFER: usize = 64 << 10;

/// Reads the tree below `root`. Names that begin with `.wh.` are files like any other here. Directories on other file systems (`/proc`,
/// mounts) are not entered; they, and what cannot be read, are in the facts' `unanalysed`.
///
/// # Errors
/// `root` is no directory or cannot be opened.
pub fn read_directory(root: &Path, digest: Digest, options: ScanOptions) -> io::Result<LayerFacts> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = open(root, flags, Mode::empty())?;
    let device = fstat(&top)?.st_dev;
    let mut walk = Walk {
        reading: Reading::new(digest, options, &Budget::of_an_image()),
        device,
        entries: 0,
        left: MAX_LAYER_INFLATED,
        buffer: vec![0; BUFFER].into_boxed_slice(),
    };
    walk.all(top)?;
    Ok(walk.reading.into_facts())
}

struct Walk {
    reading: Reading,
    device: u64,
    entries: usize,
    /// Bytes that may still be read.
    left: u64,
    buffer: Box<[u8]>,
}

/// An opened directory on the way down, and its path.
struct Level {
    directory: OwnedFd,
    names: Dir,
    path: String,
}

impl Walk {
    fn all(&mut self, top: OwnedFd) -> io::Result<()> {
        let names = Dir::read_from(&top)?;
        let mut levels = vec![Level { directory: top, names, path: String::new() }];
        while let Some(level) = levels.last_mut() {
            let found = match level.names.next() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(error)) => {
                    self.reading.leave_out(&level.path, &reason(error.into()));
                    levels.pop();
                    continue;
                }
                Some(Ok(found)) => found,
            };
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = match level.path.as_str() {
                "" => name.to_string_lossy().into_owned(),
                directory => format!("{directory}/{}", name.to_string_lossy()),
            };
            self.entries += 1;
            if self.entries > MAX_LAYER_ENTRIES {
                let reason = format!("a tree of more than {MAX_LAYER_ENTRIES} entries: the rest is not read");
                self.reading.leave_out(&path, &reason);
                return Ok(());
            }
            let depth = levels.len();
            let Some(level) = levels.last() else { break };
            match self.name(level.directory.as_fd(), name, &path, depth) {
                Ok(None) => {}
                Ok(Some(below)) => levels.push(below),
                Err(error) => self.reading.leave_out(&path, &reason(error)),
            }
        }
        Ok(())
    }

    /// Reads what a name of a directory stands for; a directory to go down into is the answer.
    fn name(
        &mut self,
        of: BorrowedFd<'_>,
        name: &CStr,
        path: &str,
        depth: usize,
    ) -> io::Result<Option<Level>> {
        if path.len() > MAX_PATH {
            return Err(io::Error::other(format!("a path of more than {MAX_PATH} bytes")));
        }
        let stat = statat(of, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let opened = |flags| {
            openat(of, name, flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                if depth >= MAX_DIRECTORY_DEPTH {
                    return Err(io::Error::other(format!(
                        "directories more than {MAX_DIRECTORY_DEPTH} deep"
                    )));
                }
                let directory = opened(OFlags::DIRECTORY)?;
                if fstat(&directory)?.st_dev != self.device {
                    return Err(io::Error::other(
                        "another file system is mounted here: scan it by its own path",
                    ));
                }
                self.reading.directory(&entry(path, Kind::Directory, &stat));
                let names = Dir::read_from(&directory)?;
                return Ok(Some(Level { directory, names, path: path.to_owned() }));
            }
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::SymbolicLink,
            _ => Kind::Other,
        };
        let mut entry = entry(path, kind, &stat);
        let mut content = Opened { file: None, size: 0, left: &mut self.left, buffer: &mut self.buffer };
        if kind == Kind::File {
            // Were it a pipe by now, opening must not wait for its other end.
            let file = opened(OFlags::NONBLOCK | OFlags::NOCTTY)?;
            let stat = fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(io::Error::other("it changed while it was read"));
            }
            entry.size = u64::try_from(stat.st_size).unwrap_or(0);
            let mut capabilities = [0; MAX_CAPABILITY];
            // Without the attribute, or on a file system that has none, it is an error, and there are none.
            let length = fgetxattr(&file, "security.capability", &mut capabilities).unwrap_or(0);
            entry.capabilities = capabilities.into_iter().take(length).collect();
            (content.file, content.size) = (Some(File::from(file)), entry.size);
        } else if kind == Kind::SymbolicLink {
            entry.target = readlinkat(of, name, Vec::new())?.to_string_lossy().into_owned();
        }
        self.reading.brought(&entry, &mut content).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(None)
    }
}

fn entry(path: &str, kind: Kind, stat: &Stat) -> Entry {
    let mode = stat.st_mode & 0o7777;
    Entry {
        path: path.to_owned(),
        kind,
        size: 0,
        mode,
        target: String::new(),
        sparse: false,
        uid: u64::from(stat.st_uid),
        gid: u64::from(stat.st_gid),
        capabilities: Vec::new(),
    }
}

fn reason(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it may not be read by this user".into(),
        _ => breakwater_core::printable::line(&error.to_string(), 160),
    }
}

/// A file of the tree, read up to the size that it had when it was opened.
struct Opened<'a> {
    file: Option<File>,
    size: u64,
    left: &'a mut u64,
    buffer: &'a mut [u8],
}

impl Content for Opened<'_> {
    fn content(&mut self, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), LayerError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        while self.size > 0 {
            let wanted = usize::try_from(self.size).unwrap_or(usize::MAX).min(self.buffer.len());
            let got = file.read(self.buffer.get_mut(..wanted).unwrap_or_default())?;
            if got == 0 {
                return Err(LayerError::Corrupt("it was cut while it was read".into()));
            }
            self.size = self.size.saturating_sub(got as u64);
            let Some(left) = self.left.checked_sub(got as u64) else {
                let bound = MAX_LAYER_INFLATED >> 30;
                return Err(LayerError::Corrupt(format!(
                    "files of more than {bound} GiB in all are not read"
                )));
            };
            *self.left = left;
            if !each(self.buffer.get(..got).unwrap_or_default()) {
                break;
            }
        }
        Ok(())
    }
}
