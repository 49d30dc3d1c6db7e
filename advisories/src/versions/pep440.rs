//! PEP 440: `[N!]N{.N}[{a|b|rc}N][.postN][.devN][+local]`, spelled in many ways. Legacy strings sort below every proper version.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    Pep440::parse(version).is_some()
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    if numbers::dotted(left).is_some() && numbers::dotted(right).is_some() {
        return numbers::compare_dotted(left, right);
    }
    match (Pep440::parse(left), Pep440::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        (None, None) => left.cmp(right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

struct Pep440<'a> {
    epoch: &'a str,
    release: &'a str,
    /// Rank (a, b, rc) and number.
    pre: Option<(u8, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: &'a str,
}

const PRE: [(&str, u8); 8] =
    [("alpha", 0), ("a", 0), ("beta", 1), ("b", 1), ("preview", 2), ("pre", 2), ("rc", 2), ("c", 2)];
const POST: [(&str, u8); 3] = [("post", 0), ("rev", 0), ("r", 0)];
const DEV: [(&str, u8); 1] = [("dev", 0)];

impl<'a> Pep440<'a> {
    fn parse(version: &'a str) -> Option<Self> {
        let version = version.trim();
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let (public, local) = match version.split_once('+') {
            Some((public, local)) if is_local(local) => (public, local),
            Some(_) => return None,
            None => (version, ""),
        };
        let (epoch, public) = public.split_once('!').unwrap_or(("0", public));
        let (release, mut rest) = leading_release(public);
        if release.is_empty() || !numbers::is_number(epoch) {
            return None;
        }
        let pre = take(&mut rest, &PRE);
        let post = match take(&mut rest, &POST) {
            Some((_, number)) => Some(number),
            None => take_implicit_post(&mut rest),
        };
        let dev = take(&mut rest, &DEV).map(|(_, number)| number);
        rest.is_empty().then_some(Self { epoch, release, pre, post, dev, local })
    }

    fn compare(&self, other: &Self) -> Ordering {
        numbers::compare(self.epoch, other.epoch)
            // Trailing zeros do not count: `1.0` is `1.0.0`.
            .then_with(|| numbers::compare_dotted(self.release, other.release))
            .then_with(|| compare_label(self.pre_key(), other.pre_key()))
            .then_with(|| compare_option(self.post, other.post))
            // No `.dev` is more than any.
            .then_with(|| match (self.dev, other.dev) {
                (Some(left), Some(right)) => numbers::compare(left, right),
                (left, right) => left.is_none().cmp(&right.is_none()),
            })
            .then_with(|| compare_local(self.local, other.local))
    }

    /// `1.0.dev1` is before `1.0a1`, and both are before `1.0` and `1.0.post1`.
    fn pre_key(&self) -> (u8, &'a str) {
        match self.pre {
            Some((rank, number)) => (rank + 1, number),
            None if self.post.is_none() && self.dev.is_some() => (0, ""),
            None => (9, ""),
        }
    }
}

fn compare_label(left: (u8, &str), right: (u8, &str)) -> Ordering {
    left.0.cmp(&right.0).then_with(|| numbers::compare(left.1, right.1))
}

fn compare_option(left: Option<&str>, right: Option<&str>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => numbers::compare(left, right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

/// Words are less than numbers, case does not matter, fewer fields are less.
fn compare_local(left: &str, right: &str) -> Ordering {
    fn fields(local: &str) -> impl Iterator<Item = &str> {
        local.split(['.', '-', '_']).filter(|field| !field.is_empty())
    }
    let (mut left, mut right) = (fields(left), fields(right));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (numbers::is_number(left), numbers::is_number(right)) {
                (true, true) => numbers::compare(left, right),
                (false, false) => left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()),
                (left, right) => left.cmp(&right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_local(local: &str) -> bool {
    local
        .split(['.', '-', '_'])
        .all(|field| !field.is_empty() && field.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The digits and dots at the start, without a dot that introduces a label (`1.0.dev1`).
fn leading_release(text: &str) -> (&str, &str) {
    let mut end = 0;
    let mut rest = text;
    loop {
        let (digits, after) = numbers::leading(rest);
        if digits.is_empty() {
            break;
        }
        end = text.len() - after.len();
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => break,
        }
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A label with its number, separators (`.`, `-`, `_`) allowed around the word; a missing number is 0.
fn take<'a>(rest: &mut &'a str, words: &[(&str, u8)]) -> Option<(u8, &'a str)> {
    let text = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
    for (word, rank) in words {
        let Some((head, tail)) = text.split_at_checked(word.len()) else { continue };
        if !head.eq_ignore_ascii_case(word) {
            continue;
        }
        let separated = tail.strip_prefix(['.', '-', '_']).unwrap_or(tail);
        let (digits, after) = numbers::leading(separated);
        let (number, after) = if digits.is_empty() { ("0", tail) } else { (digits, after) };
        *rest = after;
        return Some((*rank, number));
    }
    None
}

/// `1.0-1` is `1.0.post1`.
fn take_implicit_post<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (digits, after) = numbers::leading(rest.strip_prefix('-')?);
    if digits.is_empty() {
        return None;
    }
    *rest = after;
    Some(digits)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Less};

    use super::{compare, is_version};

    /// The order shown in PEP 440, "Summary of permitted suffixes and relative ordering", widened by local versions.
    #[test]
    fn order_of_the_specification() {
        let ascending = [
            "not-a-version",
            "1.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1!0.1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Less, "{pair:?}");
        }
    }

    #[test]
    fn spellings_of_the_same_version() {
        for (left, right) in [
            ("1.0", "1.0.0"),
            ("1.0-1", "1.0.post1"),
            ("1.0alpha1", "1.0a1"),
            ("1.0-ALPHA_1", "1.0a1"),
            ("1.0c1", "1.0rc1"),
            ("v1.0", "1.0"),
            ("1.0.rev3", "1.0.post3"),
            ("1.0a", "1.0a0"),
            ("1.0+A.B", "1.0+a-b"),
            ("01.02", "1.2"),
        ] {
            assert_eq!(compare(left, right), Equal, "{left} {right}");
        }
        assert!(!is_version("2004d-final-x"));
        assert!(!is_version("1.0+"));
    }
}
