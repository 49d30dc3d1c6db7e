//! Semantic Versioning 2.0.0 §11, lenient where registries are: a leading `v` or `=`, one to four numbers. Build metadata is ignored.
//! Go's versions are these with `+incompatible`; the standard library says `go1.21rc1` where advisories say `1.21.0-rc.1`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    Semver::parse(version).is_some()
}

pub(super) fn is_go_version(version: &str) -> bool {
    is_version(&from_go(version))
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    match (Semver::parse(left), Semver::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        (None, None) => left.cmp(right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

pub(super) fn compare_go(left: &str, right: &str) -> Ordering {
    compare(&from_go(left), &from_go(right))
}

/// `go1.21rc1 X:nocoverageredesign` → `1.21.0-rc.1`; everything else as it is.
fn from_go(version: &str) -> Cow<'_, str> {
    let version = version.strip_prefix("go").unwrap_or(version);
    let version = version.split(' ').next().unwrap_or_default();
    if numbers::dotted(version).is_some() {
        return Cow::Borrowed(version);
    }
    for label in ["rc", "beta"] {
        if let Some((core, number)) = version.split_once(label)
            && numbers::is_number(number)
            && !core.is_empty()
            && core.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            let patch = if core.split('.').count() < 3 { ".0" } else { "" };
            return Cow::Owned(format!("{core}{patch}-{label}.{number}"));
        }
    }
    Cow::Borrowed(version)
}

/// A version taken apart; `core` holds digits and dots only.
pub(super) struct Semver<'a> {
    core: &'a str,
    pre_release: &'a str,
}

impl<'a> Semver<'a> {
    pub(super) fn parse(version: &'a str) -> Option<Self> {
        let version = version.trim().trim_start_matches(['=', 'v', 'V']);
        let version = version.split('+').next().unwrap_or_default();
        let (core, pre_release) = match version.split_once('-') {
            Some((core, pre_release)) => (core, pre_release),
            None => (version, ""),
        };
        let is_core = numbers::dotted(core).is_some_and(|count| count <= 4);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        (is_core && (pre_release.is_empty() || pre_release.split('.').all(is_label)))
            .then_some(Self { core, pre_release })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        numbers::compare_dotted(self.core, other.core)
            .then_with(|| compare_pre_release(self.pre_release, other.pre_release, str::cmp))
    }

    pub(super) fn compare_ignoring_case(&self, other: &Self) -> Ordering {
        numbers::compare_dotted(self.core, other.core).then_with(|| {
            compare_pre_release(self.pre_release, other.pre_release, |left, right| {
                let lower =
                    |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
                lower(left).cmp(&lower(right))
            })
        })
    }
}

/// A release is more than any of its pre-releases.
fn compare_pre_release(left: &str, right: &str, words: impl Fn(&str, &str) -> Ordering) -> Ordering {
    if left.is_empty() || right.is_empty() {
        return left.is_empty().cmp(&right.is_empty());
    }
    compare_fields(left, right, words)
}

/// Fields with dots between them (§11.4): numbers by value and below words, fewer fields below more.
pub(super) fn compare_fields(left: &str, right: &str, words: impl Fn(&str, &str) -> Ordering) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (numbers::is_number(left), numbers::is_number(right)) {
                (true, true) => numbers::compare(left, right),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => words(left, right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Less};

    use super::{compare, compare_go, is_go_version, is_version};

    #[test]
    fn precedence_of_the_specification() {
        let ascending = [
            "0.0.0-20200101000000-abcdefabcdef",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Less, "{pair:?}");
        }
        assert_eq!(compare("1.0.0+a", "v1.0.0+b"), Equal);
        assert_eq!(compare("1", "1.0.0"), Equal);
    }

    #[test]
    fn go_spellings() {
        assert_eq!(compare_go("v2.0.0+incompatible", "2.0.0"), Equal);
        assert_eq!(compare_go("go1.21rc2", "1.21.0-rc.2"), Equal);
        assert_eq!(compare_go("go1.21rc2", "1.21.0"), Less);
        assert_eq!(compare_go("go1.21.3 X:boringcrypto", "1.21.3"), Equal);
        assert_eq!(
            compare_go("v0.0.0-20200622213623-75b288015ac9", "v0.0.0-20220314234659-1baeb1ce4c0b"),
            Less
        );
        assert!(!is_go_version("(devel)"));
    }

    #[test]
    fn what_is_no_version() {
        for text in ["", "latest", "workspace:*", "file:../a", "1.x", "^1.0.0", "1.2.3.4.5", "1..2"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
