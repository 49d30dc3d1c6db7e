//! How much less an index may know than the one before it: a source that lost a tenth over night is broken, not better.

use std::path::Path;

use breakwater_advisories::{BuildReport, Index};
use tracing::warn;

/// How much an ecosystem may shrink from one index to the next, in percent.
pub(super) const MAX_SHRINK: u64 = 5;

/// The ecosystems that lost more than is credible.
pub(super) fn shrunk(old: &Path, new: &BuildReport) -> Vec<String> {
    let old = match Index::open(old) {
        Ok(old) => old.ecosystems(),
        // What cannot be read is no measure.
        Err(cause) => {
            warn!(%cause, "the index served so far cannot be compared with");
            return Vec::new();
        }
    };
    let shrunk = old.iter().filter_map(|before| {
        let after =
            new.ecosystems.iter().find(|after| after.name == before.name).map_or(0, |after| after.records);
        let least = u64::from(before.records) * (100 - MAX_SHRINK);
        (u64::from(after) * 100 < least).then(|| format!("{}: {} to {after}", before.name, before.records))
    });
    shrunk.collect()
}
