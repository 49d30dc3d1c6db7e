//! From types of package URLs to advisories' ecosystems (OSV schema, "Defined Ecosystems").

use breakwater_core::{inventory::OperatingSystem, printable};

use crate::packages::{PackageUrl, distribution, python};

/// The OSV ecosystem of a package, with its release where it has one; `Err` is the reason why it has none that is known.
pub(super) fn ecosystem(purl: &PackageUrl, os: Option<&OperatingSystem>) -> Result<String, String> {
    let language = match purl.kind.as_str() {
        "npm" => "npm",
        "pypi" => "PyPI",
        "golang" => "Go",
        "cargo" => "crates.io",
        "maven" => "Maven",
        "gem" => "RubyGems",
        "nuget" => "NuGet",
        "composer" => "Packagist",
        "hex" => "Hex",
        "pub" => "Pub",
        "conan" => "ConanCenter",
        "cran" => "CRAN",
        "hackage" => "Hackage",
        "swift" => "SwiftURL",
        "julia" => "Julia",
        "bitnami" => "Bitnami",
        "githubactions" => "GitHub Actions",
        "deb" | "apk" | "rpm" => return distribution_of(purl, os),
        kind => {
            let kind = printable::line(kind, 40);
            return Err(format!(
                "components of the package URL type {kind} are in no advisories that are read"
            ));
        }
    };
    Ok(language.into())
}

fn distribution_of(purl: &PackageUrl, os: Option<&OperatingSystem>) -> Result<String, String> {
    let stated = release(purl);
    let is_same = |os: &&OperatingSystem| purl.namespace.is_empty() || os.id == purl.namespace.to_lowercase();
    let os = stated.as_ref().or_else(|| os.filter(is_same));
    os.filter(|os| !os.version.is_empty() || matches!(os.id.as_str(), "wolfi" | "chainguard"))
        .map(|os| distribution::ecosystem(Some(os), None))
        .ok_or_else(|| "distributions' packages of no stated release cannot be matched".into())
}

/// The qualifier `distro`: `debian-12`, `12` beside the namespace, or a code name. The namespace alone suffices where nothing has releases.
fn release(purl: &PackageUrl) -> Option<OperatingSystem> {
    let namespace = purl.namespace.to_lowercase();
    let distro = purl.qualifier("distro").to_lowercase();
    let (id, version) = match distro.split_once('-') {
        Some((id, version)) if id.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (id.to_owned(), version.to_owned())
        }
        _ => (namespace.clone(), distro),
    };
    let version = codename(&version).map_or(version, str::to_owned);
    let is_rolling = matches!(id.as_str(), "wolfi" | "chainguard");
    let is_number = version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    (is_rolling || is_number).then(|| OperatingSystem {
        id,
        version: version.trim_start_matches('v').to_owned(),
        name: String::new(),
    })
}

/// The release behind a code name of Debian and Ubuntu.
fn codename(name: &str) -> Option<&'static str> {
    Some(match name {
        "buster" => "10",
        "bullseye" => "11",
        "bookworm" => "12",
        "trixie" => "13",
        "forky" => "14",
        "bionic" => "18.04",
        "focal" => "20.04",
        "jammy" => "22.04",
        "noble" => "24.04",
        _ => return None,
    })
}

/// The name under which advisories know the package.
pub(super) fn advisory_name(purl: &PackageUrl) -> String {
    let joined = |divider: &str| match purl.namespace.as_str() {
        "" => purl.name.clone(),
        namespace => format!("{namespace}{divider}{}", purl.name),
    };
    match purl.kind.as_str() {
        "deb" | "apk" | "rpm" | "conan" | "hex" | "bitnami" => purl.name.clone(),
        "maven" => joined(":"),
        "pypi" => python::normalise(&purl.name),
        _ => joined("/"),
    }
}
