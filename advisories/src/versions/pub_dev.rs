//! Dart's pub: Semantic Versioning, except that build metadata counts: a build is later than the version without one (package
//! `pub_semver`, `Version`).

use std::cmp::Ordering;

use super::semver::{self, Semver};

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    semver::compare(left, right).then_with(|| {
        if Semver::parse(left).is_none() {
            return Ordering::Equal;
        }
        match (build(left), build(right)) {
            (Some(left), Some(right)) => semver::compare_fields(left, right, str::cmp),
            (left, right) => left.is_some().cmp(&right.is_some()),
        }
    })
}

fn build(version: &str) -> Option<&str> {
    version.split_once('+').map(|(_, build)| build)
}
