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

/// How many numbers `text` has if it is nothing but numbers with dots between them: what most versions are.
pub(super) fn dotted(text: &str) -> Option<usize> {
    let (mut count, mut in_number) = (0, false);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if !in_number => (count, in_number) = (count + 1, true),
            b'0'..=b'9' => {}
            b'.' if in_number => in_number = false,
            _ => return None,
        }
    }
    in_number.then_some(count)
}

/// Compares numbers with dots between them; missing ones are zeros.
pub(super) fn compare_dotted(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => {
                let order = compare(left.unwrap_or_default(), right.unwrap_or_default());
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}
