//! The index file: a header, then sections. All integers are little-endian; `varint` is LEB128.
//!
//! ```text
//! header       magic "BWADVIDX", format u32, reserved u32, checksum u64 (XXH3-64 of everything behind it), length u64,
//!              revision u64, built-at i64 (seconds), records u32, catalogues u32 (which of KEV and EPSS were joined), sections u32,
//!              then (offset u64, length u64) per section
//! strings      varint length, UTF-8 bytes; a string is named by its offset here; offset 0 is the empty string
//! ids          vulnerabilities, sorted by id: string u32, severity u8, CVSS tenths u8 (255: none), the same two from a file keyed by
//!              CVE, flags u8, EPSS percentile u8 (255)
//! records      per record: own severity u8, CVSS u8, vendor severity u8, varint published, varint modified, varint summary,
//!              varint module,
//!              varint n + n × varint vulnerability, varint n + n × varint alias string, varint n + n × varint CWE
//! offsets      u32 per record: where it starts in `records`
//! ecosystems   sorted by name: string u32, records u32, first package u32, packages u32
//! packages     per ecosystem sorted by name: string u32, start in `affected` u32
//! affected     per package: varint n, then n × (varint length, varint record, flags u8, with IMPORTS varint length and imports, ranges,
//!              versions)
//! imports      Go packages, until their length is used up: varint path string, varint n + n × varint system string, the same of
//!              architectures
//! ```

/// The format this program writes and reads. Any other is refused, with what to do about it.
pub(super) const FORMAT: u32 = 4;

pub(super) const MAGIC: [u8; 8] = *b"BWADVIDX";
pub(super) const SECTIONS: usize = 7;
/// Up to the section table.
pub(super) const FIXED_HEADER: usize = 60;
pub(super) const HEADER: usize = FIXED_HEADER + SECTIONS * 16;
/// Where the checksummed part starts.
pub(super) const CHECKED_FROM: usize = 24;

pub(super) const ID_ROW: usize = 10;
pub(super) const ECOSYSTEM_ROW: usize = 16;
pub(super) const PACKAGE_ROW: usize = 8;

/// No score, no percentile.
pub(super) const NONE: u8 = 255;
/// Flag of the header: the KEV catalogue was joined.
pub(super) const HAS_KEV: u32 = 1;
/// Flag of the header: EPSS scores were joined.
pub(super) const HAS_EPSS: u32 = 1 << 1;
/// Flag of a vulnerability: known to be exploited.
pub(super) const KNOWN_EXPLOITED: u8 = 1;
/// Flag of an affected package: the distribution ranks it down.
pub(super) const RANKED_DOWN: u8 = 1 << 7;
/// Flag of an affected package: only some packages of the module are.
pub(super) const IMPORTS: u8 = 1 << 6;

/// The sections, in the order of the header's table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Section {
    Strings,
    Ids,
    Records,
    Offsets,
    Ecosystems,
    Packages,
    Affected,
}
