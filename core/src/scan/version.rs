//! Which of two tags is newer, by their text alone: registries do not tell when a tag was pushed.

use std::cmp::Ordering;

/// Sorts tags, the newest first.
///
/// A tag that begins with a digit, or with `v` and a digit, is a version; versions are newer than words (`latest`, `main`). Versions
/// compare by their leading numbers (`1.10` is newer than `1.9`; a number that is missing is zero). Of equal numbers the bare version is
/// newer than one with a suffix, since suffixes are mostly pre-releases (Semantic Versioning 2.0.0, item 11); suffixes and words compare by
/// their runs of digits and of other characters (`rc10` is newer than `rc9`).
pub fn newest_first(tags: &mut [String]) {
    tags.sort_by(|a, b| newer(b, a));
}

fn newer(a: &str, b: &str) -> Ordering {
    let by_version = match (version(a), version(b)) {
        (Some((numbers, suffix)), Some((others, other))) => by_numbers(&numbers, &others)
            .then_with(|| suffix.is_empty().cmp(&other.is_empty()))
            .then_with(|| by_runs(suffix, other)),
        (a_version, b_version) => a_version.is_some().cmp(&b_version.is_some()).then_with(|| by_runs(a, b)),
    };
    // `v1` and `1` are one version and two tags: the order is total all the same.
    by_version.then_with(|| a.cmp(b))
}

/// The numbers that a version begins with, and the rest.
fn version(tag: &str) -> Option<(Vec<&str>, &str)> {
    let mut rest = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = Vec::new();
    loop {
        let digits = digits(rest);
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            break;
        }
        numbers.push(number);
        rest = after;
        match rest.strip_prefix('.') {
            Some(more) if self::digits(more) > 0 => rest = more,
            _ => break,
        }
    }
    (!numbers.is_empty()).then_some((numbers, rest))
}

fn by_numbers(a: &[&str], b: &[&str]) -> Ordering {
    let at = |numbers: &[&str], n: usize| numbers.get(n).map_or("0", |number| *number).to_owned();
    (0..a.len().max(b.len()))
        .map(|n| by_number(&at(a, n), &at(b, n)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length: the longer is the larger.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn by_runs(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let ((run, rest), (other, other_rest)) = (first_run(a), first_run(b));
        let order = if digits(run) > 0 && digits(other) > 0 { by_number(run, other) } else { run.cmp(other) };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest, other_rest);
    }
    a.len().cmp(&b.len())
}

/// The leading run of digits, or of anything else.
fn first_run(text: &str) -> (&str, &str) {
    let digits = digits(text);
    let end = if digits > 0 { digits } else { text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()) };
    text.split_at(end)
}

/// How many digits it begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn newer_versions_come_first() {
        let order = [
            "20260101",
            "v2.0",
            "1.10.1",
            "1.10",
            "1.10-rc10",
            "1.10-rc9",
            "1.9.12",
            "1.9.2",
            "1.9-alpine",
            "1",
            "v0.1",
            "main",
            "latest",
        ];
        let mut tags: Vec<String> = order.iter().rev().map(|tag| (*tag).to_owned()).collect();
        newest_first(&mut tags);
        assert_eq!(tags, order);
        assert_eq!(newer(&"9".repeat(100), &"9".repeat(99)), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[v0-9a.-]{1,8}", b in "[v0-9a.-]{1,8}", c in "[v0-9a.-]{1,8}") {
            prop_assert_eq!(newer(&a, &b), newer(&b, &a).reverse());
            prop_assert_eq!(newer(&a, &b) == Ordering::Equal, a == b);
            if newer(&a, &b).is_le() && newer(&b, &c).is_le() {
                prop_assert!(newer(&a, &c).is_le());
            }
        }
    }
}
