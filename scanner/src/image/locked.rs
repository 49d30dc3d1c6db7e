//! Locked or installed: of a lock file and the packages that are there, the packages are believed.

use std::collections::{BTreeMap, BTreeSet};

use crate::packages::{
    LanguagePackage,
    locks::{Lock, project},
};

/// The packages of languages that an image holds, by what lock files are compared with.
#[derive(Debug, Default)]
pub(super) struct Installed<'a> {
    /// Versions by ecosystem and name.
    versions: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    /// Paths of the files that tell of them, with the ecosystem.
    files: BTreeMap<&'a str, &'a str>,
}

impl<'a> Installed<'a> {
    /// From the paths of files and the packages they tell of.
    pub(super) fn of(files: impl Iterator<Item = (&'a str, &'a [LanguagePackage])>) -> Self {
        let mut installed = Self::default();
        for (path, packages) in files {
            for package in packages {
                installed.files.insert(path, package.ecosystem);
                let key = (package.ecosystem, package.name.as_str());
                installed.versions.entry(key).or_default().insert(&package.version);
            }
        }
        installed
    }

    /// Whether the tree that the lock file at `path` describes is there: it tells which of `packages` were installed.
    pub(super) fn has_tree(&self, path: &str, lock: Lock, packages: &[LanguagePackage]) -> bool {
        let Some(ecosystem) = packages.first().map(|package| package.ecosystem) else { return false };
        let project = match project(path) {
            "" => String::new(),
            directory => format!("{directory}/"),
        };
        lock.trees().iter().any(|tree| {
            let tree = format!("{project}{tree}/");
            let within = self.files.range(tree.as_str()..).take_while(|(file, _)| file.starts_with(&tree));
            within.into_iter().any(|(_, of)| *of == ecosystem)
        })
    }

    /// Whether `package`, which a lock file names, is listed as installed, or an installed version tells more than the locked one.
    pub(super) fn outdoes(&self, lock: Lock, package: &LanguagePackage) -> bool {
        let versions = self.versions.get(&(package.ecosystem, package.name.as_str()));
        versions.is_some_and(|versions| lock.is_bound() || versions.contains(package.version.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: &'static str, name: &str, version: &str) -> LanguagePackage {
        LanguagePackage::new(ecosystem, name.into(), version.into(), String::new())
    }

    /// What of `locked`, in the lock file at `path`, is reported beside `installed`.
    fn reported<'a>(
        path: &str,
        locked: &'a [LanguagePackage],
        installed: &[(&str, LanguagePackage)],
    ) -> Vec<&'a str> {
        let lock = Lock::of(path).unwrap();
        let installed =
            Installed::of(installed.iter().map(|(path, package)| (*path, std::slice::from_ref(package))));
        if installed.has_tree(path, lock, locked) {
            return Vec::new();
        }
        let rest = locked.iter().filter(|package| !installed.outdoes(lock, package));
        rest.map(|package| package.name.as_str()).collect()
    }

    #[test]
    fn the_installed_package_wins() {
        let npm = |name: &str, version: &str| package("npm", name, version);
        let locked = [npm("a", "1.0.0"), npm("dev", "2.0.0")];
        let elsewhere = ("usr/local/lib/node_modules/a/package.json", npm("a", "1.0.0"));
        let older = ("usr/local/lib/node_modules/a/package.json", npm("a", "0.9.0"));
        let beside = ("app/node_modules/other/package.json", npm("other", "1.0.0"));
        let path = "app/package-lock.json";
        assert_eq!(reported(path, &locked, &[]), ["a", "dev"]);
        assert_eq!(reported(path, &locked, std::slice::from_ref(&elsewhere)), ["dev"]);
        assert_eq!(reported(path, &locked, &[older]), ["a", "dev"]);
        // The tree is there: what it lacks was not installed.
        assert!(reported(path, &locked, std::slice::from_ref(&beside)).is_empty());
        assert!(reported("app/node_modules/.package-lock.json", &locked, &[beside]).is_empty());
        // A lock in the image's root is not that of npm's own tree.
        assert_eq!(reported("package-lock.json", &locked, &[elsewhere]), ["dev"]);
        // Another ecosystem's package is another package.
        let python = ("usr/lib/python3/site-packages/a.dist-info/METADATA", package("PyPI", "a", "1.0.0"));
        assert_eq!(reported(path, &locked, &[python]), ["a", "dev"]);
    }

    #[test]
    fn a_lower_bound_gives_way_to_any_linked_version() {
        let locked = [package("Go", "x.test/a", "v1.0.0"), package("Go", "x.test/b", "v1.0.0")];
        let linked = ("usr/bin/app", package("Go", "x.test/a", "v1.5.0"));
        assert_eq!(reported("src/go.mod", &locked, &[linked]), ["x.test/b"]);
    }
}
