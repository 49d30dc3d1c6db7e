//! An inventory and what matched in it, reduced to what policies and statuses ask for.

use breakwater_advisories::{Index, match_inventory};
use breakwater_core::{
    Inventory,
    history::ImageHistory,
    policy::{Matched, ScannedImage},
};
use chrono::DateTime;

/// The advisory data that an index holds.
pub(super) fn matched(index: &Index) -> Matched {
    Matched {
        revision: index.revision(),
        at: DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default(),
        carries: index.catalogues(),
    }
}

/// Matches `inventory` against `index`. Without an index there are no findings, and [`ScannedImage::matched`] is absent. It has no
/// history yet.
pub(super) fn reduce(inventory: &Inventory, index: Option<&Index>) -> ScannedImage {
    let mut matches = index.map(|index| match_inventory(index, inventory)).unwrap_or_default();
    for finding in &mut matches.findings {
        // No rule and no status shows it, and it is the longest part of a finding.
        finding.summary = String::new();
    }
    matches.findings.shrink_to_fit();
    let (unmatched, matched) = (matches.unanalysed.len(), index.map(matched));
    ScannedImage::new(inventory, matches.findings, unmatched, matched, ImageHistory::default())
}
