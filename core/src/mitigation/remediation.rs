//! `spec.remediation`, validated: who may be acted on, when, and how far it goes.

use chrono::TimeDelta;

/// `spec.remediation`, validated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remediation {
    pub mode: Mode,
    /// The first whose conditions all hold decides.
    pub triggers: Vec<Trigger>,
    pub restore: Restore,
    pub limits: Limits,
    /// Kinds that may be acted on; empty means Deployments.
    pub kinds: Vec<crate::workload::WorkloadKind>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    Off,
    #[default]
    DryRun,
    Enforce,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    pub when: When,
    pub action: ActionKind,
    /// From the confirmed notice to the action.
    pub grace: TimeDelta,
}

/// Conditions; those that are given all hold. None given: any violation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    pub risk: Option<u8>,
    /// At least so many fixable critical findings.
    pub fixable_critical: Option<u32>,
    pub known_exploited: Option<bool>,
    /// At least one of these rules is violated, by check id (`BW-VUL-001`) or rule path (`vulnerabilities.max`).
    pub rules: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum ActionKind {
    Alert,
    Label,
    Evidence,
    Quarantine,
    DeletePod,
    ScaleToZero,
}

impl ActionKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "Alert",
            Self::Label => "Label",
            Self::Evidence => "Evidence",
            Self::Quarantine => "Quarantine",
            Self::DeletePod => "DeletePod",
            Self::ScaleToZero => "ScaleToZero",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restore {
    /// Restore when the workload is compliant again.
    pub on_compliant: bool,
    /// Restore once after so long, though still violating.
    pub after: Option<TimeDelta>,
}

/// A tenant can only lower what the operator's configuration allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub max_per_hour: Option<u32>,
    pub max_concurrent: Option<u32>,
    pub max_percent: Option<u8>,
}
