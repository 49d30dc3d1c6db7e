//! How severe a record says it is: CVSS v2 to v4 vectors, the database's word, the distribution's word.

use breakwater_core::Severity;

use crate::osv::{Record, Score, Specific};

/// A rating and, where a vector was given, its score in tenths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rating {
    pub(crate) severity: Severity,
    pub(crate) cvss_tenths: Option<u8>,
}

/// What the record itself says: the database's own word first (GitHub reviews its ratings), else the newest CVSS vector.
pub(crate) fn of_record(record: &Record) -> Rating {
    let scores = if record.severity.is_empty() {
        record.affected.iter().find(|affected| !affected.severity.is_empty()).map_or(&[][..], |a| &a.severity)
    } else {
        &record.severity
    };
    let cvss_tenths = cvss(scores);
    let stated = severity_word(record.database_specific.as_ref());
    let computed = cvss_tenths.map_or(Severity::Unknown, Severity::from_cvss_tenths);
    Rating { severity: if stated == Severity::Unknown { computed } else { stated }, cvss_tenths }
}

/// The distribution's word for the whole record: AlmaLinux writes it before the summary, Ubuntu as a scheme of its own.
pub(crate) fn of_vendor(record: &Record) -> Severity {
    if let Some(score) = record.severity.iter().find(|score| !score.scheme.starts_with("CVSS")) {
        return word(&score.score);
    }
    let summary = record.summary.as_deref().unwrap_or_default();
    summary.split_once(':').map_or(Severity::Unknown, |(prefix, _)| word(prefix))
}

/// Debian's urgency of one package. `Some(Low)` for what Debian ranks down whatever the CVE's score: unimportant, end of life.
pub(crate) fn of_urgency(specific: Option<&Specific>) -> (Severity, bool) {
    match specific.and_then(|specific| specific.urgency.as_deref()).unwrap_or_default() {
        "unimportant" | "end-of-life" => (Severity::Low, true),
        urgency => (word(urgency), false),
    }
}

fn severity_word(specific: Option<&Specific>) -> Severity {
    specific.and_then(|specific| specific.severity.as_deref()).map_or(Severity::Unknown, word)
}

/// The words publishers use (GitHub, Red Hat's and AlmaLinux's classes, Ubuntu's priorities, Debian's urgencies).
pub(crate) fn word(word: &str) -> Severity {
    match word.trim().to_ascii_lowercase().trim_end_matches('*') {
        "critical" => Severity::Critical,
        "high" | "important" => Severity::High,
        "medium" | "moderate" => Severity::Medium,
        "low" | "negligible" => Severity::Low,
        _ => Severity::Unknown,
    }
}

/// The score of the newest CVSS version given, in tenths.
fn cvss(scores: &[Score]) -> Option<u8> {
    ["CVSS_V4", "CVSS_V3", "CVSS_V2"].iter().find_map(|scheme| {
        scores.iter().filter(|score| score.scheme == *scheme).find_map(|score| tenths(&score.score))
    })
}

fn tenths(vector: &str) -> Option<u8> {
    // The parser scores a version 3 vector that lacks base metrics as 0; v3.1 §4 calls them mandatory.
    let mandatory = ["/AV:", "/AC:", "/PR:", "/UI:", "/S:", "/C:", "/I:", "/A:"];
    if vector.len() > 512
        || vector.starts_with("CVSS:3") && !mandatory.iter().all(|metric| vector.contains(metric))
    {
        return None;
    }
    let score = vector.trim().parse::<cvss::Cvss>().ok()?.score();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100 before")]
    let tenths = (score * 10.0).round().clamp(0.0, 100.0) as u8;
    Some(tenths)
}

#[cfg(test)]
mod tests {
    use breakwater_core::Severity;

    use super::{Rating, of_record, of_urgency, of_vendor, tenths};
    use crate::osv::{Record, Specific};

    fn record(json: &str) -> Record {
        Record::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn vectors_of_all_versions() {
        assert_eq!(tenths("AV:N/AC:L/Au:N/C:P/I:P/A:P"), Some(75));
        assert_eq!(tenths("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N"), Some(75));
        assert_eq!(tenths("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some(98));
        assert_eq!(tenths("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"), Some(93));
        assert_eq!(tenths("CVSS:3.1/AV:N"), None);
    }

    #[test]
    fn the_databases_word_is_before_the_vector() {
        let rating = of_record(&record(
            r#"{"id":"GHSA-1","database_specific":{"severity":"MODERATE"},
                "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}"#,
        ));
        assert_eq!(rating, Rating { severity: Severity::Medium, cvss_tenths: Some(98) });
    }

    #[test]
    fn vendors_words() {
        assert_eq!(
            of_vendor(&record(r#"{"id":"A","summary":"Important: kernel security update"}"#)),
            Severity::High
        );
        assert_eq!(of_vendor(&record(r#"{"id":"A","summary":"taglib: fix"}"#)), Severity::Unknown);
        let ubuntu = record(r#"{"id":"U","severity":[{"type":"Ubuntu","score":"medium"}]}"#);
        assert_eq!(of_vendor(&ubuntu), Severity::Medium);
        let urgency = |urgency: &str| {
            of_urgency(Some(&Specific { urgency: Some(urgency.to_owned()), ..Specific::default() }))
        };
        assert_eq!(urgency("unimportant"), (Severity::Low, true));
        assert_eq!(urgency("medium**"), (Severity::Medium, false));
        assert_eq!(urgency("not yet assigned"), (Severity::Unknown, false));
    }
}
