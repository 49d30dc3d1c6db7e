//! One entry of a tar archive, as container runtimes understand it.

/// What an entry makes of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    HardLink,
    SymbolicLink,
    /// Devices, pipes and what later standards may add.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root, without `.` and `..`; see [`super::tar`].
    pub path: String,
    pub kind: Kind,
    /// Bytes of content that follow.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Where a link points, as written.
    pub target: String,
    /// Its content is a map and pieces, not the file's bytes.
    pub sparse: bool,
    /// Owner and group, by number.
    pub uid: u64,
    pub gid: u64,
    /// The extended attribute `security.capability`; empty without one.
    pub capabilities: Vec<u8>,
}

impl Entry {
    #[cfg(test)]
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            path: String::new(),
            kind,
            size: 0,
            mode: 0,
            target: String::new(),
            sparse: false,
            uid: 0,
            gid: 0,
            capabilities: Vec::new(),
        }
    }

    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}
