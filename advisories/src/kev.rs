//! The CISA Known Exploited Vulnerabilities catalogue (JSON feed): which CVE ids it lists.

use std::collections::HashSet;

use serde::Deserialize;

#[derive(Deserialize)]
struct Catalogue {
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
}

/// The CVE ids of a catalogue.
pub(crate) fn parse(json: &[u8]) -> Result<HashSet<String>, serde_json::Error> {
    let catalogue: Catalogue = serde_json::from_slice(json)?;
    Ok(catalogue.vulnerabilities.into_iter().map(|entry| entry.cve).collect())
}
