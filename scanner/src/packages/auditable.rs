//! Rust: the list of crates that cargo-auditable has the linker put into a program, in a section of its own.

use std::io::Read as _;

use flate2::bufread::ZlibDecoder;
use object::{File, Object as _, ObjectSection as _};
use serde::Deserialize;

use super::{LanguagePackage, gobuild::Found, name, purl::purl, version};
use crate::limits::{MAX_CRATE_LIST, MAX_LISTED, MAX_SECTIONS};

const SECTION: &str = ".dep-v0";
/// As the section's name stands in the table of names.
pub(super) const SECTION_IN_TABLE: &[u8] = b"\0.dep-v0\0";

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
}

/// The crates that are linked into `program`; those that only built it are left out.
#[must_use]
pub fn parse(program: &[u8]) -> Found {
    let unread = |reason| Found { packages: Vec::new(), unread: Some(reason) };
    let Some(section) = section(program) else { return Found::default() };
    let mut json = Vec::new();
    let read = ZlibDecoder::new(section).take(MAX_CRATE_LIST + 1).read_to_end(&mut json);
    if json.len() as u64 > MAX_CRATE_LIST {
        return unread("a Rust program whose list of crates is larger than is read");
    }
    let Some(list) = read.ok().and_then(|_| serde_json::from_slice::<List>(&json).ok()) else {
        return unread("a Rust program whose list of crates cannot be understood");
    };
    if list.packages.len() > MAX_LISTED {
        return unread("a Rust program whose list of crates is larger than is read");
    }
    let linked = list.packages.iter().filter(|package| package.kind.as_deref() != Some("build"));
    Found { packages: linked.map(listed).filter(|package| !package.name.is_empty()).collect(), unread: None }
}

fn section(program: &[u8]) -> Option<&[u8]> {
    // Only the section's name decides, so without it in the file there is no need to look at sections at all.
    memchr::memmem::find(program, SECTION_IN_TABLE)?;
    let file = File::parse(program).ok()?;
    let found =
        file.sections().take(MAX_SECTIONS).find(|section| section.name_bytes() == Ok(SECTION.as_bytes()));
    found?.data().ok()
}

fn listed(package: &Crate) -> LanguagePackage {
    let (name, version) = (name(&package.name), version(&package.version));
    let purl = purl("cargo", &name, &version, &[]);
    LanguagePackage::new("crates.io", name, version, purl)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &[u8] = include_bytes!("../../../fuzz/seeds/auditable/good-library");

    #[test]
    fn crates_that_are_linked_are_listed() {
        let found = parse(PROGRAM);
        let names: Vec<_> = found.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(names, [("app", "0.1.0"), ("itoa", "1.0.15")]);
        assert_eq!(found.packages[1].purl, "pkg:cargo/itoa@1.0.15");
        assert_eq!(found.unread, None);
    }

    #[test]
    fn a_damaged_list_is_reported_and_no_list_is_nothing() {
        let at = section(PROGRAM).unwrap().as_ptr().addr() - PROGRAM.as_ptr().addr();
        let mut damaged = PROGRAM.to_vec();
        damaged[at + 4] ^= 0xff;
        assert!(parse(&damaged).unread.is_some());
        assert_eq!(parse(b"\x7fELF\0.dep-v0\0"), Found::default());
        assert_eq!(parse(&PROGRAM[..PROGRAM.len() / 2]), Found::default());
    }
}
