//! Which files tell of a language's packages, by their path, and what reads them.

use std::str::from_utf8;

use super::{Listing, composer, conda, cran, dotnet, java, locks::Lock, npm, python, ruby};
use crate::limits::{MAX_ARCHIVE, MAX_FILE};

/// A kind of file that lists packages of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    NpmPackage,
    PythonMetadata,
    JavaArchive,
    GemSpecification,
    ComposerInstalled,
    DotnetDependencies,
    CondaRecord,
    RDescription,
    /// What was to be installed, which need not be there.
    Lock(Lock),
}

impl Family {
    /// What the file at `path` (relative to the image's root) is, by its name and place.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        match name {
            "package.json" => is_npm_package(directory).then_some(Self::NpmPackage),
            "METADATA" => directory.ends_with(".dist-info").then_some(Self::PythonMetadata),
            "PKG-INFO" => (directory.ends_with(".egg-info") || directory.ends_with(".egg/EGG-INFO"))
                .then_some(Self::PythonMetadata),
            "DESCRIPTION" => is_r_package(directory).then_some(Self::RDescription),
            "installed.json" => directory.ends_with("vendor/composer").then_some(Self::ComposerInstalled),
            _ if directory.ends_with("conda-meta") && name.ends_with(".json") => Some(Self::CondaRecord),
            _ if name.ends_with(".deps.json") => Some(Self::DotnetDependencies),
            _ if java::is_archive(name) => Some(Self::JavaArchive),
            _ if name.ends_with(".egg-info") => Some(Self::PythonMetadata),
            _ if name.ends_with(".gemspec") => is_gem_directory(directory).then_some(Self::GemSpecification),
            _ => Lock::of(path).map(Self::Lock),
        }
    }

    /// The largest file of this kind that is read, in bytes.
    #[must_use]
    pub fn bound(self) -> u64 {
        match self {
            Self::JavaArchive => MAX_ARCHIVE,
            _ => MAX_FILE,
        }
    }

    /// The packages that `bytes`, the file at `path`, tell of.
    ///
    /// # Errors
    /// Why the file cannot be read, for `unanalysed`.
    pub fn read(self, path: &str, bytes: &[u8]) -> Result<Listing, String> {
        let text = || from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Into::into);
        let packages: Vec<_> = match self {
            Self::JavaArchive => return java::read(path, bytes),
            Self::GemSpecification => {
                ruby::parse(path.rsplit('/').next().unwrap_or(path), &text()).into_iter().collect()
            }
            Self::CondaRecord => vec![conda::parse(bytes)?],
            Self::RDescription => cran::parse(&text()).into_iter().collect(),
            Self::ComposerInstalled => composer::parse(bytes)?,
            Self::DotnetDependencies => dotnet::parse(bytes)?,
            Self::NpmPackage => npm::parse(bytes)?.into_iter().collect(),
            Self::PythonMetadata => python::parse(&text()).into_iter().collect(),
            Self::Lock(lock) => lock.read(&text())?,
        };
        Ok(packages.into())
    }
}

/// Whether `directory` is `library/NAME` or `site-library/NAME`.
fn is_r_package(directory: &str) -> bool {
    directory.rsplit_once('/').is_some_and(|(above, _)| above.ends_with("library"))
}

/// Where installed gems are specified, and those that come with Ruby itself.
fn is_gem_directory(directory: &str) -> bool {
    let directory = directory.strip_suffix("/default").unwrap_or(directory);
    directory == "specifications" || directory.ends_with("/specifications")
}

/// Whether `directory` is `node_modules/NAME` or `node_modules/@SCOPE/NAME`: a package's own, not one in its depths.
fn is_npm_package(directory: &str) -> bool {
    let mut parts = directory.rsplit('/');
    let (name, above) = (parts.next(), parts.next());
    match (name, above) {
        (Some(_), Some("node_modules")) => true,
        (Some(_), Some(scope)) => scope.starts_with('@') && parts.next() == Some("node_modules"),
        _ => false,
    }
}
