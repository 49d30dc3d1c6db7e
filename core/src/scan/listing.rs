//! Questions about repositories, whose tags the Job lists itself: the operator never talks to a registry.

use serde::{Deserialize, Serialize};

use super::{ScanFailure, version::newest_first};
use crate::{ImageReference, glob::Glob};

/// The most tags of one repository that are looked at. A repository with more is not listed, and says so.
pub const MAX_TAGS: usize = 10_000;
/// The most repositories of one question.
pub const MAX_REPOSITORIES: usize = 100;

/// A repository, and which of its tags are wanted. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryQuestion {
    /// Host and port.
    pub registry: String,
    pub name: String,
    /// A tag must match one. Empty: all do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Glob>,
    /// A tag must match none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Glob>,
    /// A range of semantic versions; a tag that is no version, with or without a leading `v`, is outside. `None`: all are inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<semver::VersionReq>,
    /// Only the newest so many, as [`newest_first`] orders them. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
}

impl RepositoryQuestion {
    /// Whether this tag is wanted, if it is new enough.
    #[must_use]
    pub fn selects(&self, tag: &str) -> bool {
        let within = |versions: &semver::VersionReq| {
            let version = tag.strip_prefix('v').unwrap_or(tag).parse();
            version.is_ok_and(|version| versions.matches(&version))
        };
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(tag)))
            && !self.exclude.iter().any(|glob| glob.matches(tag))
            && self.versions.as_ref().is_none_or(within)
    }

    /// The wanted ones of these tags, newest first.
    #[must_use]
    pub fn select(&self, tags: Vec<String>) -> Vec<String> {
        let mut tags: Vec<String> = tags.into_iter().filter(|tag| self.selects(tag)).collect();
        newest_first(&mut tags);
        tags.dedup();
        tags.truncate(self.newest());
        tags
    }

    /// The most tags that are wanted.
    #[must_use]
    pub fn newest(&self) -> usize {
        self.newest.map_or(usize::MAX, |newest| usize::try_from(newest).unwrap_or(usize::MAX))
    }

    /// The tags, if each is written out: then nothing needs to be listed, and one that is missing is told by its image.
    #[must_use]
    pub fn named(&self) -> Option<Vec<String>> {
        let is_pattern = |glob: &Glob| glob.as_str().contains(['*', '?']);
        let listed = self.include.is_empty()
            || self.newest.is_some()
            || self.versions.is_some()
            || self.include.iter().any(is_pattern);
        (!listed).then(|| self.include.iter().map(|glob| glob.as_str().to_owned()).collect())
    }

    /// The repository itself: a reference without tag and digest, which no image has.
    #[must_use]
    pub fn reference(&self) -> ImageReference {
        ImageReference {
            registry: self.registry.clone(),
            repository: self.name.clone(),
            tag: None,
            digest: None,
        }
    }
}

/// What a Job found in the repositories it was asked about. One message, once: from then on it is asked about these images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listing {
    /// The newest of each repository first. At most the question's `max_images`, and with `failures` at most [`super::MAX_IMAGES`].
    pub images: Vec<ImageReference>,
    /// Repositories that could not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<RepositoryFailure>,
    /// How many wanted images are beyond the bound.
    #[serde(default)]
    pub left_out: u32,
}

/// Why a repository could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryFailure {
    /// Position among the question's repositories.
    pub repository: usize,
    pub failure: ScanFailure,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(include: &[&str], exclude: &[&str]) -> RepositoryQuestion {
        let globs = |all: &[&str]| all.iter().map(|text| Glob::new(text).unwrap()).collect();
        RepositoryQuestion {
            registry: "registry.test:5000".into(),
            name: "team/app".into(),
            include: globs(include),
            exclude: globs(exclude),
            versions: None,
            newest: None,
        }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let tags =
            || ["1.9.0", "v1.10.0", "1.10.0-rc1", "latest", "sha256-ab.sig"].map(String::from).to_vec();
        let all = question(&[], &["*.sig"]);
        assert_eq!(all.select(tags()), ["v1.10.0", "1.10.0-rc1", "1.9.0", "latest"]);
        assert_eq!(RepositoryQuestion { newest: Some(1), ..all.clone() }.select(tags()), ["v1.10.0"]);
        assert_eq!(question(&["1.*"], &["*-rc*"]).select(tags()), ["1.9.0"]);
        let range = RepositoryQuestion { versions: Some(">=1.9".parse().unwrap()), ..all };
        assert_eq!(range.select(tags()), ["v1.10.0", "1.9.0"]);
    }

    #[test]
    fn only_tags_that_are_written_out_need_no_list() {
        assert_eq!(question(&["1.0", "1.1"], &[]).named().unwrap(), ["1.0", "1.1"]);
        for listed in [question(&[], &[]), question(&["1.0", "1.*"], &[])] {
            assert_eq!(listed.named(), None);
        }
        assert_eq!(RepositoryQuestion { newest: Some(1), ..question(&["1.0"], &[]) }.named(), None);
    }
}
