use chrono::{DateTime, Utc};

use super::{ActionKind, Mode};

/// Where a workload stands, as `status.mitigations` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    pub action: ActionKind,
    /// DryRun when a key is missing.
    pub mode: Mode,
    pub state: State,
    pub previous_replicas: Option<i32>,
    /// Names the missing key or the blocker. Without counters and relative times, so that it does not flap.
    pub reason: String,
    /// When the state ends or the next thing happens, if that is known.
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Planned,
    Noticed,
    Latched,
    Applied,
    Verified,
    Restored,
    Blocked,
    Held,
    Cancelled,
    Failed,
}

impl State {
    /// Whether the workload is, or is about to be, as the mitigation wants it.
    #[must_use]
    pub fn is_contained(self) -> bool {
        matches!(self, Self::Latched | Self::Applied | Self::Verified)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Noticed => "Noticed",
            Self::Latched => "Latched",
            Self::Applied => "Applied",
            Self::Verified => "Verified",
            Self::Restored => "Restored",
            Self::Blocked => "Blocked",
            Self::Held => "Held",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}
