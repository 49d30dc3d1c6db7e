//! Files that speak of CVEs instead of packages, joined to the advisories: KEV, EPSS, ratings.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use breakwater_core::policy::Catalogues;

use super::{BuildError, BuildInput};
use crate::severity::Rating;
use crate::{document, epss, kev, ratings};

/// The largest KEV catalogue read, in bytes; it is about 1.6 MB.
const MAX_KEV: u64 = 64 << 20;
/// The largest EPSS file read, unpacked, in bytes; it is about 10 MB.
const MAX_EPSS: u64 = 256 << 20;
/// The largest file of ratings read, unpacked, in bytes; a year of NVD's is below 250 MB.
const MAX_RATINGS: u64 = 1 << 30;

#[derive(Debug, Default)]
pub(super) struct ByCve {
    /// The catalogues that were given.
    pub(super) catalogues: Catalogues,
    pub(super) exploited: HashSet<String>,
    /// EPSS percentiles in percent.
    pub(super) percentiles: HashMap<String, u8>,
    pub(super) ratings: HashMap<String, Rating>,
}

impl ByCve {
    pub(super) fn read(input: &BuildInput<'_>) -> Result<Self, BuildError> {
        let catalogues = Catalogues { known_exploited: input.kev.is_some(), epss: input.epss.is_some() };
        let mut by_cve = Self { catalogues, ..Self::default() };
        if let Some(path) = input.kev {
            let json = read(path, MAX_KEV, "KEV catalogue")?;
            by_cve.exploited = kev::parse(&json).map_err(|cause| unusable(path, "KEV catalogue", &cause))?;
        }
        if let Some(path) = input.epss {
            let csv = read(path, MAX_EPSS, "EPSS file")?;
            by_cve.percentiles = epss::parse(&csv)
                .ok_or_else(|| unusable(path, "EPSS file", &"no row is `cve,epss,percentile`"))?;
        }
        for path in input.severities {
            let bytes = read(path, MAX_RATINGS, "file of severities")?;
            let rated = ratings::parse(&bytes).ok_or_else(|| {
                let cause = "it is neither NVD JSON 2.0 nor a CSV `cve,cvss,severity`";
                unusable(path, "file of severities", &cause)
            })?;
            by_cve.ratings.extend(rated);
        }
        Ok(by_cve)
    }
}

fn read(path: &Path, max: u64, what: &'static str) -> Result<Vec<u8>, BuildError> {
    document::read(path, max).map_err(|cause| unusable(path, what, &cause))
}

fn unusable(path: &Path, what: &'static str, cause: &dyn std::fmt::Display) -> BuildError {
    BuildError::Joined { path: path.to_owned(), what, cause: cause.to_string() }
}
