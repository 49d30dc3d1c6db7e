//! Composer: up to four numbers, then a stability with a number, then `-dev`; compared as PHP's `version_compare` does:
//! `dev` < `alpha` < `beta` < `RC` < none < `patch`.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    Composer::parse(version).is_some()
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    match (Composer::parse(left), Composer::parse(right)) {
        (Some(left), Some(right)) => numbers::compare_dotted(left.core, right.core)
            .then_with(|| left.stability.cmp(&right.stability))
            // `RC` is less than any `RC` with a number.
            .then_with(|| right.number.is_empty().cmp(&left.number.is_empty()))
            .then_with(|| numbers::compare(left.number, right.number))
            .then_with(|| right.dev.cmp(&left.dev)),
        (None, None) => left.cmp(right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

struct Composer<'a> {
    core: &'a str,
    stability: u8,
    number: &'a str,
    /// The development state before this version: less than it.
    dev: bool,
}

const DEVELOPMENT: u8 = 0;
const STABLE: u8 = 4;
const STABILITIES: [(&str, u8); 9] = [
    ("alpha", 1),
    ("a", 1),
    ("beta", 2),
    ("b", 2),
    ("rc", 3),
    ("stable", STABLE),
    ("patch", 5),
    ("pl", 5),
    ("p", 5),
];

impl<'a> Composer<'a> {
    fn parse(version: &'a str) -> Option<Self> {
        let version = version.trim();
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let version = version.split('+').next().unwrap_or_default();
        let (version, dev) = match strip_suffix_ignoring_case(version, "dev") {
            Some(rest) if !rest.is_empty() => (rest.strip_suffix(['-', '.', '_']).unwrap_or(rest), true),
            _ => (version, false),
        };
        let end =
            version.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(version.len());
        let (core, suffix) = version.split_at_checked(end)?;
        let core = core.strip_suffix('.').unwrap_or(core);
        if numbers::dotted(core).is_none_or(|count| count > 4) {
            return None;
        }
        let suffix = suffix.strip_prefix(['-', '.', '_', '@']).unwrap_or(suffix);
        if suffix.is_empty() {
            let stability = if dev { DEVELOPMENT } else { STABLE };
            return Some(Self { core, stability, number: "", dev });
        }
        STABILITIES.iter().find_map(|(word, stability)| {
            let (head, number) = suffix.split_at_checked(word.len())?;
            let number = number.strip_prefix(['-', '.', '_']).unwrap_or(number);
            let fits = head.eq_ignore_ascii_case(word) && (number.is_empty() || numbers::is_number(number));
            fits.then_some(Self { core, stability: *stability, number, dev })
        })
    }
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Less};

    use super::{compare, is_version};

    #[test]
    fn rules_of_composer() {
        let ascending = [
            "1.0.0-dev",
            "1.0.0-alpha",
            "1.0.0-alpha1-dev",
            "1.0.0-alpha1",
            "1.0.0-alpha10",
            "1.0.0-beta2",
            "1.0.0-RC",
            "1.0.0-RC1",
            "1.0.0",
            "1.0.0-patch1",
            "1.0.1",
            "1.10",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Less, "{pair:?}");
        }
        assert_eq!(compare("v1.0", "1.0.0.0"), Equal);
        assert_eq!(compare("1.0.0b1", "1.0.0-beta.1"), Equal);
        assert!(!is_version("dev-master") && !is_version("1.2.x-dev"));
    }
}
