//! Which files of an image are read, by their path alone.

use crate::{
    limits::{MAX_FILE, MAX_RPM_DATABASE},
    packages::Family,
};

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    OsRelease,
    AlpineRepositories,
    DpkgStatus,
    /// The files of one dpkg package.
    DpkgFiles,
    ApkInstalled,
    /// An rpm database, in any of its formats.
    Rpm,
    /// What SQLite has not yet put into an rpm database.
    RpmLog,
    /// The licences of one dpkg package.
    Copyright,
    /// Packages of a language.
    Language(Family),
    /// Known to hold packages, and not read: the reason for `unanalysed`.
    Unread(&'static str),
}

const MANIFEST: &str = "rpm's list in images without rpm is not read";

impl Want {
    /// The largest such file that is read, in bytes.
    pub(super) fn bound(self) -> u64 {
        match self {
            Self::Language(family) => family.bound(),
            Self::Rpm => MAX_RPM_DATABASE,
            _ => MAX_FILE,
        }
    }
}

pub(crate) fn want(path: &str) -> Option<Want> {
    by_place(path).or_else(|| Family::of(path).map(Want::Language))
}

fn by_place(path: &str) -> Option<Want> {
    Some(match path {
        "etc/os-release" | "usr/lib/os-release" => Want::OsRelease,
        "etc/apk/repositories" => Want::AlpineRepositories,
        "var/lib/dpkg/status" => Want::DpkgStatus,
        // Azure Linux's images without rpm.
        "var/lib/rpmmanifest/container-manifest-1" | "var/lib/rpmmanifest/container-manifest-2" => {
            Want::Unread(MANIFEST)
        }
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Want::ApkInstalled,
        _ => {
            if let Some(file) = path.strip_prefix("var/lib/dpkg/status.d/") {
                return Some(if file.ends_with(".md5sums") { Want::DpkgFiles } else { Want::DpkgStatus });
            }
            if let Some(file) = path.strip_prefix("var/lib/dpkg/info/") {
                return file.ends_with(".list").then_some(Want::DpkgFiles);
            }
            if let Some(document) = path.strip_prefix("usr/share/doc/") {
                // The directory itself, too: it may be a link to another package's.
                let package = document.strip_suffix("/copyright").unwrap_or(document);
                return (!package.contains('/')).then_some(Want::Copyright);
            }
            let file = ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"]
                .iter()
                .find_map(|directory| path.strip_prefix(directory))?;
            match file {
                "Packages" | "Packages.db" | "rpmdb.sqlite" => Want::Rpm,
                "rpmdb.sqlite-wal" | "rpmdb.sqlite-journal" => Want::RpmLog,
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_wanted_by_their_place() {
        for (path, expected) in [
            ("etc/os-release", Some(Want::OsRelease)),
            ("var/lib/dpkg/status", Some(Want::DpkgStatus)),
            ("var/lib/dpkg/status.d/base", Some(Want::DpkgStatus)),
            ("var/lib/dpkg/status.d/base.md5sums", Some(Want::DpkgFiles)),
            ("var/lib/dpkg/info/bash.list", Some(Want::DpkgFiles)),
            ("var/lib/dpkg/info/bash.postinst", None),
            ("var/lib/dpkg/status-old", None),
            ("usr/share/doc/bash/copyright", Some(Want::Copyright)),
            ("usr/share/doc/bash/examples/copyright", None),
            ("lib/apk/db/installed", Some(Want::ApkInstalled)),
            ("usr/lib/apk/db/installed", Some(Want::ApkInstalled)),
            ("app/node_modules/left-pad/package.json", Some(Want::Language(Family::NpmPackage))),
            ("app/node_modules/@types/node/package.json", Some(Want::Language(Family::NpmPackage))),
            ("app/node_modules/a/dist/esm/package.json", None),
            ("app/package.json", None),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
                Some(Want::Language(Family::PythonMetadata)),
            ),
            ("usr/lib/python3/dist-packages/six.egg-info", Some(Want::Language(Family::PythonMetadata))),
            (
                "usr/lib/python3/dist-packages/six.egg-info/PKG-INFO",
                Some(Want::Language(Family::PythonMetadata)),
            ),
            ("METADATA", None),
            ("var/lib/rpm/rpmdb.sqlite", Some(Want::Rpm)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(Want::Rpm)),
            ("usr/share/rpm/Packages", Some(Want::Rpm)),
            ("var/lib/rpm/rpmdb.sqlite-wal", Some(Want::RpmLog)),
            ("var/lib/rpm/rpmdb.sqlite-shm", None),
            ("var/lib/rpm/Name", None),
            ("var/lib/rpmmanifest/container-manifest-2", Some(Want::Unread(MANIFEST))),
            (
                "usr/lib/ruby/specifications/default/json-2.6.1.gemspec",
                Some(Want::Language(Family::GemSpecification)),
            ),
            ("usr/lib/ruby/gems/json-2.6.1/json.gemspec", None),
            ("srv/vendor/composer/installed.json", Some(Want::Language(Family::ComposerInstalled))),
            ("srv/installed.json", None),
            ("app/App.deps.json", Some(Want::Language(Family::DotnetDependencies))),
            ("usr/lib/R/site-library/rlang/DESCRIPTION", Some(Want::Language(Family::RDescription))),
            ("srv/DESCRIPTION", None),
            ("opt/conda/conda-meta/openssl-3.0.8-0.json", Some(Want::Language(Family::CondaRecord))),
            ("usr/lib/python3/six-1.16.egg/EGG-INFO/PKG-INFO", Some(Want::Language(Family::PythonMetadata))),
            ("opt/App.JAR", Some(Want::Language(Family::JavaArchive))),
        ] {
            assert_eq!(want(path), expected, "{path}");
        }
    }
}
