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

/// The name under which an ecosystem is filed: `Ubuntu:22.04:LTS` is `Ubuntu:22.04`. `Ubuntu:Pro:…` stays apart: its fixes are for
/// subscribers only.
#[must_use]
pub fn canonical(ecosystem: &str) -> &str {
    match ecosystem.strip_suffix(":LTS") {
        Some(release) if base(ecosystem) == "Ubuntu" => release,
        _ => ecosystem,
    }
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
    use super::{canonical, package_key};

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
}
