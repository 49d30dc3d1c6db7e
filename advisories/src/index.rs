//! The index: everything known about vulnerabilities, in one file that is mapped, verified and asked without being read into memory.

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use breakwater_core::{Severity, policy::Catalogues};
use memmap2::Mmap;
use twox_hash::XxHash3_64;

use crate::ranges::{Event, EventKind};
use crate::severity::Rating;
use cursor::Cursor;
use layout::{
    CHECKED_FROM, ECOSYSTEM_ROW, FIXED_HEADER, FORMAT, HAS_EPSS, HAS_KEV, HEADER, ID_ROW, IMPORTS,
    KNOWN_EXPLOITED, MAGIC, NONE, PACKAGE_ROW, RANKED_DOWN, SECTIONS, Section,
};

pub mod build;
mod cursor;
mod layout;
mod map;
mod strings;
mod walk;

pub use walk::Flaw;

/// Why an index file is refused. The old one, if any, stays in use.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("cannot read the advisory index {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{} is not an advisory index: build one with `breakwater db build`", path.display())]
    NotAnIndex { path: PathBuf },
    #[error(
        "the advisory index {} has format {found}, this program reads {FORMAT}: update breakwater or build the index anew",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: u32 },
    #[error("the advisory index {} has the older format {found}, this program reads {FORMAT}: build it anew", path.display())]
    OlderFormat { path: PathBuf, found: u32 },
    #[error(
        "the advisory index {} is cut short: {found} of {expected} bytes; fetch or build it again",
        path.display()
    )]
    Truncated { path: PathBuf, found: u64, expected: u64 },
    #[error("the advisory index {} is damaged: {what}; fetch or build it again", path.display())]
    Damaged { path: PathBuf, what: &'static str },
}

/// A mapped, verified index. Reads never allocate. Share it in an `Arc`.
pub struct Index {
    map: Mmap,
    sections: [(usize, usize); SECTIONS],
    revision: u64,
    built_at: i64,
    records: u32,
    catalogues: Catalogues,
}

/// How much is known about one ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EcosystemCount {
    pub name: String,
    /// Advisories that name at least one package of it.
    pub records: u32,
    /// Packages with at least one advisory.
    pub packages: u32,
}

impl Index {
    /// Maps the file and verifies it: magic, format, length, checksum, section bounds.
    ///
    /// # Errors
    /// One variant per way in which a file can be unusable.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let unreadable = |cause| IndexError::Unreadable { path: path.to_owned(), cause };
        let file = File::open(path).map_err(unreadable)?;
        // An empty file cannot be mapped everywhere, and is none of ours anyway.
        if file.metadata().map_err(unreadable)?.len() < MAGIC.len() as u64 {
            return Err(IndexError::NotAnIndex { path: path.to_owned() });
        }
        Self::verify(map::map(&file).map_err(unreadable)?, path)
    }

    fn verify(map: Mmap, path: &Path) -> Result<Self, IndexError> {
        let path_buf = || path.to_owned();
        let damaged = |what| IndexError::Damaged { path: path.to_owned(), what };
        let found = map.len() as u64;
        let truncated = |expected| IndexError::Truncated { path: path.to_owned(), found, expected };

        let mut header = Cursor(&map);
        if header.take(MAGIC.len()) != Some(&MAGIC) {
            return Err(IndexError::NotAnIndex { path: path_buf() });
        }
        let short = || truncated(HEADER as u64);
        let format = header.u32().ok_or_else(short)?;
        match format.cmp(&FORMAT) {
            Ordering::Greater => return Err(IndexError::NewerFormat { path: path_buf(), found: format }),
            Ordering::Less => return Err(IndexError::OlderFormat { path: path_buf(), found: format }),
            Ordering::Equal => {}
        }
        header.u32().ok_or_else(short)?;
        let checksum = header.u64().ok_or_else(short)?;
        let length = header.u64().ok_or_else(short)?;
        if found < length {
            return Err(truncated(length));
        }
        if found > length {
            return Err(damaged("bytes after its end"));
        }
        let checked = map.get(CHECKED_FROM..).ok_or_else(short)?;
        if XxHash3_64::oneshot(checked) != checksum {
            return Err(damaged("its checksum does not match"));
        }
        let revision = header.u64().ok_or_else(short)?;
        let built_at = header.u64().ok_or_else(short)?.cast_signed();
        let records = header.u32().ok_or_else(short)?;
        let flags = header.u32().ok_or_else(short)?;
        let catalogues = Catalogues { known_exploited: flags & HAS_KEV != 0, epss: flags & HAS_EPSS != 0 };
        let count = header.u32().ok_or_else(short)?;
        if usize::try_from(count) != Ok(SECTIONS) {
            return Err(damaged("its sections are not those of this format"));
        }
        let mut sections = [(0, 0); SECTIONS];
        debug_assert_eq!(map.len() - header.0.len(), FIXED_HEADER);
        for section in &mut sections {
            let offset = header.u64().and_then(|offset| usize::try_from(offset).ok()).ok_or_else(short)?;
            let length = header.u64().and_then(|length| usize::try_from(length).ok()).ok_or_else(short)?;
            let end = offset.checked_add(length).filter(|end| *end <= map.len());
            *section = (offset, end.ok_or_else(|| damaged("a section lies outside of the file"))?);
        }
        Ok(Self { map, sections, revision, built_at, records, catalogues })
    }

    /// The number of this state of knowledge; grows with every build.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was built: seconds since the epoch.
    #[must_use]
    pub fn built_at(&self) -> i64 {
        self.built_at
    }

    /// How many advisories it holds.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Returns which catalogues were joined to the advisories when it was built.
    #[must_use]
    pub fn catalogues(&self) -> Catalogues {
        self.catalogues
    }

    /// The size of the file in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.map.len()
    }

    /// What it holds per ecosystem (with its release: `Debian:12`), sorted by name.
    #[must_use]
    pub fn ecosystems(&self) -> Vec<EcosystemCount> {
        let rows = self.section(Section::Ecosystems).chunks_exact(ECOSYSTEM_ROW);
        rows.filter_map(|row| {
            let mut row = Cursor(row);
            let name = self.string(row.u32()?)?.to_owned();
            let records = row.u32()?;
            row.u32()?;
            Some(EcosystemCount { name, records, packages: row.u32()? })
        })
        .collect()
    }

    fn section(&self, section: Section) -> &[u8] {
        let range = self.sections.get(section as usize).map_or(0..0, |&(start, end)| start..end);
        self.map.get(range).unwrap_or_default()
    }

    fn string(&self, offset: u32) -> Option<&str> {
        strings::read(self.section(Section::Strings), offset)
    }

    /// The ecosystem of exactly this name.
    pub(crate) fn ecosystem(&self, name: &str) -> Option<EcosystemRows> {
        let row = find(self.section(Section::Ecosystems), ECOSYSTEM_ROW, |row| {
            Some(self.string(Cursor(row).u32()?)?.cmp(name))
        })?;
        let mut row = Cursor(row.get(8..)?);
        let first = usize::try_from(row.u32()?).ok()?.checked_mul(PACKAGE_ROW)?;
        let length = usize::try_from(row.u32()?).ok()?.checked_mul(PACKAGE_ROW)?;
        Some(EcosystemRows { start: first, end: first.checked_add(length)? })
    }

    /// What is affected under this (filed) name; an empty cursor's worth when nothing is known.
    pub(crate) fn affected(&self, ecosystem: EcosystemRows, name: &str) -> Option<AffectedEntries<'_>> {
        let rows = self.section(Section::Packages).get(ecosystem.start..ecosystem.end)?;
        let row = find(rows, PACKAGE_ROW, |row| Some(self.string(Cursor(row).u32()?)?.cmp(name)))?;
        let start = usize::try_from(Cursor(row.get(4..)?).u32()?).ok()?;
        let mut cursor = Cursor(self.section(Section::Affected).get(start..)?);
        let left = cursor.varint_usize()?;
        Some(AffectedEntries { index: self, cursor, left })
    }

    pub(crate) fn record(&self, number: u32) -> Option<Record<'_>> {
        let offset = self.section(Section::Offsets).get(usize::try_from(number).ok()?.checked_mul(4)?..)?;
        let start = usize::try_from(Cursor(offset).u32()?).ok()?;
        let mut cursor = Cursor(self.section(Section::Records).get(start..)?);
        let rating = Rating { severity: severity(cursor.byte()?), cvss_tenths: optional(cursor.byte()?) };
        let vendor = severity(cursor.byte()?);
        let published = i64::try_from(cursor.varint()?).ok().filter(|seconds| *seconds > 0);
        let modified = i64::try_from(cursor.varint()?).ok().filter(|seconds| *seconds > 0);
        let summary = self.string_at(&mut cursor)?;
        let module = self.string_at(&mut cursor)?;
        let vulnerabilities = cursor.varint_usize()?;
        Some(Record {
            index: self,
            rating,
            vendor,
            published,
            modified,
            summary,
            module,
            vulnerabilities,
            cursor,
        })
    }

    fn string_at(&self, cursor: &mut Cursor<'_>) -> Option<&str> {
        self.string(u32::try_from(cursor.varint()?).ok()?)
    }

    fn vulnerability(&self, number: usize) -> Option<Vulnerability<'_>> {
        let start = number.checked_mul(ID_ROW)?;
        let mut row = Cursor(self.section(Section::Ids).get(start..)?);
        let id = self.string(row.u32()?)?;
        let mut rating =
            || Some(Rating { severity: severity(row.byte()?), cvss_tenths: optional(row.byte()?) });
        let (rating, listed) = (rating()?, rating()?);
        let known_exploited = row.byte()? & KNOWN_EXPLOITED != 0;
        Some(Vulnerability { id, rating, listed, known_exploited, epss_percentile: optional(row.byte()?) })
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("revision", &self.revision)
            .field("built_at", &self.built_at)
            .field("records", &self.records)
            .field("size", &self.map.len())
            .finish_non_exhaustive()
    }
}

/// Where an ecosystem's packages lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EcosystemRows {
    start: usize,
    end: usize,
}

/// One vulnerability, over all records that speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vulnerability<'a> {
    pub(crate) id: &'a str,
    /// The highest rating any record about this one vulnerability gives.
    pub(crate) rating: Rating,
    /// What a file keyed by CVE says.
    pub(crate) listed: Rating,
    pub(crate) known_exploited: bool,
    pub(crate) epss_percentile: Option<u8>,
}

/// One advisory.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    index: &'a Index,
    pub(crate) rating: Rating,
    pub(crate) vendor: Severity,
    pub(crate) published: Option<i64>,
    pub(crate) modified: Option<i64>,
    pub(crate) summary: &'a str,
    /// Name and stream of the module it is about (`nodejs:18`), or empty.
    pub(crate) module: &'a str,
    vulnerabilities: usize,
    cursor: Cursor<'a>,
}

impl<'a> Record<'a> {
    /// Its vulnerabilities, all other ids (its own among them), and CWE numbers.
    pub(crate) fn names(&self) -> Option<Names<'a>> {
        let mut cursor = self.cursor;
        let mut vulnerabilities = Vec::new();
        for _ in 0..self.vulnerabilities {
            vulnerabilities.push(self.index.vulnerability(cursor.varint_usize()?)?);
        }
        let mut others = Vec::new();
        for _ in 0..cursor.varint_usize()? {
            others.push(self.index.string_at(&mut cursor)?);
        }
        let mut cwes = Vec::new();
        for _ in 0..cursor.varint_usize()? {
            cwes.push(u32::try_from(cursor.varint()?).ok()?);
        }
        Some(Names { vulnerabilities, others, cwes })
    }
}

/// What a record is about, in numbers and names.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    pub(crate) vulnerabilities: Vec<Vulnerability<'a>>,
    pub(crate) others: Vec<&'a str>,
    pub(crate) cwes: Vec<u32>,
}

/// The affected entries of one package, ordered by record.
#[derive(Debug, Clone)]
pub(crate) struct AffectedEntries<'a> {
    index: &'a Index,
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> AffectedEntries<'a> {
    /// The next entry; `Some(None)` says that the index is damaged here.
    fn read(&mut self) -> Option<AffectedEntry<'a>> {
        let length = self.cursor.varint_usize()?;
        let mut cursor = Cursor(self.cursor.take(length)?);
        let record = u32::try_from(cursor.varint()?).ok()?;
        let flags = cursor.byte()?;
        let imports = if flags & IMPORTS == 0 {
            None
        } else {
            let length = cursor.varint_usize()?;
            Some(Imports { index: self.index, cursor: Cursor(cursor.take(length)?) })
        };
        let ranges = cursor.varint_usize()?;
        Some(AffectedEntry {
            index: self.index,
            record,
            vendor: severity(flags & !(RANKED_DOWN | IMPORTS)),
            ranked_down: flags & RANKED_DOWN != 0,
            imports,
            ranges,
            cursor,
        })
    }
}

impl<'a> Iterator for AffectedEntries<'a> {
    type Item = Option<AffectedEntry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.read();
        if entry.is_none() {
            self.left = 0;
        }
        Some(entry)
    }
}

/// What one record says about one package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AffectedEntry<'a> {
    index: &'a Index,
    pub(crate) record: u32,
    pub(crate) vendor: Severity,
    pub(crate) ranked_down: bool,
    /// The packages of a Go module that it is about; absent: the whole module.
    pub(crate) imports: Option<Imports<'a>>,
    ranges: usize,
    cursor: Cursor<'a>,
}

impl<'a> AffectedEntry<'a> {
    /// Shows each range's events to `range`, then each single version to `version`. `None`: the index is damaged here.
    pub(crate) fn visit(
        &self,
        mut range: impl FnMut(Events<'a>),
        mut version: impl FnMut(&'a str),
    ) -> Option<()> {
        let mut cursor = self.cursor;
        for _ in 0..self.ranges {
            let count = cursor.varint_usize()?;
            range(Events { index: self.index, cursor, left: count });
            for _ in 0..count {
                cursor.varint()?;
            }
        }
        for _ in 0..cursor.varint_usize()? {
            version(self.index.string_at(&mut cursor)?);
        }
        Some(())
    }
}

/// The affected packages of a Go module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Imports<'a> {
    index: &'a Index,
    cursor: Cursor<'a>,
}

/// One of them, with the systems and architectures on which it is affected: all, if none is named.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    pub(crate) path: &'a str,
    pub(crate) goos: Vec<&'a str>,
    pub(crate) goarch: Vec<&'a str>,
}

impl<'a> Imports<'a> {
    fn read(&mut self) -> Option<Import<'a>> {
        let path = self.index.string_at(&mut self.cursor)?;
        let mut names = || {
            let count = self.cursor.varint_usize()?;
            (0..count).map(|_| self.index.string_at(&mut self.cursor)).collect::<Option<Vec<_>>>()
        };
        Some(Import { path, goos: names()?, goarch: names()? })
    }
}

impl<'a> Iterator for Imports<'a> {
    type Item = Option<Import<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.0.is_empty() {
            return None;
        }
        let import = self.read();
        if import.is_none() {
            self.cursor = Cursor(&[]);
        }
        Some(import)
    }
}

/// The events of one range, in version order.
#[derive(Debug, Clone)]
pub(crate) struct Events<'a> {
    index: &'a Index,
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = self.cursor.varint()?;
        let kind = match value & 3 {
            0 => EventKind::Introduced,
            1 => EventKind::Fixed,
            2 => EventKind::LastAffected,
            _ => EventKind::Limit,
        };
        Some(Event { kind, version: self.index.string(u32::try_from(value >> 2).ok()?)? })
    }
}

fn severity(byte: u8) -> Severity {
    match byte {
        1 => Severity::Low,
        2 => Severity::Medium,
        3 => Severity::High,
        4 => Severity::Critical,
        _ => Severity::Unknown,
    }
}

fn optional(byte: u8) -> Option<u8> {
    (byte != NONE).then_some(byte)
}

/// The row that `compare` calls equal, in rows of `width` bytes sorted by it.
fn find<'a>(
    rows: &'a [u8],
    width: usize,
    compare: impl Fn(&'a [u8]) -> Option<Ordering>,
) -> Option<&'a [u8]> {
    let (mut low, mut high) = (0, rows.len() / width);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = rows.get(middle * width..(middle + 1) * width)?;
        match compare(row)? {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Some(row),
        }
    }
    None
}
