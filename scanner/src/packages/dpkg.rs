//! dpkg's database: `status` (or one file per package in `status.d`, as distroless images have it) and the lists of owned files.

use breakwater_core::inventory::{MAX_PACKAGES, SourcePackage};

use super::{OsPackage, name, version};

/// The packages whose files are there: states `not-installed` and `config-files` (dpkg(1)) are left out, a missing state
/// (`status.d`) means installed.
pub fn parse_status(text: &str) -> Vec<OsPackage> {
    paragraphs(text).filter_map(package).take(MAX_PACKAGES).collect()
}

/// The files of one package, from `info/PACKAGE.list` (a path a line) or `status.d/PACKAGE.md5sums` (hash, two spaces, path): paths
/// without leading slash, one a line.
pub fn parse_files(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let path = line.split_once("  ").map_or(line, |(_, path)| path);
        out.push_str(path.trim_start_matches("./").trim_start_matches('/'));
        out.push('\n');
    }
    out
}

fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty())
}

fn package(paragraph: &str) -> Option<OsPackage> {
    let field = |wanted: &str| {
        paragraph.lines().filter(|line| !line.starts_with([' ', '\t'])).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let state = field("Status").and_then(|status| status.split_whitespace().nth(2)).unwrap_or("installed");
    if matches!(state, "not-installed" | "config-files") {
        return None;
    }
    let package_name = name(field("Package")?);
    let package_version = version(field("Version")?);
    if package_name.is_empty() || package_version.is_empty() {
        return None;
    }
    let source = field("Source").map(|source| match source.split_once('(') {
        Some((source, rest)) => {
            SourcePackage { name: name(source), version: version(rest.trim_end().trim_end_matches(')')) }
        }
        None => SourcePackage { name: name(source), version: package_version.clone() },
    });
    let source = source.filter(|source| source.name != package_name || source.version != package_version);
    Some(OsPackage {
        architecture: name(field("Architecture").unwrap_or_default()),
        name: package_name,
        version: package_version,
        source,
        licenses: Vec::new(),
        module: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u4
Description: GNU C Library
 Version: 9.9 is not this

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: bash
Status: hold ok installed
Architecture: amd64
Version: 5.2.15-2+b2
Source: bash (5.2.15-2)

Package: half
Status: install reinstreq half-installed
Architecture: amd64
Version: 2

Package: nothing-else
";

    #[test]
    fn reads_what_is_installed_with_its_source() {
        let packages = parse_status(STATUS);
        let read: Vec<_> = packages
            .iter()
            .map(|p| {
                (
                    p.name.as_str(),
                    p.version.as_str(),
                    p.source.as_ref().map(|s| (s.name.as_str(), s.version.as_str())),
                )
            })
            .collect();
        assert_eq!(
            read,
            [
                ("libc6", "2.36-9+deb12u4", Some(("glibc", "2.36-9+deb12u4"))),
                ("bash", "5.2.15-2+b2", Some(("bash", "5.2.15-2"))),
                ("half", "2", None),
            ]
        );
        assert_eq!(packages[0].architecture, "amd64");
    }

    #[test]
    fn distroless_files_have_no_state() {
        let packages = parse_status("Package: base-files\nVersion: 12.4\nArchitecture: amd64\n");
        assert_eq!(packages.len(), 1);
    }

    #[test]
    fn owned_files_have_one_spelling() {
        assert_eq!(parse_files("/.\n/usr/bin/x\n"), ".\nusr/bin/x\n");
        assert_eq!(parse_files("d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n"), "usr/bin/x\n");
    }
}
