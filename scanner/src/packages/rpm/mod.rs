//! rpm's databases of installed packages: three containers of the same package headers, each with a bounded reader of its own.
//!
//! A reader hands out one header after the other and stops at the first damage; what came before is kept.

pub mod bdb;
pub mod header;
pub mod ndb;
pub mod sqlite;

use breakwater_core::inventory::MAX_PACKAGES;

use super::OsPackage;
use crate::limits::{MAX_OWNED_PATHS, MAX_RPM_HEADER};
use header::Header;

/// What one database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub packages: Vec<OsPackage>,
    /// Why it says less than it should, for `unanalysed`.
    pub damage: Option<Damage>,
}

/// Where a database cannot be read on, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("no rpm package database: {0}")]
    Foreign(&'static str),
    #[error("the rpm database is damaged at byte {at}: {what}; the packages before that are listed")]
    Broken { at: usize, what: &'static str },
    #[error(
        "the rpm database uses parts of its file twice, at byte {at}; the packages before that are listed"
    )]
    Looped { at: usize },
    #[error("a package header of the rpm database is larger than {} MiB, at byte {at}; the packages before that are listed", MAX_RPM_HEADER >> 20)]
    Overlong { at: usize },
    #[error("{count} package headers of the rpm database are damaged, the first is number {first}: {what}")]
    Headers { count: usize, first: usize, what: &'static str },
    #[error("the rpm database lists more than {MAX_PACKAGES} packages: the rest is not read")]
    TooMany,
    #[error(
        "the packages of the rpm database own more than {} MiB of paths: those beyond are taken for nobody's",
        MAX_OWNED_PATHS >> 20
    )]
    TooManyFiles,
}

/// Reads a database of whichever format; `owned` gets the path of each file that a package owns, without leading slash.
pub fn read(bytes: &[u8], mut owned: impl FnMut(&str)) -> Installed {
    let mut reading = Reading::default();
    let mut each = |blob: &[u8]| reading.header(blob, &mut owned);
    let end = if sqlite::is_sqlite(bytes) {
        sqlite::blobs(bytes, &mut each)
    } else if ndb::is_ndb(bytes) {
        ndb::blobs(bytes, &mut each)
    } else {
        bdb::blobs(bytes, &mut each)
    };
    let damage = end.err().or(reading.headers).or(reading.cut);
    Installed { packages: reading.packages, damage }
}

#[derive(Default)]
struct Reading {
    packages: Vec<OsPackage>,
    /// Headers seen so far.
    seen: usize,
    /// Bytes of owned paths seen so far.
    paths: usize,
    headers: Option<Damage>,
    cut: Option<Damage>,
}

impl Reading {
    fn header(&mut self, blob: &[u8], owned: &mut impl FnMut(&str)) {
        self.seen += 1;
        match Header::parse(blob) {
            Ok(header) => self.package(&header, owned),
            Err(what) => {
                let (count, first, what) = match self.headers {
                    Some(Damage::Headers { count, first, what }) => (count + 1, first, what),
                    _ => (1, self.seen, what),
                };
                self.headers = Some(Damage::Headers { count, first, what });
            }
        }
    }

    fn package(&mut self, header: &Header<'_>, owned: &mut impl FnMut(&str)) {
        let Some(package) = header.package() else { return };
        if self.packages.len() == MAX_PACKAGES {
            self.cut = Some(Damage::TooMany);
            return;
        }
        self.packages.push(package);
        header.files(|path| {
            self.paths = self.paths.saturating_add(path.len());
            if self.paths > MAX_OWNED_PATHS {
                self.cut = Some(Damage::TooManyFiles);
                return false;
            }
            owned(path);
            true
        });
    }
}

/// `N` bytes at an offset, if they are there.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// An unsigned number as an offset or length; one beyond the address space is beyond every file.
fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
