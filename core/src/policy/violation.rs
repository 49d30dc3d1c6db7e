use super::{CheckInfo, Consequence, Effect};
use crate::Severity;

/// A failed check before exceptions are applied.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) check: &'static CheckInfo,
    pub(super) effect: Effect,
    pub(super) is_evidence: bool,
    pub(super) severity: Severity,
    pub(super) observed: String,
    pub(super) allowed: String,
    pub(super) remedy: String,
    pub(super) findings: Vec<String>,
}

impl Violation {
    /// A violated check with the remedy of the table.
    pub(super) fn new(
        check: &'static CheckInfo,
        severity: Severity,
        observed: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            check,
            effect: Effect::Violation,
            is_evidence: true,
            severity,
            observed: observed.into(),
            allowed: allowed.into(),
            remedy: check.remedy_cluster.into(),
            findings: vec![],
        }
    }

    /// Reports whether the rule is met is not known.
    pub(super) fn unknown(mut self) -> Self {
        (self.effect, self.is_evidence) = (Effect::Unknown, false);
        self
    }

    /// Applies what the policy makes of a missing fact. `None`: it is allowed, and not shown.
    pub(super) fn with_consequence(mut self, consequence: Consequence) -> Option<Self> {
        self.is_evidence = false;
        self.effect = match consequence {
            Consequence::Allow => return None,
            // A warning about something unknown does not acquit: the verdict is Unknown until it is known.
            Consequence::Warn => Effect::Unknown,
            Consequence::Deny => Effect::Violation,
        };
        Some(self)
    }
}
