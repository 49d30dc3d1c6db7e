//! Debian policy §5.6.12: `[epoch:]upstream[-revision]`, `~` before everything, even before the end.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    let (_, upstream, _) = split(version);
    upstream.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:_".contains(&byte))
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_upstream, left_revision) = split(left);
    let (right_epoch, right_upstream, right_revision) = split(right);
    numbers::compare(left_epoch, right_epoch)
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

/// An absent revision equals `0`, which an empty part does as well.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) if numbers::is_number(epoch) => (epoch, rest),
        _ => ("", version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = leading_text(left);
        let (right_text, right_rest) = leading_text(right);
        let (left_number, left_rest) = numbers::leading(left_rest);
        let (right_number, right_rest) = numbers::leading(right_rest);
        let order =
            compare_text(left_text, right_text).then_with(|| numbers::compare(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn leading_text(part: &str) -> (&str, &str) {
    let end = part.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(part.len());
    part.split_at_checked(end).unwrap_or((part, ""))
}

fn compare_text(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.bytes(), right.bytes());
    loop {
        let (left, right) = (left.next(), right.next());
        let order = weight(left).cmp(&weight(right));
        if order != Ordering::Equal || (left.is_none() && right.is_none()) {
            return order;
        }
    }
}

/// `~`, then the end, then letters, then everything else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::compare;

    #[test]
    fn rules_of_debian_policy() {
        for (left, order, right) in [
            ("1.0", Equal, "1.0-0"),
            ("1.0-1", Less, "1.0-1+deb12u1"),
            ("1.0~rc1-1", Less, "1.0-1"),
            ("1.0~~", Less, "1.0~"),
            ("2:1.0", Greater, "10.0"),
            ("0:1.0", Equal, "1.0"),
            ("1.0a", Less, "1.0+"),
            ("1.2.3-4~bpo11+1", Less, "1.2.3-4"),
            ("9", Less, "10"),
            ("1.001", Equal, "1.1"),
            ("3.0.11-1~deb12u2", Less, "3.0.11-1"),
            ("20230311ubuntu0.22.04.1", Greater, "20230311"),
        ] {
            assert_eq!(compare(left, right), order, "{left} {right}");
            assert_eq!(compare(right, left), order.reverse(), "{right} {left}");
        }
    }
}
