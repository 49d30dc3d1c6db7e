//! The last word about one image, and what the ScanJob may say of it then.

use breakwater_core::{
    ImageReference, Inventory, printable,
    scan::{Outcome, ScanFailure},
};
use breakwater_crds::scanjob::{ScanTarget, ScannedPlatform};
use chrono::{DateTime, Utc};

use super::record::{Ended, Offered};

/// The longest message kept, in characters.
const MAX_MESSAGE: usize = 512;
/// The longest `Retry-After` believed: one day.
const MAX_RETRY_AFTER: u32 = 86_400;

/// The outcome as it is recorded: bounded and printable, for a scan pod reads hostile bytes.
pub(super) fn record(outcome: Outcome, now: DateTime<Utc>) -> Ended {
    let failure = outcome.failure.map(|failure| ScanFailure {
        message: printable::line(&failure.message, MAX_MESSAGE),
        retry_after_seconds: failure.retry_after_seconds.map(|seconds| seconds.min(MAX_RETRY_AFTER)),
        ..failure
    });
    Ended { at: now, failure }
}

/// `status.target` of a ScanJob about one image. Every digest in it has its inventory in the store: others load it when they read this.
pub(super) fn target(image: &ImageReference, offered: &Offered, inventories: &[Inventory]) -> ScanTarget {
    let scanned = inventories.iter().map(|inventory| {
        let size = inventory.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        ScannedPlatform {
            platform: inventory.image.platform.to_string(),
            digest: Some(inventory.image.digest.to_string()),
            created: inventory.image.created.map(Into::into),
            size: i64::try_from(size).ok(),
            layers: i32::try_from(inventory.layers.len()).ok(),
        }
    });
    let absent = offered
        .absent
        .iter()
        .map(|platform| ScannedPlatform { platform: platform.to_string(), ..ScannedPlatform::default() });
    let top = offered.index.as_ref().or_else(|| offered.manifests.first().map(|manifest| &manifest.digest));
    ScanTarget {
        reference: image.to_string(),
        index_digest: top.map(ToString::to_string),
        platforms: scanned.chain(absent).take(16).collect(),
    }
}
