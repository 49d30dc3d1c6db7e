//! rpm: `[epoch:]version[-release]`, each part by `rpmvercmp` with `~` (before the end) and `^` (after the end, before more).

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    let (_, version, _) = split(version);
    version.starts_with(|first: char| first.is_ascii_alphanumeric()) && !version.contains(char::is_whitespace)
}

/// A missing epoch is 0; a missing release sorts below every release.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_version, left_release) = split(left);
    let (right_epoch, right_version, right_release) = split(right);
    numbers::compare(left_epoch, right_epoch)
        .then_with(|| compare_part(left_version, right_version))
        .then_with(|| compare_part(left_release, right_release))
}

/// The version without its epoch. The name of a source package carries none, so on that path epochs are left out on both sides.
#[must_use]
pub fn without_epoch(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.is_empty() || numbers::is_number(epoch) => rest,
        _ => version,
    }
}

fn split(version: &str) -> (&str, &str, &str) {
    let rest = without_epoch(version);
    let epoch = version.strip_suffix(rest).unwrap_or_default().trim_end_matches(':');
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (Segments(left), Segments(right));
    loop {
        let (left, right) = (left.next_segment(), right.next_segment());
        let order = left.cmp(&right);
        if order != Ordering::Equal || left == Segment::End {
            return order;
        }
    }
}

/// In the order rpm gives them where two versions part.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Tilde,
    End,
    Caret,
    Text(&'a str),
    Number(Number<'a>),
}

#[derive(Debug)]
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
impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Number<'_> {}

struct Segments<'a>(&'a str);

impl<'a> Segments<'a> {
    /// Separators (everything but ASCII letters, digits, `~`, `^`) only divide; they have no weight.
    fn next_segment(&mut self) -> Segment<'a> {
        let text = self.0.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^');
        let Some(first) = text.bytes().next() else {
            self.0 = text;
            return Segment::End;
        };
        let end = match first {
            b'~' | b'^' => 1,
            _ => text
                .bytes()
                .position(|byte| {
                    !byte.is_ascii_alphanumeric() || byte.is_ascii_digit() != first.is_ascii_digit()
                })
                .unwrap_or(text.len()),
        };
        let (segment, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        self.0 = rest;
        match first {
            b'~' => Segment::Tilde,
            b'^' => Segment::Caret,
            b'0'..=b'9' => Segment::Number(Number(segment)),
            _ => Segment::Text(segment),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater};

    use super::{compare, without_epoch};

    #[test]
    fn epochs() {
        assert_eq!(compare("1:1.0-1", "2.0-1"), Greater);
        assert_eq!(compare("0:1.0-1", "1.0-1"), Equal);
        assert_eq!(without_epoch("1:1.0-1"), "1.0-1");
    }
}
