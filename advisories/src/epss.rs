//! FIRST's Exploit Prediction Scoring System as its daily CSV: `cve,epss,percentile`, fractions of one, below a comment line.

use std::collections::HashMap;

use crate::document::rows;
use crate::osv::is_cve;

/// The percentile of each CVE, in whole percent, rounded down. `None`: there is not one row of the format.
#[must_use]
pub fn parse(csv: &[u8]) -> Option<HashMap<String, u8>> {
    let mut percentiles = HashMap::new();
    for row in rows(csv) {
        if let [cve, _, percentile, ..] = row[..]
            && is_cve(cve)
            && let Ok(fraction) = percentile.parse::<f64>()
            && (0.0..=1.0).contains(&fraction)
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
            let percent = (fraction * 100.0).floor() as u8;
            percentiles.insert(cve.to_owned(), percent);
        }
    }
    (!percentiles.is_empty()).then_some(percentiles)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn rows_of_the_daily_file() {
        let csv =
            b"#model_version:v2025.03.14,score_date:2026-08-01T00:00:00+0000\r\ncve,epss,percentile\r\n\
            CVE-2021-44228,0.94358,0.99956\r\nCVE-1999-0001,0.01,0.00999\nCVE-2,0.1,2\nCVE-3,0.1\n,,\n";
        let percentiles = parse(csv).unwrap();
        assert_eq!(percentiles.len(), 2);
        assert_eq!((percentiles["CVE-2021-44228"], percentiles["CVE-1999-0001"]), (99, 0));
        assert!(parse(b"<html>").is_none());
    }
}
