//! How a distribution's packages are named in advisories (OSV ecosystems) and package URLs.

use breakwater_core::inventory::OperatingSystem;

use super::{OsPackage, purl::purl};

/// The package managers that write the databases we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Deb,
    Apk,
    Rpm,
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
        "rhel" => with_release("Red Hat:enterprise_linux", major),
        "ol" => with_release("Oracle Linux", major),
        "amzn" => with_release("Amazon Linux", &os.version),
        "fedora" => with_release("Fedora", &os.version),
        "azurelinux" | "mariner" => with_release("Azure Linux", major),
        "photon" => with_release("Photon OS", &os.version),
        "mageia" => with_release("Mageia", major),
        "openeuler" => with_release("openEuler", &openeuler_release(os)),
        "opensuse-tumbleweed" => "openSUSE:Tumbleweed".into(),
        "opensuse-leap" => format!("openSUSE:Leap {}", os.version),
        "opensuse-leap-micro" => format!("openSUSE:Leap Micro {}", os.version),
        "sles" | "sles_sap" => format!("SUSE:Linux Enterprise Server {}", service_pack(&os.version)),
        "sled" => format!("SUSE:Linux Enterprise Desktop {}", service_pack(&os.version)),
        "sle-micro" => format!("SUSE:Linux Enterprise Micro {}", os.version),
        "sl-micro" => format!("SUSE:Linux Micro {}", os.version),
        id => with_release(id, &os.version),
    }
}

fn with_release(name: &str, release: &str) -> String {
    if release.is_empty() { name.to_owned() } else { format!("{name}:{release}") }
}

/// SUSE counts `15.5` in os-release and `15 SP5` in advisories.
fn service_pack(version: &str) -> String {
    match version.split_once('.') {
        Some((release, pack)) if pack != "0" => format!("{release} SP{pack}"),
        Some((release, _)) => release.to_owned(),
        None => version.to_owned(),
    }
}

/// `24.03-LTS-SP1`: the long-term support and service pack stand in the name only, `openEuler 24.03 (LTS-SP1)`.
fn openeuler_release(os: &OperatingSystem) -> String {
    let support =
        os.name.rsplit_once('(').map_or("", |(_, support)| support.trim_end().trim_end_matches(')'));
    let dash = if support.is_empty() { "" } else { "-" };
    format!("{}{dash}{support}", os.version)
}

/// rpm packages carry their epoch as a qualifier, others within the version (purl-spec, type definitions).
#[must_use]
pub fn package_url(format: Format, os: Option<&OperatingSystem>, package: &OsPackage) -> String {
    let distro = os.map(|os| format!("{}-{}", os.id, os.version)).unwrap_or_default();
    let distro = distro.trim_end_matches('-');
    let id = os.map(|os| os.id.as_str());
    let arch = ("arch", package.architecture.as_str());
    let path = |vendor: &str| format!("{vendor}/{}", package.name);
    match format {
        Format::Deb => {
            purl("deb", &path(id.unwrap_or("debian")), &package.version, &[arch, ("distro", distro)])
        }
        Format::Apk => {
            purl("apk", &path(id.unwrap_or("alpine")), &package.version, &[arch, ("distro", distro)])
        }
        Format::Rpm => {
            let (epoch, version) = package.version.split_once(':').unwrap_or(("", &package.version));
            let source = package.source.as_ref();
            let source = source.map(|source| format!("{}-{}.src.rpm", source.name, source.version));
            let qualifiers = [
                arch,
                ("distro", distro),
                ("epoch", epoch),
                ("rpmmod", &package.module),
                ("upstream", source.as_deref().unwrap_or_default()),
            ];
            purl("rpm", &path(id.map_or("redhat", rpm_vendor)), version, &qualifiers)
        }
    }
}

/// The vendor in package URLs, where it is not the distribution's id.
fn rpm_vendor(id: &str) -> &str {
    match id {
        "rhel" => "redhat",
        id if id.starts_with("opensuse") => "opensuse",
        id if id.starts_with("sle") || id == "sl-micro" => "suse",
        id => id,
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::inventory::SourcePackage;

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
            ("rocky", "9.3", None, "Rocky Linux:9"),
            ("rhel", "9.4", None, "Red Hat:enterprise_linux:9"),
            ("mariner", "2.0.20240417", None, "Azure Linux:2"),
            ("azurelinux", "3.0", None, "Azure Linux:3"),
            ("photon", "5.0", None, "Photon OS:5.0"),
            ("opensuse-leap", "15.6", None, "openSUSE:Leap 15.6"),
            ("opensuse-tumbleweed", "20240601", None, "openSUSE:Tumbleweed"),
            ("sles", "15.5", None, "SUSE:Linux Enterprise Server 15 SP5"),
            ("sles", "12", None, "SUSE:Linux Enterprise Server 12"),
            ("kali", "2024.1", None, "kali:2024.1"),
        ] {
            assert_eq!(ecosystem(Some(&os(id, version)), branch), expected);
        }
        assert_eq!(ecosystem(None, None), "unknown");
        let euler = |name: &str| OperatingSystem { name: name.into(), ..os("openeuler", "24.03") };
        assert_eq!(ecosystem(Some(&euler("openEuler 24.03 (LTS-SP1)")), None), "openEuler:24.03-LTS-SP1");
        assert_eq!(ecosystem(Some(&euler("openEuler 24.03")), None), "openEuler:24.03");
    }

    #[test]
    fn package_urls_carry_architecture_and_distribution() {
        let package = OsPackage {
            name: "libc6".into(),
            version: "2.36-9".into(),
            architecture: "amd64".into(),
            source: None,
            licenses: Vec::new(),
            module: String::new(),
        };
        assert_eq!(
            package_url(Format::Deb, Some(&os("debian", "12")), &package),
            "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12"
        );
        assert_eq!(package_url(Format::Apk, None, &package), "pkg:apk/alpine/libc6@2.36-9?arch=amd64");
    }

    #[test]
    fn package_urls_of_rpm_keep_the_epoch_apart() {
        let package = OsPackage {
            name: "nodejs".into(),
            version: "1:18.14.2-2.module_el8.7.0+3525+5e65c1ba".into(),
            architecture: "x86_64".into(),
            source: Some(SourcePackage { name: "node".into(), version: "18-2".into() }),
            licenses: Vec::new(),
            module: "nodejs:18:8070020230306170042:bd1311ed".into(),
        };
        assert_eq!(
            package_url(Format::Rpm, Some(&os("almalinux", "8.7")), &package),
            "pkg:rpm/almalinux/nodejs@18.14.2-2.module_el8.7.0%2B3525%2B5e65c1ba?arch=x86_64&distro=almalinux-8.7&epoch=1\
             &rpmmod=nodejs:18:8070020230306170042:bd1311ed&upstream=node-18-2.src.rpm"
        );
        let plain = OsPackage { version: "1-2".into(), source: None, module: String::new(), ..package };
        let url = package_url(Format::Rpm, Some(&os("rhel", "9.4")), &plain);
        assert_eq!(url, "pkg:rpm/redhat/nodejs@1-2?arch=x86_64&distro=rhel-9.4");
    }
}
