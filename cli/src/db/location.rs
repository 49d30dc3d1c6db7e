use std::path::PathBuf;
use std::str::FromStr;

use breakwater_core::ImageReference;
use url::Url;

/// Where advisories come from, as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceLocation {
    Path(PathBuf),
    /// `http:` or `https:`, ending with a slash unless it names an archive.
    Url(Url),
    /// `oci://`: an artifact in a registry.
    Artifact(ImageReference),
}

/// Where one file comes from, as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileLocation {
    Path(PathBuf),
    /// `http:` or `https:`.
    Url(Url),
}

impl FromStr for FileLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("http:") || text.starts_with("https:") {
            return Url::parse(text)
                .map(Self::Url)
                .map_err(|error| format!("{text:?} is not a URL: {error}"));
        }
        match text.parse()? {
            SourceLocation::Path(path) => Ok(Self::Path(path)),
            SourceLocation::Url(url) => Ok(Self::Url(url)),
            SourceLocation::Artifact(_) => Err(format!("{text:?}: only --source may be an artifact")),
        }
    }
}

impl FromStr for SourceLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("file:") {
            // file:///a, file:/a and file:a alike.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            return Ok(Self::Path(path.into()));
        }
        if let Some(reference) = text.strip_prefix("oci://") {
            return reference.parse().map(Self::Artifact).map_err(|error| format!("{text:?}: {error}"));
        }
        if !text.starts_with("http:") && !text.starts_with("https:") {
            return Ok(Self::Path(text.into()));
        }
        let mut url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{text:?}: give the base address, without query and fragment"));
        }
        if !url.path().ends_with('/') && !url.path().ends_with(".zip") {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self::Url(url))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FileLocation, SourceLocation};

    #[test]
    fn spellings() {
        let path = |text: &str| SourceLocation::Path(text.into());
        assert_eq!("file:///a/b".parse(), Ok(path("/a/b")));
        assert_eq!("file:a/b".parse(), Ok(path("a/b")));
        assert_eq!("./osv".parse(), Ok(path("./osv")));
        let url = |text: &str| SourceLocation::Url(text.parse().unwrap());
        assert_eq!("http://mirror/osv".parse(), Ok(url("http://mirror/osv/")));
        assert_eq!("https://mirror/npm/all.zip".parse(), Ok(url("https://mirror/npm/all.zip")));
        assert!("https://mirror/?a=b".parse::<SourceLocation>().is_err());
        let artifact = SourceLocation::Artifact("mirror.test/osv:1".parse().unwrap());
        assert_eq!("oci://mirror.test/osv:1".parse(), Ok(artifact));
        assert!("oci://mirror.test/Osv".parse::<SourceLocation>().is_err());
        assert!("oci://mirror.test/osv".parse::<FileLocation>().is_err());
        let file = "https://mirror/epss.csv.gz?day=1";
        assert_eq!(file.parse(), Ok(FileLocation::Url(file.parse().unwrap())));
        assert_eq!("file:kev.json".parse(), Ok(FileLocation::Path("kev.json".into())));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_the_same_again(
            scheme in prop_oneof![Just(""), Just("file:"), Just("oci://"), Just("http:"), Just("https://")],
            rest in prop_oneof!["[a-z0-9:/.?#@%\\[\\] -]{0,40}", ".{0,40}"],
        ) {
            let text = format!("{scheme}{rest}");
            match text.parse() {
                Ok(SourceLocation::Url(url)) => {
                    let is_joined_below = url.path().ends_with('/') || url.path().ends_with(".zip");
                    prop_assert!(is_joined_below && url.query().is_none() && url.fragment().is_none());
                    prop_assert_eq!(url.as_str().parse(), Ok(SourceLocation::Url(url.clone())));
                }
                Ok(SourceLocation::Artifact(reference)) => {
                    prop_assert_eq!(format!("oci://{reference}").parse(), Ok(SourceLocation::Artifact(reference)));
                }
                Ok(SourceLocation::Path(_)) | Err(_) => {}
            }
            if let Ok(FileLocation::Url(url)) = text.parse() {
                prop_assert_eq!(url.as_str().parse(), Ok(FileLocation::Url(url.clone())));
            }
        }
    }
}
