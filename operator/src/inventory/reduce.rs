//! An inventory and what matched in it, reduced to what policies and statuses ask for.

use breakwater_advisories::{Index, match_inventory};
use breakwater_core::{
    Inventory,
    ledger::Remembered,
    policy::{Matched, ScannedImage},
};
use chrono::{DateTime, Utc};

/// Matches `inventory` against `index` at `now`. `remembered` is what the previous match left behind; without an index there are no
/// findings, [`ScannedImage::matched`] is absent, and the history stays as it was.
pub(super) fn reduce(
    inventory: Inventory,
    index: Option<&Index>,
    remembered: &Remembered,
    now: DateTime<Utc>,
) -> ScannedImage {
    let mut matches = index.map(|index| match_inventory(index, &inventory)).unwrap_or_default();
    for finding in &mut matches.findings {
        // No rule and no status shows it, and it is the longest part of a finding.
        finding.summary = String::new();
    }
    let matched = index.map(|index| Matched { revision: index.revision(), at: now });
    let history = match matched {
        Some(_) => remembered.observe(&matches.findings, now),
        None => remembered.history.clone(),
    };
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
        matched,
        history,
    }
}
