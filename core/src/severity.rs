use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is, in the words of the CVSS qualitative scale; `Unknown` sorts below all of them and is never "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Severity {
    #[default]
    Unknown,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// From worst to least.
    pub const ALL: [Severity; 5] =
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];

    /// The qualitative rating of a CVSS base score in tenths: 0 has none, so it is `Low` here; 90 and more is `Critical`
    /// (CVSS v3.1 §5, v4.0 §6).
    #[must_use]
    pub fn from_cvss_tenths(tenths: u8) -> Self {
        match tenths {
            90.. => Severity::Critical,
            70..=89 => Severity::High,
            40..=69 => Severity::Medium,
            _ => Severity::Low,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Unknown => "Unknown",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
            Severity::Critical => "Critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who said how severe it is: most distribution records say nothing, and people must see where the word came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum SeveritySource {
    /// The matched advisory itself.
    Advisory,
    /// Another advisory about the same CVE.
    SameCve,
    /// The distribution's word (AlmaLinux summary prefix, Debian urgency).
    Vendor,
    /// A file keyed by CVE (NVD) that was joined when the index was built.
    CveFile,
    /// Nobody said: the severity is `Unknown`.
    #[default]
    None,
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn worst_is_greatest_and_unknown_least() {
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn cvss_bands() {
        let bands = [(0, Severity::Low), (39, Severity::Low), (40, Severity::Medium), (69, Severity::Medium)];
        for (tenths, severity) in
            bands.into_iter().chain([(70, Severity::High), (89, Severity::High), (90, Severity::Critical)])
        {
            assert_eq!(Severity::from_cvss_tenths(tenths), severity);
        }
    }
}
