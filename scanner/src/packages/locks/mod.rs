//! Lock files: which versions a project is to be built with.
//!
//! A lock tells what was to be installed, a tree of installed packages what is there: where the image holds both, the tree is believed
//! (see [`Lock::trees`] and `image/assemble.rs`). Development dependencies are kept: the lock does not say what was left out at
//! installation. A project's own members (workspaces, paths) are no packages.

mod bun;
mod cargo;
mod composer;
mod conan;
mod entries;
mod gemfile;
mod gomod;
mod gradle;
mod mix;
mod npm;
mod nuget;
mod pnpm;
mod pubspec;
mod python;
mod requirements;
mod swift;
mod tables;
mod yarn;

use breakwater_core::inventory::MAX_PACKAGES;

use super::{LanguagePackage, purl};
use crate::limits::{MAX_LOCK, MAX_LOCK_ENTRY};

/// A format of lock files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// `package-lock.json`, `npm-shrinkwrap.json`, `node_modules/.package-lock.json`.
    Npm,
    Yarn,
    Pnpm,
    Bun,
    /// `poetry.lock`, `uv.lock`, `pdm.lock`, `pylock.toml`: one shape.
    PythonToml,
    Pipfile,
    Requirements,
    Gemfile,
    Composer,
    NuGet,
    Cargo,
    /// `go.mod`: the lowest versions asked for, which are those that are built unless another module asks for more.
    GoModule,
    Conan,
    Pubspec,
    Mix,
    Swift,
    Gradle,
}

impl Lock {
    /// Every format; its place is the first byte of the fuzz target's seeds.
    pub const ALL: [Self; 17] = [
        Self::Npm,
        Self::Yarn,
        Self::Pnpm,
        Self::Bun,
        Self::PythonToml,
        Self::Pipfile,
        Self::Requirements,
        Self::Gemfile,
        Self::Composer,
        Self::NuGet,
        Self::Cargo,
        Self::GoModule,
        Self::Conan,
        Self::Pubspec,
        Self::Mix,
        Self::Swift,
        Self::Gradle,
    ];

    /// The format of the file at `path`, by its name. Files in the depths of installed packages are `None`: a package's own lock tells
    /// how its authors work, not what is installed.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        if is_within_package(project(path)) {
            return None;
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        Some(match name {
            "package-lock.json" | "npm-shrinkwrap.json" => Self::Npm,
            ".package-lock.json" if ends_with(directory, "node_modules") => Self::Npm,
            "yarn.lock" => Self::Yarn,
            "pnpm-lock.yaml" => Self::Pnpm,
            "bun.lock" => Self::Bun,
            "poetry.lock" | "uv.lock" | "pdm.lock" | "pylock.toml" => Self::PythonToml,
            "Pipfile.lock" => Self::Pipfile,
            "Gemfile.lock" | "gems.locked" => Self::Gemfile,
            "composer.lock" => Self::Composer,
            "packages.lock.json" => Self::NuGet,
            "Cargo.lock" => Self::Cargo,
            "go.mod" => Self::GoModule,
            "conan.lock" => Self::Conan,
            "pubspec.lock" => Self::Pubspec,
            "mix.lock" => Self::Mix,
            "Package.resolved" => Self::Swift,
            "gradle.lockfile" | "buildscript-gradle.lockfile" => Self::Gradle,
            _ if name.starts_with("requirements") && name.ends_with(".txt") => Self::Requirements,
            _ if name.starts_with("pylock.") && name.ends_with(".toml") => Self::PythonToml,
            _ => return None,
        })
    }

    /// The packages that a lock file of this format names, each once.
    ///
    /// # Errors
    /// Why the file cannot be read, for `unanalysed`.
    pub fn read(self, text: &str) -> Result<Vec<LanguagePackage>, String> {
        if text.len() > MAX_LOCK {
            return Err(format!("a lock file larger than {} MiB is not read", MAX_LOCK >> 20));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = match self {
            Self::Npm => npm::parse(text),
            Self::Yarn => Some(yarn::parse(text)),
            Self::Pnpm => pnpm::parse(text),
            Self::Bun => bun::parse(text),
            Self::PythonToml => python::parse(text),
            Self::Pipfile => python::parse_pipfile(text),
            Self::Requirements => bounded(requirements::parse(text)),
            Self::Gemfile => bounded(gemfile::parse(text)),
            Self::Composer => composer::parse(text),
            Self::NuGet => nuget::parse(text),
            Self::Cargo => cargo::parse(text),
            Self::GoModule => Some(gomod::parse(text)),
            Self::Conan => conan::parse(text),
            Self::Pubspec => pubspec::parse(text),
            Self::Mix => bounded(mix::parse(text)),
            Self::Swift => swift::parse(text),
            Self::Gradle => bounded(gradle::parse(text)),
        };
        let mut packages = read.filter(|packages| packages.len() <= MAX_PACKAGES).ok_or_else(|| {
 format!("a lock file that cannot be understood, or of more than {MAX_PACKAGES} packages or {} KiB a package", MAX_LOCK_ENTRY >> 10)
 })?;
        packages.sort_by(|left, right| left.purl.cmp(&right.purl));
        packages.dedup_by(|left, right| left.purl == right.purl);
        Ok(packages)
    }

    /// The directories that hold, beside a lock file of this format, what was installed by it. One that is there is believed: what it
    /// lacks was not installed (development dependencies, other platforms' packages).
    #[must_use]
    pub fn trees(self) -> &'static [&'static str] {
        match self {
            Self::Npm | Self::Yarn | Self::Pnpm | Self::Bun => &["node_modules"],
            Self::PythonToml | Self::Pipfile | Self::Requirements => &[".venv", "venv"],
            Self::Gemfile | Self::Composer => &["vendor"],
            _ => &[],
        }
    }

    /// Whether an installed version of a package outdoes every locked one: a lower bound says nothing beside what was linked.
    #[must_use]
    pub fn is_bound(self) -> bool {
        self == Self::GoModule
    }
}

/// The directory of the project that the lock file at `path` belongs to: the file's, or the one above `node_modules`.
#[must_use]
pub fn project(path: &str) -> &str {
    let above = |path: &str| path.rfind('/').unwrap_or(0);
    let directory = path.get(..above(path)).unwrap_or_default();
    let end = if ends_with(directory, "node_modules") { above(directory) } else { directory.len() };
    directory.get(..end).unwrap_or_default()
}

fn ends_with(directory: &str, name: &str) -> bool {
    directory.rsplit('/').next() == Some(name)
}

/// Whether `directory` lies in a package that was installed or fetched, or in what Go's tools pass over (`go help packages`).
fn is_within_package(directory: &str) -> bool {
    const TREES: [&str; 6] = ["node_modules", "site-packages", "dist-packages", "gems", "vendor", "testdata"];
    const CACHES: [&str; 2] = ["pkg/mod/", "registry/src/"];
    directory.split('/').any(|part| TREES.contains(&part))
        || CACHES.iter().any(|cache| directory.contains(cache))
}

/// The package of this name and version; `None` if one of them is missing.
fn package(ecosystem: &'static str, name: &str, version: &str) -> Option<LanguagePackage> {
    qualified(ecosystem, name, version, &[])
}

fn qualified(
    ecosystem: &'static str,
    name: &str,
    version: &str,
    qualifiers: &[(&str, &str)],
) -> Option<LanguagePackage> {
    let (name, version) = (super::name(name), super::version(version));
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let purl = purl::of_language(ecosystem, &name, &version, qualifiers);
    Some(LanguagePackage::new(ecosystem, name, version, purl))
}

/// One more than are allowed, so that it is seen.
fn bounded(packages: impl Iterator<Item = LanguagePackage>) -> Option<Vec<LanguagePackage>> {
    Some(packages.take(MAX_PACKAGES + 1).collect())
}

/// Whether a version is one, and not the address of a repository or directory in its place.
fn is_released(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests;
