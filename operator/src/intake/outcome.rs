//! The last word about one image, and what the ScanJob may say of it then.

use breakwater_core::{
    ImageReference, Inventory, printable,
    scan::{Outcome, ScanFailure},
};
use breakwater_crds::scanjob::{ScanTarget, ScannedPlatform};
use chrono::{DateTime, Utc};

use super::record::{Ended, Offered, Scanned};

/// The longest message kept, in characters.
const MAX_MESSAGE: usize = 512;
/// The longest kept of one among many images: all their outcomes lie in one object.
pub(super) const MAX_MESSAGE_OF_MANY: usize = 100;
/// The longest `Retry-After` believed: one day.
const MAX_RETRY_AFTER: u32 = 86_400;

/// The outcome of one of `images` as it is recorded: bounded and printable, for a scan pod reads hostile bytes.
#[must_use]
pub fn record(outcome: Outcome, images: usize, scanned: Option<Scanned>, now: DateTime<Utc>) -> Ended {
    let longest = if images > 1 { MAX_MESSAGE_OF_MANY } else { MAX_MESSAGE };
    let failure = outcome.failure.map(|failure| ScanFailure {
        message: printable::line(&failure.message, longest),
        retry_after_seconds: failure.retry_after_seconds.map(|seconds| seconds.min(MAX_RETRY_AFTER)),
        ..failure
    });
    Ended { at: now, scanned, failure }
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
    ScanTarget {
        reference: image.to_string(),
        index_digest: offered.top().map(ToString::to_string),
        platforms: scanned.chain(absent).take(16).collect(),
    }
}
