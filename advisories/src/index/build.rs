//! Building an index: every record of a source, condensed, sorted and written to one file that replaces the old one at once.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::EcosystemCount;
use crate::osv::Record;
use crate::source::{Source, SourceError};
use by_cve::ByCve;
use collection::Collection;

mod by_cve;
mod collection;
mod sections;

/// How many malformed records a report names.
const MAX_NAMED: usize = 5;

/// What to build from, and where to.
#[derive(Debug, Clone, Copy)]
pub struct BuildInput<'a> {
    /// A directory, zip archive or record: see [`crate::source`].
    pub source: &'a Path,
    /// The CISA KEV catalogue as JSON, if any.
    pub kev: Option<&'a Path>,
    /// FIRST's EPSS scores as CSV, gzip or not, if any.
    pub epss: Option<&'a Path>,
    /// Ratings by CVE for what no advisory rates: NVD JSON 2.0 or CSV `cve,cvss,severity`, gzip or not. A later file wins.
    pub severities: &'a [PathBuf],
    /// The index file. It is replaced atomically and only on success.
    pub out: &'a Path,
}

impl<'a> BuildInput<'a> {
    /// Advisories alone, nothing joined to them.
    #[must_use]
    pub fn new(source: &'a Path, out: &'a Path) -> Self {
        Self { source, kev: None, epss: None, severities: &[], out }
    }
}

/// What a build read and wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildReport {
    pub revision: u64,
    /// Advisories in the index.
    pub records: u32,
    /// The size of the file.
    pub bytes: u64,
    pub ecosystems: Vec<EcosystemCount>,
    pub skipped: Skipped,
}

/// Records that are not in the index, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// Taken back by their publisher.
    pub withdrawn: u32,
    /// Seen before under the same id.
    pub duplicate: u32,
    /// Bug-fix and enhancement updates without any CVE.
    pub not_security: u32,
    /// Without a package of an ecosystem whose version order is known.
    pub without_packages: u32,
    /// Larger than is read.
    pub oversize: u32,
    /// Not an OSV record.
    pub malformed: u32,
    /// The first few malformed ones: name and reason.
    pub malformed_names: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{}: no usable advisory among {seen} records{}", path.display(), first.as_deref().map(|first| format!(", for example {first}")).unwrap_or_default())]
    NothingLeft { path: PathBuf, seen: u32, first: Option<String> },
    #[error("the {what} {} cannot be used: {cause}", path.display())]
    Joined { path: PathBuf, what: &'static str, cause: String },
    #[error("the index would exceed 4 GiB: build it from fewer ecosystems")]
    TooLarge,
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
}

/// Builds an index with this revision number; `now` becomes its build time. The same input gives the same bytes.
///
/// # Errors
/// When the source cannot be read or nothing in it is usable, or the file cannot be written; the old file then stays.
pub fn build(input: BuildInput<'_>, revision: u64, now: DateTime<Utc>) -> Result<BuildReport, BuildError> {
    let source = Source::open(input.source)?;
    let by_cve = ByCve::read(&input)?;
    let mut skipped = Skipped::default();
    let mut seen = 0_u32;
    let mut collection = Collection::new();
    source.for_each(|name, json| {
        seen = seen.saturating_add(1);
        match json.map(Record::parse) {
            None => skipped.oversize += 1,
            Some(Ok(record)) => collection.add(&record, &mut skipped),
            Some(Err(cause)) => {
                skipped.malformed += 1;
                if skipped.malformed_names.len() < MAX_NAMED {
                    let reason = breakwater_core::printable::line(&format!("{name}: {cause}"), 200);
                    skipped.malformed_names.push(reason);
                }
            }
        }
    })?;
    if collection.is_empty() {
        let first = skipped.malformed_names.into_iter().next();
        return Err(BuildError::NothingLeft { path: input.source.to_owned(), seen, first });
    }
    let records = collection.len();
    let (file, ecosystems) =
        sections::write(collection, &by_cve, revision, now).ok_or(BuildError::TooLarge)?;
    replace(input.out, &file)
        .map_err(|cause| BuildError::Unwritable { path: input.out.to_owned(), cause })?;
    Ok(BuildReport { revision, records, bytes: file.len() as u64, ecosystems, skipped })
}

/// Writes beside the target, syncs, renames: readers have the old file or the new one, never a part.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".index-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    // Temporary files are private; an index is nobody's secret, and other users' programs map it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}
