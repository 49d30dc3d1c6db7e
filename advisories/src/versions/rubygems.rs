//! RubyGems: dots between numbers and words; a word is less than a number and marks a pre-release; `-` reads as `.pre.`.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    let version = version.trim();
    version.starts_with(|first: char| first.is_ascii_digit())
        && version
            .split(['.', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (segments(left), segments(right));
    let mut longest = 0..left.len().max(right.len());
    longest
        .find_map(|place| {
            let left = left.get(place).unwrap_or(&Segment::Number(""));
            let order = left.cmp(right.get(place).unwrap_or(&Segment::Number("")));
            (order != Ordering::Equal).then_some(order)
        })
        .unwrap_or(Ordering::Equal)
}

/// Numbers without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment<'a> {
    Word(&'a str),
    Number(&'a str),
}

impl Ord for Segment<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Segment::Word(left), Segment::Word(right)) => left.cmp(right),
            (Segment::Number(left), Segment::Number(right)) => numbers::compare(left, right),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
        }
    }
}
impl PartialOrd for Segment<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without the zeros at the end, and without those before the first word: `1.0.a` is `1.a`.
fn segments(version: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut rest = version.trim();
    while let Some(first) = rest.bytes().next() {
        if first == b'-' {
            segments.push(Segment::Word("pre"));
        }
        let same =
            |byte: &u8| byte.is_ascii_alphanumeric() && byte.is_ascii_digit() == first.is_ascii_digit();
        let end = if first.is_ascii_alphanumeric() { rest.bytes().take_while(same).count() } else { 0 };
        let Some((segment, after)) = rest.split_at_checked(end) else { break };
        if segment.is_empty() {
            let mut characters = rest.chars();
            characters.next();
            rest = characters.as_str();
            continue;
        }
        segments.push(if first.is_ascii_digit() {
            Segment::Number(numbers::significant(segment))
        } else {
            Segment::Word(segment)
        });
        rest = after;
    }
    let word =
        segments.iter().position(|segment| matches!(segment, Segment::Word(_))).unwrap_or(segments.len());
    let mut pre_release = segments.split_off(word);
    for part in [&mut segments, &mut pre_release] {
        while part.last() == Some(&Segment::Number("")) {
            part.pop();
        }
    }
    segments.append(&mut pre_release);
    segments
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Less};

    use super::{compare, is_version};

    #[test]
    fn rules_of_gem_version() {
        for (left, order, right) in [
            ("1.0", Equal, "1"),
            ("1.0.a", Equal, "1.a"),
            ("1.0.0.pre1", Less, "1.0.0"),
            ("1.0.0-rc1", Less, "1.0.0"),
            ("1.8.2.a10", Equal, "1.8.2.a10"),
            ("1.8.2.a9", Less, "1.8.2.a10"),
            ("1.8.2.b", Less, "1.8.2"),
            ("1.9.0", Less, "1.10.0"),
            ("5.0.0.beta2", Less, "5.0.0.rc1"),
        ] {
            assert_eq!(compare(left, right), order, "{left} {right}");
            assert_eq!(compare(right, left), order.reverse(), "{right} {left}");
        }
        assert!(!is_version("junk") && !is_version("1..2") && is_version("1.2.3-x86"));
    }
}
