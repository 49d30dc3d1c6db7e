//! Go: the build information that Go's linker leaves in every program (`debug/buildinfo`).
//!
//! Programs are streamed past, never held: since Go 1.18 the information stands in one place behind a magic string. Older programs keep
//! pointers there instead, but their module list stands between two fixed marks (`cmd/go/internal/modload`), so it is found as well; for
//! their Go version the pointers are followed, where the program is held.

mod ldflags;
mod linked;
mod modules;
mod pointers;

use memchr::memmem;

use super::LanguagePackage;
use crate::limits::MAX_BUILD_INFO;
use linked::LinkedSearch;
use modules::packages;

/// The beginning of a file: ELF's magic, the size and the order of its numbers.
const HEAD: usize = 6;
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Where the strings begin behind the magic, and the flag that says they are there and not pointed to.
const STRINGS_AT: usize = 32;
const INLINE: u8 = 2;
const LIST_BEGINS: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const LIST_ENDS: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// Looks for build information in a file that goes by in pieces.
#[derive(Debug)]
pub struct BuildInfoSearch {
    head: Vec<u8>,
    inline: Search,
    list: Search,
    linked: Option<LinkedSearch>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub packages: Vec<LanguagePackage>,
    /// What could not be told, and why.
    pub unread: Option<&'static str>,
}

impl Default for BuildInfoSearch {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            inline: Search::new(MAGIC, inline),
            list: Search::new(LIST_BEGINS, list),
            linked: None,
        }
    }
}

impl BuildInfoSearch {
    /// The next piece; `false` once nothing more can be learned.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if self.head.len() < HEAD {
            let missing = HEAD - self.head.len();
            self.head.extend(piece.iter().take(missing));
            if self.head.len() < HEAD {
                return true;
            }
            self.linked = LinkedSearch::of(&self.head);
        }
        if !self.is_elf() {
            return false;
        }
        if self.inline.found.is_none() {
            self.inline.push(piece);
            self.list.push(piece);
        }
        if let Some(linked) = &mut self.linked {
            linked.push(piece);
        }
        // Linkers put the table of functions in front of the build information.
        let is_read = self.linked.as_ref().is_none_or(LinkedSearch::is_read);
        !(self.inline.found.is_some() && is_read)
    }

    /// Whether the file is a program or library at all.
    pub fn is_elf(&self) -> bool {
        self.head.starts_with(b"\x7fELF")
    }

    /// What was found; `program` is the whole file if it is held.
    pub fn finish(self, program: Option<&[u8]>) -> Found {
        let linked = self.linked.and_then(LinkedSearch::finish).unwrap_or_default();
        if let Some(info) = self.inline.found {
            return Found { packages: packages(Some(&info.go), &info.modules, &linked), unread: None };
        }
        let pointed = self.inline.is_seen.then(|| program.and_then(pointers::go_version)).flatten();
        match (self.list.found, pointed) {
            (Some(info), Some(go)) => {
                Found { packages: packages(Some(&go), &info.modules, &linked), unread: None }
            }
            (Some(info), None) => Found {
                packages: packages(None, &info.modules, &linked),
                unread: Some("a program of Go before 1.18: the version of its standard library is not read"),
            },
            (None, Some(go)) => Found { packages: packages(Some(&go), "", &linked), unread: None },
            (None, None) => Found::default(),
        }
    }
}

#[derive(Debug)]
struct BuildInfo {
    go: String,
    modules: String,
}

enum Judgement {
    More,
    Never,
    Found(BuildInfo),
}

/// One magic string and what stands behind it.
#[derive(Debug)]
struct Search {
    finder: memmem::Finder<'static>,
    judge: fn(&[u8]) -> Judgement,
    /// The end of the last piece, or (`is_match`) everything since the magic.
    held: Vec<u8>,
    is_match: bool,
    /// Whether the magic was met at all.
    is_seen: bool,
    found: Option<BuildInfo>,
}

impl Search {
    fn new(magic: &'static [u8], judge: fn(&[u8]) -> Judgement) -> Self {
        Self {
            finder: memmem::Finder::new(magic),
            judge,
            held: Vec::new(),
            is_match: false,
            is_seen: false,
            found: None,
        }
    }

    fn push(&mut self, piece: &[u8]) {
        if self.found.is_some() {
            return;
        }
        let overlap = self.finder.needle().len() - 1;
        if !self.is_match {
            let mut seam = std::mem::take(&mut self.held);
            seam.extend(piece.iter().take(overlap));
            // A match in the seam, or in the piece; otherwise the end is kept for the next seam.
            let held_from = seam.len().saturating_sub(piece.len().min(overlap));
            if let Some(at) = self.finder.find(&seam).filter(|at| *at < held_from) {
                self.held.extend_from_slice(seam.get(at..held_from).unwrap_or_default());
                self.held.extend_from_slice(piece);
            } else if let Some(at) = self.finder.find(piece) {
                self.held.extend_from_slice(piece.get(at..).unwrap_or_default());
            } else {
                let end = if piece.len() >= overlap { piece } else { &seam };
                self.held.extend_from_slice(end.get(end.len().saturating_sub(overlap)..).unwrap_or_default());
                return;
            }
            self.is_match = true;
            self.is_seen = true;
        } else {
            self.held.extend_from_slice(piece);
        }
        self.judge_held(overlap);
    }

    fn judge_held(&mut self, overlap: usize) {
        loop {
            match (self.judge)(&self.held) {
                Judgement::Found(info) => {
                    self.found = Some(info);
                    self.held = Vec::new();
                    return;
                }
                Judgement::More if self.held.len() <= MAX_BUILD_INFO => return,
                Judgement::More | Judgement::Never => {}
            }
            // The magic alone is no build information (scanners hold it as well): look behind it.
            let rest = self.held.get(1..).unwrap_or_default();
            if let Some(at) = self.finder.find(rest) {
                self.held.drain(..=at);
            } else {
                let surplus = self.held.len().saturating_sub(overlap);
                self.held.drain(..surplus);
                self.is_match = false;
                return;
            }
        }
    }
}

/// Behind the magic: pointer size, flags, padding to 32 bytes, then Go's version and the module list, each with its length in front.
fn inline(bytes: &[u8]) -> Judgement {
    let Some(flags) = bytes.get(MAGIC.len() + 1) else { return Judgement::More };
    if flags & INLINE == 0 {
        return Judgement::Never;
    }
    let Some(rest) = bytes.get(STRINGS_AT..) else { return Judgement::More };
    let (go, rest) = match string(rest) {
        Ok(Some(split)) => split,
        Ok(None) => return Judgement::More,
        Err(()) => return Judgement::Never,
    };
    if !(go.starts_with(b"go1") || go.starts_with(b"devel")) {
        return Judgement::Never;
    }
    match string(rest) {
        Ok(Some((modules, _))) => {
            // The list is kept between its two marks here, too.
            let end = modules.len().saturating_sub(LIST_ENDS.len());
            let modules = modules.get(LIST_BEGINS.len()..end).unwrap_or_default();
            Judgement::Found(BuildInfo { go: text(go), modules: text(modules) })
        }
        Ok(None) => Judgement::More,
        Err(()) => Judgement::Never,
    }
}

fn list(bytes: &[u8]) -> Judgement {
    let Some(rest) = bytes.get(LIST_BEGINS.len()..) else { return Judgement::More };
    if rest.len() >= 5 && !rest.starts_with(b"path\t") && !rest.starts_with(b"mod\t") {
        return Judgement::Never;
    }
    match memmem::find(rest, LIST_ENDS) {
        Some(end) => Judgement::Found(BuildInfo {
            go: String::new(),
            modules: text(rest.get(..end).unwrap_or_default()),
        }),
        None => Judgement::More,
    }
}

/// A string with its length in front, as a variable-length integer; `None` if it goes on in the next piece, an error if it is too long.
#[allow(clippy::type_complexity, reason = "a string and what follows it")]
fn string(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, ()> {
    let mut length = 0_usize;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if length > MAX_BUILD_INFO {
                return Err(());
            }
            return Ok(bytes.get(at + 1..).and_then(|rest| rest.split_at_checked(length)));
        }
    }
    if bytes.len() >= 4 { Err(()) } else { Ok(None) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
