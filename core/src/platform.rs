use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant of an image, as `os/arch[/variant]` (OCI image-spec, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a platform: expected os/architecture or os/architecture/variant, for example linux/arm64/v8"
)]
pub struct InvalidPlatform(String);

impl Platform {
    #[must_use]
    pub fn linux(architecture: &str) -> Self {
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }.normalised()
    }

    /// Whether an image made for `self` is what somebody asks for who asks for `wanted`. A variant matters only if it was asked for.
    #[must_use]
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }

    /// What somebody gets of `offered` who asks for this platform: the very same, any variant if none is asked for, or else the nearest
    /// lower variant, which runs there as well. Of equals the first.
    pub fn choose<'a, T>(&self, offered: impl Iterator<Item = (&'a Platform, T)> + Clone) -> Option<T> {
        let exact = offered.clone().find(|(platform, _)| *platform == self);
        let fitting = || offered.clone().find(|(platform, _)| platform.satisfies(self));
        let lower = || {
            let runs = offered.clone().filter_map(|(platform, item)| {
                let is_same = platform.os == self.os && platform.architecture == self.architecture;
                let level = platform.level()?;
                (is_same && level <= self.level()?).then_some((level, platform, item))
            });
            let best = runs.reduce(|best, next| if next.0 > best.0 { next } else { best });
            best.map(|(_, platform, item)| (platform, item))
        };
        exact.or_else(fitting).or_else(lower).map(|(_, item)| item)
    }

    /// `v7` as 7. What states none is the least that the architecture has: normalisation took the usual ones away.
    fn level(&self) -> Option<u32> {
        match (&self.variant, self.architecture.as_str()) {
            (Some(variant), _) => variant.strip_prefix('v')?.parse().ok(),
            (None, "amd64") => Some(1),
            (None, "arm64") => Some(8),
            (None, _) => None,
        }
    }

    /// `arm64/v8` and `arm64` are one platform, as are `amd64/v1` and `amd64`; `arm` without variant is v7 (containerd's normalisation).
    fn normalised(mut self) -> Self {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => self.variant = None,
            ("aarch64", _) => (self.architecture, self.variant) = ("arm64".into(), None),
            ("x86_64" | "x86-64", _) => (self.architecture, self.variant) = ("amd64".into(), None),
            ("arm", None) => self.variant = Some("v7".into()),
            _ => {}
        }
        self
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPlatform(crate::printable::line(text, 60));
        let is_part = |part: &str| {
            (1..=30).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(invalid()),
        };
        if !is_part(os) || !is_part(architecture) || !variant.is_none_or(|v| is_part(v)) {
            return Err(invalid());
        }
        Ok(Self {
            os: (*os).to_owned(),
            architecture: (*architecture).to_owned(),
            variant: variant.map(|v| (*v).to_owned()),
        }
        .normalised())
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |v| write!(f, "/{v}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn one_platform_has_one_spelling() {
        for (text, canonical) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn the_nearest_variant_that_runs_is_chosen() {
        let offered: Vec<Platform> =
            ["linux/arm/v5", "linux/arm/v6", "linux/amd64/v2", "linux/amd64", "linux/arm64"]
                .iter()
                .map(|platform| platform.parse().unwrap())
                .collect();
        for (wanted, expected) in [
            ("linux/arm/v7", Some("linux/arm/v6")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("linux/arm/v5", Some("linux/arm/v5")),
            ("linux/amd64", Some("linux/amd64")),
            ("linux/amd64/v3", Some("linux/amd64/v2")),
            ("linux/arm64/v9", Some("linux/arm64")),
            ("linux/s390x", None),
            ("windows/amd64", None),
            ("linux/riscv64/v1", None),
        ] {
            let wanted: Platform = wanted.parse().unwrap();
            let chosen = wanted.choose(offered.iter().map(|platform| (platform, platform.to_string())));
            assert_eq!(chosen.as_deref(), expected, "{wanted}");
        }
    }

    #[test]
    fn refuses_what_names_no_platform() {
        for bad in ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "Linux/amd64", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
