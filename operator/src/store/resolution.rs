use breakwater_core::{Digest, Platform};
use serde::{Deserialize, Serialize};

/// The most manifests one index or configuration resolves to.
pub const MAX_PLATFORMS: usize = 64;

/// What stands behind an index digest (a manifest per platform) or behind a configuration digest (the manifests that have it).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    pub platforms: Vec<(Platform, Digest)>,
}

impl Resolution {
    /// The manifest that somebody gets who asks for `wanted`.
    #[must_use]
    pub fn manifest(&self, wanted: &Platform) -> Option<&Digest> {
        wanted.choose(self.platforms.iter().map(|(platform, digest)| (platform, digest)))
    }

    /// Whether there may be more platforms than are remembered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.platforms.len() >= MAX_PLATFORMS
    }

    /// Adds a manifest; `false` if it was there already or there is no room.
    pub(crate) fn add(&mut self, platform: &Platform, digest: &Digest) -> bool {
        let known = self.platforms.iter().any(|(p, d)| p == platform && d == digest);
        let add = !known && self.platforms.len() < MAX_PLATFORMS;
        if add {
            self.platforms.push((platform.clone(), digest.clone()));
        }
        add
    }
}
