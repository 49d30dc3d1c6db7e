//! NuGet: Semantic Versioning with up to four numbers and labels without case; build metadata is ignored.

use std::cmp::Ordering;

use super::semver::Semver;

pub(super) fn is_version(version: &str) -> bool {
    Semver::parse(version).is_some()
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    match (Semver::parse(left), Semver::parse(right)) {
        (Some(left), Some(right)) => left.compare_ignoring_case(&right),
        (None, None) => left.cmp(right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}
