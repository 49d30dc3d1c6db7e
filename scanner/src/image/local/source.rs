use std::{fmt, path::PathBuf, str::FromStr};

use breakwater_core::{Digest, ImageReference, digest::InvalidDigest, reference::InvalidReference};

/// Where an image, or the list of what is in it, comes from. The prefix tells; without one it is a registry's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `[registry/]repository[:tag][@digest]`
    Registry(ImageReference),
    /// `oci-dir:PATH[:NAME|@DIGEST]`: an OCI image layout.
    OciDirectory { path: PathBuf, pick: Pick },
    /// `oci-archive:FILE[:NAME|@DIGEST]`: an OCI image layout as one tar file.
    OciArchive { path: PathBuf, pick: Pick },
    /// `docker-archive:FILE[:NAME|@DIGEST]`: what `docker save` writes. The digest is the image's id.
    DockerArchive { path: PathBuf, pick: Pick },
    /// `rootfs:DIR`
    RootFs(PathBuf),
    /// `sbom:FILE`: CycloneDX or SPDX, as JSON.
    Sbom(PathBuf),
    /// `containerd:[NAME@]DIGEST`: the content store of this node's containerd.
    Containerd(Digest),
}

/// Which image of several is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// The only one.
    Only,
    /// The one of this name or tag.
    Name(String),
    Digest(Digest),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    #[error("{0} needs a path behind it")]
    NoPath(&'static str),
    #[error(
        "names of images are not in containerd's content store: give the digest (containerd:sha256:…), as `ctr images list` or \
         `crictl inspecti` show it"
    )]
    NoDigest,
}

impl Source {
    /// The reference of a registry's image.
    #[must_use]
    pub fn reference(&self) -> Option<&ImageReference> {
        match self {
            Self::Registry(reference) => Some(reference),
            _ => None,
        }
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of = |prefix: &'static str| text.strip_prefix(prefix);
        if let Some(rest) = of("oci-dir:") {
            return picked("oci-dir:", rest).map(|(path, pick)| Self::OciDirectory { path, pick });
        }
        if let Some(rest) = of("oci-archive:") {
            return picked("oci-archive:", rest).map(|(path, pick)| Self::OciArchive { path, pick });
        }
        if let Some(rest) = of("docker-archive:") {
            return picked("docker-archive:", rest).map(|(path, pick)| Self::DockerArchive { path, pick });
        }
        if let Some(rest) = of("rootfs:") {
            return path("rootfs:", rest).map(Self::RootFs);
        }
        if let Some(rest) = of("sbom:") {
            return path("sbom:", rest).map(Self::Sbom);
        }
        if let Some(rest) = of("containerd:") {
            let digest = rest.rsplit_once('@').map_or(rest, |(_, digest)| digest);
            if !digest.starts_with("sha256:") {
                return Err(InvalidSource::NoDigest);
            }
            return Ok(Self::Containerd(digest.parse()?));
        }
        Ok(Self::Registry(text.parse()?))
    }
}

/// A path ends at its first colon, as other tools have it: a file whose name has one is not to be named.
fn picked(kind: &'static str, rest: &str) -> Result<(PathBuf, Pick), InvalidSource> {
    if let Some((before, digest)) = rest.rsplit_once("@sha256:") {
        let digest = format!("sha256:{digest}").parse()?;
        return Ok((path(kind, before)?, Pick::Digest(digest)));
    }
    match rest.split_once(':') {
        Some((before, name)) if !name.is_empty() => Ok((path(kind, before)?, Pick::Name(name.to_owned()))),
        Some((before, _)) => Ok((path(kind, before)?, Pick::Only)),
        None => Ok((path(kind, rest)?, Pick::Only)),
    }
}

fn path(kind: &'static str, text: &str) -> Result<PathBuf, InvalidSource> {
    if text.is_empty() { Err(InvalidSource::NoPath(kind)) } else { Ok(text.into()) }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => Ok(()),
            Self::Name(name) => write!(f, ":{name}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::OciDirectory { path, pick } => write!(f, "oci-dir:{}{pick}", path.display()),
            Self::OciArchive { path, pick } => write!(f, "oci-archive:{}{pick}", path.display()),
            Self::DockerArchive { path, pick } => write!(f, "docker-archive:{}{pick}", path.display()),
            Self::RootFs(path) => write!(f, "rootfs:{}", path.display()),
            Self::Sbom(path) => write!(f, "sbom:{}", path.display()),
            Self::Containerd(digest) => write!(f, "containerd:{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_by_their_prefix_and_print_as_written() {
        let digest = Digest::of(b"x");
        for text in [
            "oci-dir:images/app",
            "oci-dir:images/app:v1",
            "oci-archive:app.tar:registry.test:5000/app:v1",
            "docker-archive:app.tar",
            "rootfs:/",
            "sbom:bom.json",
            "docker.io/library/nginx:latest",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        let named = format!("oci-archive:app.tar@{digest}").parse::<Source>().unwrap();
        assert_eq!(named, Source::OciArchive { path: "app.tar".into(), pick: Pick::Digest(digest.clone()) });
        let stored = Source::Containerd(digest.clone());
        assert_eq!(format!("containerd:{digest}").parse::<Source>().unwrap(), stored);
        assert_eq!(format!("containerd:r.test/app:1@{digest}").parse::<Source>().unwrap(), stored);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in [
            "oci-dir:",
            "rootfs:",
            "sbom:",
            "docker-archive::app:1",
            "containerd:nginx:1",
            "oci-dir:a@sha256:1",
            "UPPER",
        ] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
    }
}
