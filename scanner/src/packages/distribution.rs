//! How a distribution's packages are named in advisories (OSV ecosystems) and package URLs.

use breakwater_core::inventory::OperatingSystem;

use super::{OsPackage, purl::purl};

/// The package managers that write the databases we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Deb,
    Apk,
}

/// The OSV ecosystem with its release. Distributions without advisories of their own get `ID:VERSION`, which matches nothing by accident.
#[must_use]
pub fn ecosystem(os: Option<&OperatingSystem>, alpine_branch: Option<&str>) -> String {
    let Some(os) = os else { return "unknown".into() };
    let major = os.version.split('.').next().unwrap_or_default();
    match os.id.as_str() {
        "debian" => with_release("Debian", major),
        "ubuntu" => with_release("Ubuntu", &os.version),
        "alpine" => {
            let stated = os.version.split('.').take(2).collect::<Vec<_>>().join(".");
            let is_release = !stated.contains(['_', '-']) && !stated.is_empty();
            let branch =
                alpine_branch.map(str::to_owned).or_else(|| is_release.then(|| format!("v{stated}")));
            with_release("Alpine", &branch.unwrap_or_else(|| "edge".into()))
        }
        "wolfi" => "Wolfi".into(),
        "chainguard" => "Chainguard".into(),
        "almalinux" => with_release("AlmaLinux", major),
        "rocky" => with_release("Rocky Linux", major),
        id => with_release(id, &os.version),
    }
}

fn with_release(name: &str, release: &str) -> String {
    if release.is_empty() { name.to_owned() } else { format!("{name}:{release}") }
}

#[must_use]
pub fn package_url(format: Format, os: Option<&OperatingSystem>, package: &OsPackage) -> String {
    let (kind, fallback) = match format {
        Format::Deb => ("deb", "debian"),
        Format::Apk => ("apk", "alpine"),
    };
    let vendor = os.map_or(fallback, |os| os.id.as_str());
    let distro = os.map(|os| format!("{}-{}", os.id, os.version)).unwrap_or_default();
    let path = format!("{vendor}/{}", package.name);
    let qualifiers = [("arch", package.architecture.as_str()), ("distro", distro.trim_end_matches('-'))];
    purl(kind, &path, &package.version, &qualifiers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(id: &str, version: &str) -> OperatingSystem {
        OperatingSystem { id: id.into(), version: version.into(), name: String::new() }
    }

    #[test]
    fn ecosystems_are_spelled_as_osv_does() {
        for (id, version, branch, expected) in [
            ("debian", "12", None, "Debian:12"),
            ("debian", "12.4", None, "Debian:12"),
            ("debian", "", None, "Debian"),
            ("ubuntu", "22.04", None, "Ubuntu:22.04"),
            ("alpine", "3.20.3", None, "Alpine:v3.20"),
            ("alpine", "3.20.3", Some("v3.21"), "Alpine:v3.21"),
            ("alpine", "3.22_alpha20250108", None, "Alpine:edge"),
            ("almalinux", "9.4", None, "AlmaLinux:9"),
            ("wolfi", "20230201", None, "Wolfi"),
            ("kali", "2024.1", None, "kali:2024.1"),
        ] {
            assert_eq!(ecosystem(Some(&os(id, version)), branch), expected);
        }
        assert_eq!(ecosystem(None, None), "unknown");
    }

    #[test]
    fn package_urls_carry_architecture_and_distribution() {
        let package = OsPackage {
            name: "libc6".into(),
            version: "2.36-9".into(),
            architecture: "amd64".into(),
            source: None,
            licenses: Vec::new(),
        };
        assert_eq!(
            package_url(Format::Deb, Some(&os("debian", "12")), &package),
            "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12"
        );
        assert_eq!(package_url(Format::Apk, None, &package), "pkg:apk/alpine/libc6@2.36-9?arch=amd64");
    }
}
