//! Conan: `items[-pre][+build]`, items with dots between them, trailing zeros without weight; before a release come its
//! pre-releases, after it its builds (Conan 2 documentation, "Version").
//!
//! Conan compares an item that is no number with any other as text, which makes 10 < `1a` < 9 < 10. Here such an item counts by the
//! number it begins with, then by what follows: the same wherever Conan's own rule has no circle.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Conan::parse(left), Conan::parse(right));
    compare_items(left.items, right.items)
        .then_with(|| match (left.pre, right.pre) {
            (Some(left), Some(right)) => compare_items(left, right),
            (left, right) => left.is_none().cmp(&right.is_none()),
        })
        .then_with(|| match (left.build, right.build) {
            // A build has no build of its own: this goes no deeper.
            (Some(left), Some(right)) => compare(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        })
}

struct Conan<'a> {
    items: &'a str,
    pre: Option<&'a str>,
    build: Option<&'a str>,
}

impl<'a> Conan<'a> {
    fn parse(version: &'a str) -> Self {
        let (version, build) = split_last(version, '+');
        let (items, pre) = split_last(version, '-');
        Self { items, pre, build }
    }
}

fn split_last(text: &str, divider: char) -> (&str, Option<&str>) {
    text.rsplit_once(divider).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn compare_items(left: &str, right: &str) -> Ordering {
    let (left, right) = (items(left), items(right));
    left.cmp(&right)
}

/// In order: what begins with a number, by it and then by the rest; then words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item<'a> {
    Number(Number<'a>, &'a str),
    Word(&'a str),
}

#[derive(Debug, PartialEq, Eq)]
struct Number<'a>(&'a str);

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        numbers::compare(self.0, other.0)
    }
}
impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without the zeros at the end.
fn items(text: &str) -> Vec<Item<'_>> {
    let mut items: Vec<_> = text
        .split('.')
        .map(|item| match numbers::leading(item) {
            ("", word) => Item::Word(word),
            (digits, rest) => Item::Number(Number(numbers::significant(digits)), rest),
        })
        .collect();
    while items.last() == Some(&Item::Number(Number(""), "")) {
        items.pop();
    }
    items
}
