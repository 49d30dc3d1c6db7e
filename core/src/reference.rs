use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, printable};

/// A fully qualified image reference: `registry/repository[:tag][@digest]`.
///
/// Short names are completed as container engines do it: `nginx` is `docker.io/library/nginx:latest`. A reference with a digest has
/// the tag it was written with, if any; the digest alone decides what is pulled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    pub registry: String,
    pub repository: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error("the image reference is empty")]
    Empty,
    #[error("the image reference is {0} characters long; 512 are the most")]
    TooLong(usize),
    #[error("{0:?} is not a registry host: expected host[:port]")]
    Registry(String),
    #[error(
        "{0:?} is not a repository: lower-case letters, digits and single separators (. _ -) in parts divided by /"
    )]
    Repository(String),
    #[error("{0:?} is not a tag: letters, digits, . _ -, at most 128, not beginning with . or -")]
    Tag(String),
    #[error(transparent)]
    Digest(#[from] crate::digest::InvalidDigest),
}

/// The longest reference accepted, in bytes.
pub const MAX_REFERENCE: usize = 512;
const DEFAULT_REGISTRY: &str = "docker.io";

impl ImageReference {
    /// The name without tag and digest, for example `docker.io/library/nginx`: what policies' globs are matched against.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository, pinned to `digest`.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// What stands behind `/manifests/` in the registry's API: the digest if there is one, else the tag.
    #[must_use]
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".into(),
        }
    }
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidReference::Empty);
        }
        if text.len() > MAX_REFERENCE {
            return Err(InvalidReference::TooLong(text.len()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if let Some(tag) = tag.as_deref().filter(|tag| !is_tag(tag)) {
            return Err(InvalidReference::Tag(printable::line(tag, 140)));
        }
        let (registry, path) = match rest.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (canonical_host(host), path)
            }
            _ => (DEFAULT_REGISTRY.to_owned(), rest),
        };
        if !is_host(&registry) {
            return Err(InvalidReference::Registry(printable::line(&registry, 100)));
        }
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if !is_repository(&repository) {
            return Err(InvalidReference::Repository(printable::line(&repository, 100)));
        }
        let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
        Ok(Self { registry, repository, tag, digest })
    }
}

/// Docker Hub answers to several host names; it has one identity.
fn canonical_host(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.to_owned(),
        other => other.to_owned(),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
        && (1..=253).contains(&name.len())
        && name.split('.').all(is_label)
}

fn is_repository(path: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_part = |part: &str| {
        // Separators are one `.`, one or two `_`, or any number of `-` (distribution-spec).
        let unified = part.replace("__", "\u{1}").replace(['.', '_'], "\u{1}");
        unified.split('\u{1}').all(|run| {
            !run.starts_with('-')
                && !run.ends_with('-')
                && run.split('-').filter(|w| !w.is_empty()).all(is_word)
                && !run.is_empty()
        })
    };
    (1..=255).contains(&path.len()) && path.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed_as_engines_do() {
        for (text, canonical) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.25", "docker.io/library/nginx:1.25"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("registry.test:5000/a/b__c/d-e---f:v1", "registry.test:5000/a/b__c/d-e---f:v1"),
            ("REG.test/a", "reg.test/a:latest"),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn a_digest_decides_what_is_pulled() {
        let digest = Digest::of(b"x");
        let reference: ImageReference = format!("r.test/a:1@{digest}").parse().unwrap();
        assert_eq!(reference.selector(), digest.to_string());
        assert_eq!(reference.tag.as_deref(), Some("1"));
        assert_eq!(format!("r.test/a@{digest}").parse::<ImageReference>().unwrap().tag, None);
    }

    #[test]
    fn refuses_what_no_registry_serves() {
        for bad in [
            "",
            "/",
            "a//b",
            "r.test/",
            "r.test/A",
            "r.test/a:",
            "r.test/a:-x",
            "r.test:99999/a",
            "r.test:0/a",
            "-x.test/a",
            "r.test/a@sha256:zz",
            "r.test/..",
            "r.test/a/../b",
            "r.test/.a",
            "r.test/a___b",
            "a b",
            "r.test/a-",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
        assert!("a".repeat(513).parse::<ImageReference>().is_err());
    }
}
