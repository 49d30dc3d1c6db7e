use std::fmt;

use breakwater_core::{Digest, scan::Question};

/// For whom an inventory is a fact.
///
/// A scan pod reads hostile bytes and may be taken over by them. What a pod says of the one manifest it was given binds nobody but that
/// manifest, so everybody may use it. What a pod that was given several manifests says of one of them may be the word of another, so it
/// is a fact only where those images are somebody's own business: in the namespace that asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    Everyone,
    /// The first 16 hexadecimal digits of the SHA-256 of the namespace's name: names of objects are short.
    Namespace(String),
}

impl Domain {
    /// The domain of what one pod says that was asked `question` for `namespace` and read `manifests` of an image.
    #[must_use]
    pub fn of(question: &Question, manifests: usize, namespace: &str) -> Self {
        let is_one = question.repositories.is_empty() && question.images.len() == 1 && manifests == 1;
        if is_one { Self::Everyone } else { Self::namespace(namespace) }
    }

    #[must_use]
    pub fn namespace(name: &str) -> Self {
        Self::Namespace(Digest::of(name.as_bytes()).hex().chars().take(16).collect())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Namespace(hash) => write!(f, "namespace {hash}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::{
        Platform,
        scan::{RegistryAccess, RepositoryQuestion},
    };

    use super::*;

    #[test]
    fn only_a_pod_with_one_manifest_speaks_to_everyone() {
        let question = |images: &[&str]| Question {
            scan_job: String::new(),
            images: images.iter().map(|image| image.parse().unwrap()).collect(),
            repositories: Vec::<RepositoryQuestion>::new(),
            max_images: 0,
            shards: 1,
            platforms: vec![Platform::linux("amd64")],
            registry: RegistryAccess::default(),
            mirrors: Vec::new(),
            intake: String::new(),
            timeout_seconds: 60,
        };
        let team = Domain::namespace("team");
        assert_eq!(Domain::of(&question(&["a.test/x:1"]), 1, "team"), Domain::Everyone);
        assert_eq!(Domain::of(&question(&["a.test/x:1"]), 2, "team"), team);
        assert_eq!(Domain::of(&question(&["a.test/x:1", "a.test/y:1"]), 1, "team"), team);
        assert_eq!(Domain::of(&question(&[]), 1, "team"), team);
        assert_ne!(team, Domain::namespace("other"));
    }
}
