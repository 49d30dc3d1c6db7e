//! Ratings by CVE, for what no advisory rates: NVD's JSON 2.0 (a yearly feed or an answer of its API), or a CSV `cve,cvss,severity`.

use std::collections::HashMap;

use breakwater_core::Severity;
use serde::Deserialize;

use crate::document::rows;
use crate::osv::is_cve;
use crate::severity::{self, Rating};

#[derive(Deserialize)]
struct Feed {
    vulnerabilities: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    cve: Cve,
}

#[derive(Deserialize)]
struct Cve {
    id: String,
    #[serde(default)]
    metrics: Metrics,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    #[serde(rename = "cvssMetricV40")]
    v40: Vec<Metric>,
    #[serde(rename = "cvssMetricV31")]
    v31: Vec<Metric>,
    #[serde(rename = "cvssMetricV30")]
    v30: Vec<Metric>,
    #[serde(rename = "cvssMetricV2")]
    v2: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(default)]
    r#type: String,
    #[serde(rename = "cvssData")]
    data: CvssData,
}

#[derive(Deserialize)]
struct CvssData {
    #[serde(rename = "baseScore")]
    score: f64,
}

/// The rating of each CVE. `None`: neither format.
pub(crate) fn parse(bytes: &[u8]) -> Option<HashMap<String, Rating>> {
    let starts_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let ratings = if starts_json { nvd(bytes)? } else { csv(bytes) };
    (!ratings.is_empty()).then_some(ratings)
}

/// The newest CVSS version's score; NVD's own (`Primary`) before others'.
fn nvd(json: &[u8]) -> Option<HashMap<String, Rating>> {
    let feed: Feed = serde_json::from_slice(json).ok()?;
    let rated = feed.vulnerabilities.into_iter().filter_map(|Item { cve }| {
        let Metrics { v40, v31, v30, v2 } = &cve.metrics;
        let newest = [v40, v31, v30, v2].into_iter().find(|metrics| !metrics.is_empty())?;
        let metric = newest.iter().find(|metric| metric.r#type == "Primary").or(newest.first())?;
        Some((cve.id, of_score(metric.data.score)?))
    });
    Some(rated.collect())
}

/// Either field may be empty: a score implies its word, and a word needs no score.
fn csv(bytes: &[u8]) -> HashMap<String, Rating> {
    let rated = rows(bytes).filter_map(|row| {
        let cve = row.first().filter(|cve| is_cve(cve))?;
        let scored = row.get(1).and_then(|score| score.parse().ok()).and_then(of_score);
        let word = row.get(2).map_or(Severity::Unknown, |word| severity::word(word));
        let rating = match (scored, word) {
            (None, Severity::Unknown) => return None,
            (Some(rating), Severity::Unknown) => rating,
            (scored, severity) => Rating { severity, cvss_tenths: scored.and_then(|s| s.cvss_tenths) },
        };
        Some(((*cve).to_owned(), rating))
    });
    rated.collect()
}

fn of_score(score: f64) -> Option<Rating> {
    if !(0.0..=10.0).contains(&score) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    let tenths = (score * 10.0).round() as u8;
    Some(Rating { severity: Severity::from_cvss_tenths(tenths), cvss_tenths: Some(tenths) })
}

#[cfg(test)]
mod tests {
    use breakwater_core::Severity;

    use super::parse;

    #[test]
    fn nvd_json_newest_version_and_own_score_first() {
        let json = br#" {"resultsPerPage": 2, "vulnerabilities": [
            {"cve": {"id": "CVE-2011-3374", "metrics": {
                "cvssMetricV31": [{"type": "Secondary", "cvssData": {"baseScore": 9.8}}, {"type": "Primary", "cvssData": {"baseScore": 3.7}}],
                "cvssMetricV2": [{"type": "Primary", "cvssData": {"baseScore": 4.3}}]}}},
            {"cve": {"id": "CVE-1"}}, {"cve": {"id": "CVE-2", "metrics": {"cvssMetricV31": [{"cvssData": {"baseScore": 11}}]}}}]}"#;
        let ratings = parse(json).unwrap();
        assert_eq!(ratings.len(), 1);
        let rating = ratings["CVE-2011-3374"];
        assert_eq!((rating.severity, rating.cvss_tenths), (Severity::Low, Some(37)));
    }

    #[test]
    fn csv_with_score_word_or_both() {
        let ratings =
            parse(b"cve,cvss,severity\nCVE-1,9.8,\nCVE-2,,low\nCVE-3,9.8,medium\nCVE-4,,\n").unwrap();
        let of = |cve: &str| ratings.get(cve).map(|rating| (rating.severity, rating.cvss_tenths));
        assert_eq!(of("CVE-1"), Some((Severity::Critical, Some(98))));
        assert_eq!(of("CVE-2"), Some((Severity::Low, None)));
        assert_eq!(of("CVE-3"), Some((Severity::Medium, Some(98))));
        assert_eq!(of("CVE-4"), None);
        assert!(parse(b"not a table").is_none() && parse(b"{}").is_none());
    }
}
