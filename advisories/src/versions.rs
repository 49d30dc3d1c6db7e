//! Version order, one file per rule.
//!
//! Every order here is total over all strings: what the ecosystem's grammar does not know is placed somewhere fixed, so that
//! sorting and binary search never fail. [`VersionOrder::knows`] says whether a string is a version at all; matching asks it before
//! it believes a comparison.

use std::cmp::Ordering;

mod apk;
mod conan;
mod cran;
mod dpkg;
mod maven;
mod nuget;
mod numbers;
mod packagist;
mod pep440;
mod pub_dev;
mod rpm;
mod rubygems;
mod semver;

#[cfg(test)]
mod total_order;
#[cfg(test)]
mod vectors;

/// The longest version that is compared, in bytes. Longer ones are not versions: comparison cost stays bounded.
pub const MAX_VERSION: usize = 256;

/// By which rule two versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionOrder {
    /// Debian policy §5.6.12: Debian, Ubuntu and their kin.
    Dpkg,
    /// rpm's `rpmvercmp` over epoch, version and release.
    Rpm,
    /// apk-tools: Alpine, Wolfi, Chainguard.
    Apk,
    /// Semantic Versioning 2.0.0, lenient about missing components and a leading `v`: npm, crates.io, Hex (Elixir's `Version`), SwiftURL.
    Semver,
    /// Semver with Go's `v`, `+incompatible`, pseudo-versions, and `go1.21rc1` of the standard library.
    Go,
    /// PEP 440, legacy strings below every proper version.
    Pep440,
    /// Maven's ComparableVersion.
    Maven,
    /// RubyGems' `Gem::Version`.
    RubyGems,
    /// NuGet: semver with four numbers, labels without case.
    NuGet,
    /// Composer's `version_compare` order: Packagist.
    Packagist,
    /// R's `compareVersion`: CRAN, Bioconductor.
    Cran,
    /// Dart's `pub_semver`: semver whose build metadata counts.
    Pub,
    /// Conan 2: ConanCenter.
    Conan,
}

impl VersionOrder {
    /// Every order.
    pub const ALL: [Self; 13] = [
        Self::Dpkg,
        Self::Rpm,
        Self::Apk,
        Self::Semver,
        Self::Go,
        Self::Pep440,
        Self::Maven,
        Self::RubyGems,
        Self::NuGet,
        Self::Packagist,
        Self::Cran,
        Self::Pub,
        Self::Conan,
    ];

    /// Compares two versions; total over all strings.
    #[must_use]
    pub fn compare(self, left: &str, right: &str) -> Ordering {
        match self {
            Self::Dpkg => dpkg::compare(left, right),
            Self::Rpm => rpm::compare(left, right),
            Self::Apk => apk::compare(left, right),
            Self::Semver => semver::compare(left, right),
            Self::Go => semver::compare_go(left, right),
            Self::Pep440 => pep440::compare(left, right),
            Self::Maven => maven::compare(left, right),
            Self::RubyGems => rubygems::compare(left, right),
            Self::NuGet => nuget::compare(left, right),
            Self::Packagist => packagist::compare(left, right),
            Self::Cran => cran::compare(left, right),
            Self::Pub => pub_dev::compare(left, right),
            Self::Conan => conan::compare(left, right),
        }
    }

    /// Whether `version` is one by this order's grammar, so that a comparison with it means something.
    #[must_use]
    pub fn knows(self, version: &str) -> bool {
        if version.is_empty() || version.len() > MAX_VERSION {
            return false;
        }
        match self {
            Self::Dpkg => dpkg::is_version(version),
            Self::Rpm => rpm::is_version(version),
            Self::Apk => apk::is_version(version),
            Self::Semver | Self::Pub => semver::is_version(version),
            Self::Go => semver::is_go_version(version),
            Self::Pep440 => pep440::is_version(version),
            Self::Maven => maven::is_version(version),
            Self::RubyGems => rubygems::is_version(version),
            Self::NuGet => nuget::is_version(version),
            Self::Packagist => packagist::is_version(version),
            Self::Cran => cran::is_version(version),
            Self::Conan => conan::is_version(version),
        }
    }
}

pub use rpm::without_epoch;
