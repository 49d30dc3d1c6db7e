use std::cmp::Ordering;
pub(super) fn is_version(version: &str) -> bool {
    super::semver::is_version(version)
}
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    super::semver::compare(left, right)
}
