use chrono::{DateTime, Utc};

use super::{ActionKind, Mode};

/// How one workload stands to one policy's remediation, as `status.mitigations` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MitigationStatus {
    pub action: ActionKind,
    /// DryRun when an opt-in is missing.
    pub mode: Mode,
    pub state: State,
    pub previous_replicas: Option<i32>,
    /// Names the missing opt-in or the blocker. Without counters and relative times, so that it does not flap.
    pub reason: String,
    /// When the state ends or the next thing happens, if that is known.
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is or would be acted upon; the reason says what is awaited.
    Planned,
    /// The owner was told; `until` is the deadline.
    Announced,
    /// The record is written; the act follows.
    Recorded,
    Applied,
    /// Replicas are 0 and the pods are gone.
    Verified,
    Restored,
    Blocked,
    /// A hold or a pause; nothing is done.
    Held,
    /// Something else keeps scaling it up.
    Contested,
    Cancelled,
    Failed,
}

impl State {
    /// Reports whether the workload is, or is about to be, as the mitigation wants it.
    #[must_use]
    pub fn is_contained(self) -> bool {
        matches!(self, Self::Recorded | Self::Applied | Self::Verified)
    }

    /// Reports whether nothing follows any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Restored | Self::Cancelled)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Announced => "Announced",
            Self::Recorded => "Recorded",
            Self::Applied => "Applied",
            Self::Verified => "Verified",
            Self::Restored => "Restored",
            Self::Blocked => "Blocked",
            Self::Held => "Held",
            Self::Contested => "Contested",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}
