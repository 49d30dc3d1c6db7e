//! What an OSV ecosystem's name implies: version order, spelling of names, and whether advisories speak of sources or binaries.

use std::borrow::Cow;

use crate::VersionOrder;

/// Which package an ecosystem's advisories name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The installed package.
    Binary,
    /// The source package, with the source's version.
    Source,
    /// Publishers differ: the installed package, and the source where it has another name.
    Both,
}

/// The part of `Debian:12` before the release.
#[must_use]
pub fn base(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or(ecosystem)
}

/// The order of an ecosystem's versions; `None` for an ecosystem whose order we do not know, which is then not judged.
#[must_use]
pub fn order(ecosystem: &str) -> Option<VersionOrder> {
    Some(match base(ecosystem) {
        "Debian" | "Ubuntu" | "Echo" | "Docker Hardened Images" => VersionOrder::Dpkg,
        "AlmaLinux" | "Rocky Linux" | "Red Hat" | "SUSE" | "openSUSE" | "openEuler" | "Mageia"
        | "Photon OS" | "Azure Linux" | "Amazon Linux" | "Oracle Linux" | "Fedora" => VersionOrder::Rpm,
        "Alpine" | "Wolfi" | "Chainguard" | "Alpaquita" | "BellSoft Hardened Containers" | "MinimOS" => {
            VersionOrder::Apk
        }
        "Go" => VersionOrder::Go,
        "npm" | "crates.io" | "Hex" | "SwiftURL" | "GitHub Actions" | "Bitnami" | "Julia" => {
            VersionOrder::Semver
        }
        "Pub" => VersionOrder::Pub,
        "ConanCenter" => VersionOrder::Conan,
        "CRAN" | "Bioconductor" => VersionOrder::Cran,
        "PyPI" => VersionOrder::Pep440,
        "Maven" => VersionOrder::Maven,
        "RubyGems" => VersionOrder::RubyGems,
        "NuGet" => VersionOrder::NuGet,
        "Packagist" => VersionOrder::Packagist,
        _ => return None,
    })
}

/// Which name advisories of this ecosystem use.
#[must_use]
pub fn naming(ecosystem: &str) -> Naming {
    match order(ecosystem) {
        Some(VersionOrder::Dpkg | VersionOrder::Apk) => Naming::Source,
        Some(VersionOrder::Rpm) if !matches!(base(ecosystem), "AlmaLinux" | "Red Hat") => Naming::Both,
        _ => Naming::Binary,
    }
}

/// The name under which an ecosystem is filed. What is for subscribers only stays apart: `Ubuntu:Pro:…`, `-LTSS`, `rhel_eus`.
///
/// `Ubuntu:22.04:LTS` is `Ubuntu:22.04`. Red Hat divides a release by repository (`enterprise_linux:9::baseos`), SUSE by product
/// (`Linux Enterprise Module for Basesystem 15 SP5`); a package is installed from any of them, so they are one: `Red Hat:9`,
/// `SUSE:15 SP5`.
#[must_use]
pub fn canonical(ecosystem: &str) -> Cow<'_, str> {
    let (base, release) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let shorter = match base {
        "Ubuntu" => release.strip_suffix(":LTS"),
        "Red Hat" => release.strip_prefix("enterprise_linux:").and_then(|release| release.split(':').next()),
        "SUSE" => suse_release(release),
        _ => None,
    };
    shorter.map_or(Cow::Borrowed(ecosystem), |release| Cow::Owned(format!("{base}:{release}")))
}

/// `Linux Enterprise Server 15 SP5` → `15 SP5`; nothing for products with another support (`15 SP3-LTSS`).
fn suse_release(product: &str) -> Option<&str> {
    let product = product.strip_prefix("Linux Enterprise ")?;
    let release = product.get(product.find(|c: char| c.is_ascii_digit())?..)?;
    release.bytes().all(|byte| byte.is_ascii_digit() || b" SP".contains(&byte)).then_some(release)
}

/// The name under which a package is filed: PEP 503 for PyPI, lower case where the registry ignores case.
#[must_use]
pub fn package_key<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    match base(ecosystem) {
        "PyPI" => pep503(name),
        "NuGet" | "Packagist" | "GitHub Actions" | "SwiftURL"
            if name.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            Cow::Owned(name.to_ascii_lowercase())
        }
        _ => Cow::Borrowed(name),
    }
}

/// Lower case, runs of `-`, `_` and `.` as one `-` (PEP 503, "Normalized names").
fn pep503(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Cow::Borrowed(name);
    }
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' => {
                if !normal.ends_with('-') {
                    normal.push('-');
                }
            }
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use super::{canonical, order, package_key};

    #[test]
    fn names_are_filed_as_their_registry_compares_them() {
        assert_eq!(package_key("PyPI", "Foo._Bar"), "foo-bar");
        assert_eq!(package_key("NuGet", "Newtonsoft.Json"), "newtonsoft.json");
        assert_eq!(package_key("npm", "JSONStream"), "JSONStream");
    }

    #[test]
    fn ubuntu_pro_is_another_ecosystem() {
        assert_eq!(canonical("Ubuntu:22.04:LTS"), "Ubuntu:22.04");
        assert_eq!(canonical("Ubuntu:Pro:22.04:LTS"), "Ubuntu:Pro:22.04");
        assert_eq!(canonical("Debian:12"), "Debian:12");
    }

    #[test]
    fn repositories_and_products_of_one_release_are_one() {
        for (published, filed) in [
            ("Red Hat:enterprise_linux:9::baseos", "Red Hat:9"),
            ("Red Hat:enterprise_linux:8::appstream", "Red Hat:8"),
            ("Red Hat:rhel_eus:9.2::baseos", "Red Hat:rhel_eus:9.2::baseos"),
            ("SUSE:Linux Enterprise Server 15 SP5", "SUSE:15 SP5"),
            ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "SUSE:15 SP5"),
            ("SUSE:Linux Enterprise Server 15 SP3-LTSS", "SUSE:Linux Enterprise Server 15 SP3-LTSS"),
            ("openSUSE:Leap 15.5", "openSUSE:Leap 15.5"),
        ] {
            assert_eq!(canonical(published), filed);
        }
    }

    /// The ecosystems of the OSV schema that distributions and registries use, each with its order.
    #[test]
    fn every_distribution_and_registry_has_its_order() {
        use crate::VersionOrder::{
            Apk, Conan, Cran, Dpkg, Go, Maven, NuGet, Packagist, Pep440, Pub, Rpm, RubyGems, Semver,
        };
        let of = [
            (Dpkg, "Debian:12 Ubuntu:24.04:LTS Ubuntu:Pro:18.04:LTS Echo"),
            (
                Rpm,
                "AlmaLinux:9 Rocky_Linux:9 Red_Hat:9 SUSE:15_SP5 openSUSE:Leap_15.5 openEuler:24.03-LTS Mageia:9 Photon_OS:5.0 Azure_Linux:3",
            ),
            (Apk, "Alpine:v3.20 Wolfi Chainguard Alpaquita:stream MinimOS BellSoft_Hardened_Containers:23"),
            (Semver, "npm crates.io Hex SwiftURL GitHub_Actions Bitnami Julia"),
            (Go, "Go"),
            (Pep440, "PyPI"),
            (Maven, "Maven"),
            (RubyGems, "RubyGems"),
            (NuGet, "NuGet"),
            (Packagist, "Packagist"),
            (Cran, "CRAN Bioconductor"),
            (Pub, "Pub"),
            (Conan, "ConanCenter"),
        ];
        for (expected, ecosystems) in of {
            for ecosystem in ecosystems.split(' ') {
                assert_eq!(order(&ecosystem.replace('_', " ")), Some(expected), "{ecosystem}");
            }
        }
        assert_eq!(order("OSS-Fuzz"), None);
    }
}
