//! Runs of ASCII digits as numbers of any length: `20230101000000000000` must neither overflow nor be refused.

use std::cmp::Ordering;

/// Compares two digit runs by value.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (significant(left), significant(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Without leading zeros; zero itself is empty.
pub(super) fn significant(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

/// Whether `text` is one run of ASCII digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits `text` after its leading ASCII digits.
pub(super) fn leading(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
