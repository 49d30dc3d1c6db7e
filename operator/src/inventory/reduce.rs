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
pub(super) fn reduce(inventory: Inventory, index: Option<&Index>) -> ScannedImage {
    let mut matches = index.map(|index| match_inventory(index, &inventory)).unwrap_or_default();
    for finding in &mut matches.findings {
        // No rule and no status shows it, and it is the longest part of a finding.
        finding.summary = String::new();
    }
    matches.findings.shrink_to_fit();
    let (secret_env, setuid_files) = (inventory.secret_env(), inventory.setuid_files());
    let mut package_names: Vec<String> = inventory.packages.into_iter().map(|package| package.name).collect();
    package_names.sort_unstable();
    package_names.dedup();
    package_names.shrink_to_fit();
    let unanalysed = inventory.unanalysed.len().saturating_add(matches.unanalysed.len());
    ScannedImage {
        digest: inventory.image.digest,
        reference: inventory.image.reference,
        created: inventory.image.created,
        config: Some(inventory.config),
        software: inventory.software,
        package_names,
        secrets: u32::try_from(inventory.secrets.len()).unwrap_or(u32::MAX),
        secret_env,
        setuid_files,
        unanalysed: u32::try_from(unanalysed).unwrap_or(u32::MAX),
        findings: matches.findings,
        matched: index.map(matched),
        history: ImageHistory::default(),
    }
}
