//! apk's database of installed packages (apk-tools, "installed" file): one-letter fields, a blank line between packages.

use breakwater_core::inventory::{MAX_PACKAGES, SourcePackage};

use super::{OsPackage, license, name, version};

/// The packages, and the paths of the files they own, one a line.
pub fn parse_installed(text: &str) -> (Vec<OsPackage>, String) {
    let mut packages = Vec::new();
    let mut files = String::new();
    for paragraph in text.split("\n\n") {
        if packages.len() == MAX_PACKAGES {
            break;
        }
        let mut directory = "";
        let (mut package, mut origin) = (empty(), "");
        for line in paragraph.lines() {
            let Some((field, value)) = line.split_once(':') else { continue };
            match field {
                "P" => package.name = name(value),
                "V" => package.version = version(value),
                "A" => package.architecture = name(value),
                "L" => package.licenses = license::spdx(value),
                "o" => origin = value,
                "F" => directory = value,
                "R" => {
                    files.push_str(directory);
                    files.push('/');
                    files.push_str(value);
                    files.push('\n');
                }
                _ => {}
            }
        }
        if package.name.is_empty() || package.version.is_empty() {
            continue;
        }
        let origin = name(origin);
        if !origin.is_empty() && origin != package.name {
            package.source = Some(SourcePackage { name: origin, version: package.version.clone() });
        }
        packages.push(package);
    }
    (packages, files)
}

fn empty() -> OsPackage {
    OsPackage {
        name: String::new(),
        version: String::new(),
        architecture: String::new(),
        source: None,
        licenses: Vec::new(),
        module: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_packages_origins_and_files() {
        let text = "C:Q1abc=\nP:libcrypto3\nV:3.3.1-r0\nA:x86_64\nL:Apache-2.0\no:openssl\nF:lib\nR:libcrypto.so.3\na:0:0:755\nF:usr/lib\n\n\
                    P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:broken\n";
        let (packages, files) = parse_installed(text);
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].name, "libcrypto3");
        assert_eq!(packages[0].source.as_ref().unwrap().name, "openssl");
        assert_eq!(packages[0].licenses, ["Apache-2.0"]);
        assert_eq!(packages[1].source, None);
        assert_eq!(files, "lib/libcrypto.so.3\nlib/ld-musl-x86_64.so.1\n");
    }
}
