//! When distributions stop mending a release: a base out of support is a finding of its own, for no advisory speaks of it any more.
//!
//! Dates are the last day of the support that everybody has from the release's own archive: Debian's LTS counts, what needs a
//! subscription or another archive does not (Debian ELTS, Ubuntu Pro). They are facts that each distribution publishes on the page
//! named; a date ahead is that of its plan. A release that is not listed has no answer, nor has a rolling distribution (Wolfi,
//! Chainguard, Arch, Alpine edge).

use chrono::{DateTime, NaiveDate, Utc};

use crate::inventory::OperatingSystem;

/// A release as os-release(5) numbers it, and the year, month and day of its last support.
type Release = (&'static str, (i32, u32, u32));

/// <https://wiki.debian.org/LTS>
const DEBIAN: &[Release] = &[
    ("7", (2018, 5, 31)),
    ("8", (2020, 6, 30)),
    ("9", (2022, 6, 30)),
    ("10", (2024, 6, 30)),
    ("11", (2026, 8, 31)),
    ("12", (2028, 6, 30)),
    ("13", (2030, 6, 30)),
];

/// <https://wiki.ubuntu.com/Releases>: standard support. Months of plans are taken to their end.
const UBUNTU: &[Release] = &[
    ("14.04", (2019, 4, 25)),
    ("16.04", (2021, 4, 30)),
    ("18.04", (2023, 5, 31)),
    ("20.04", (2025, 5, 31)),
    ("22.04", (2027, 4, 30)),
    ("22.10", (2023, 7, 20)),
    ("23.04", (2024, 1, 25)),
    ("23.10", (2024, 7, 11)),
    ("24.04", (2029, 5, 31)),
    ("24.10", (2025, 7, 10)),
    ("25.04", (2026, 1, 17)),
    ("25.10", (2026, 7, 31)),
    ("26.04", (2031, 4, 30)),
];

/// <https://alpinelinux.org/releases/>
const ALPINE: &[Release] = &[
    ("3.8", (2020, 5, 1)),
    ("3.9", (2020, 11, 1)),
    ("3.10", (2021, 5, 1)),
    ("3.11", (2021, 11, 1)),
    ("3.12", (2022, 5, 1)),
    ("3.13", (2022, 11, 1)),
    ("3.14", (2023, 5, 1)),
    ("3.15", (2023, 11, 1)),
    ("3.16", (2024, 5, 23)),
    ("3.17", (2024, 11, 22)),
    ("3.18", (2025, 5, 9)),
    ("3.19", (2025, 11, 1)),
    ("3.20", (2026, 4, 1)),
    ("3.21", (2026, 11, 1)),
    ("3.22", (2027, 5, 1)),
    ("3.23", (2027, 11, 1)),
];

/// <https://wiki.almalinux.org/release-notes/>, <https://wiki.rockylinux.org/rocky/version/>: security support.
const ALMALINUX: &[Release] = &[("8", (2029, 3, 1)), ("9", (2032, 5, 31)), ("10", (2035, 5, 31))];
const ROCKY: &[Release] = &[("8", (2029, 5, 31)), ("9", (2032, 5, 31)), ("10", (2035, 5, 31))];

/// <https://access.redhat.com/support/policy/updates/errata>: full and maintenance support.
const RHEL: &[Release] = &[
    ("6", (2020, 11, 30)),
    ("7", (2024, 6, 30)),
    ("8", (2029, 5, 31)),
    ("9", (2032, 5, 31)),
    ("10", (2035, 5, 31)),
];

/// <https://www.centos.org/cl-vs-cs/#end-of-life>. CentOS Stream has the same id: the later date of both.
const CENTOS: &[Release] =
    &[("6", (2020, 11, 30)), ("7", (2024, 6, 30)), ("8", (2024, 5, 31)), ("9", (2027, 5, 31))];

/// <https://aws.amazon.com/amazon-linux-2/faqs/>, <https://docs.aws.amazon.com/linux/al2023/ug/release-cadence.html>
const AMAZON: &[Release] = &[("2018.03", (2023, 12, 31)), ("2", (2026, 6, 30)), ("2023", (2029, 6, 30))];

/// <https://docs.fedoraproject.org/en-US/releases/eol/>
const FEDORA: &[Release] = &[
    ("36", (2023, 5, 16)),
    ("37", (2023, 12, 5)),
    ("38", (2024, 5, 21)),
    ("39", (2024, 11, 26)),
    ("40", (2025, 5, 13)),
    ("41", (2025, 12, 15)),
    ("42", (2026, 5, 13)),
    ("43", (2026, 12, 9)),
];

/// How long the release of a distribution is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// The last day of it, UTC.
    pub until: NaiveDate,
    /// Whether that day is over.
    pub ended: bool,
}

/// What is known at `now` of the release's support; `None` as for [`end_of_life`].
#[must_use]
pub fn support(os: &OperatingSystem, now: DateTime<Utc>) -> Option<Support> {
    let until = end_of_life(os)?;
    Some(Support { until, ended: now.date_naive() > until })
}

/// The last day on which the release is supported; `None` if it is not known to end.
#[must_use]
pub fn end_of_life(os: &OperatingSystem) -> Option<NaiveDate> {
    // What precedes the first dot counts where releases are major versions, two numbers otherwise.
    let (releases, numbers) = match os.id.as_str() {
        "debian" => (DEBIAN, 1),
        "ubuntu" => (UBUNTU, 2),
        "alpine" => (ALPINE, 2),
        "almalinux" => (ALMALINUX, 1),
        "rocky" => (ROCKY, 1),
        "rhel" => (RHEL, 1),
        "centos" => (CENTOS, 1),
        "amzn" => (AMAZON, 2),
        "fedora" => (FEDORA, 1),
        _ => return None,
    };
    let mut parts = os.version.splitn(numbers + 1, '.');
    let release = parts.by_ref().take(numbers).collect::<Vec<_>>().join(".");
    let (year, month, day) = releases.iter().find(|(of, _)| *of == release)?.1;
    NaiveDate::from_ymd_opt(year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(id: &str, version: &str) -> Option<String> {
        let os = OperatingSystem { id: id.into(), version: version.into(), name: String::new() };
        end_of_life(&os).map(|date| date.to_string())
    }

    #[test]
    fn releases_are_found_by_what_os_release_says() {
        for (id, version, expected) in [
            ("debian", "11", Some("2026-08-31")),
            ("debian", "12.4", Some("2028-06-30")),
            ("ubuntu", "20.04", Some("2025-05-31")),
            ("ubuntu", "2", None),
            ("alpine", "3.18.4", Some("2025-05-09")),
            ("alpine", "3.8.5", Some("2020-05-01")),
            ("alpine", "3.80", None),
            ("alpine", "3.24_alpha20260301", None),
            ("almalinux", "9.4", Some("2032-05-31")),
            ("rhel", "7.9", Some("2024-06-30")),
            ("amzn", "2", Some("2026-06-30")),
            ("amzn", "2018.03", Some("2023-12-31")),
            ("fedora", "40", Some("2025-05-13")),
            ("wolfi", "20230201", None),
            ("debian", "", None),
        ] {
            assert_eq!(end(id, version).as_deref(), expected, "{id} {version}");
        }
    }

    #[test]
    fn support_lasts_to_the_end_of_its_last_day() {
        let os = OperatingSystem { id: "debian".into(), version: "10".into(), name: String::new() };
        let ended = |time: &str| support(&os, time.parse().unwrap()).map(|support| support.ended);
        assert_eq!(ended("2024-06-30T23:59:59Z"), Some(false));
        assert_eq!(ended("2024-07-01T00:00:00Z"), Some(true));
        let rolling = OperatingSystem { id: "wolfi".into(), ..os };
        assert_eq!(support(&rolling, DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn every_date_is_one_and_every_release_stands_once() {
        for releases in [DEBIAN, UBUNTU, ALPINE, ALMALINUX, ROCKY, RHEL, CENTOS, AMAZON, FEDORA] {
            for (at, (release, (year, month, day))) in releases.iter().enumerate() {
                assert!(NaiveDate::from_ymd_opt(*year, *month, *day).is_some(), "{release}");
                assert!(releases[..at].iter().all(|(other, _)| other != release), "{release}");
            }
        }
    }
}
