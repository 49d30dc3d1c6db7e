//! Condition `Remediating`: whether anything is done about what a policy finds. Pure.

use breakwater_core::mitigation::Mode;
use breakwater_crds::names::reasons;

use super::condition::{ConditionValue, value};
use crate::kube::conditions::Status;

/// What decides whether a policy's remediation acts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RemediationState {
    pub(super) suspended: bool,
    pub(super) mode: Mode,
    /// Whether the namespace of a selected workload is labelled `breakwater.dev/remediation=enabled`.
    pub(super) any_namespace_enabled: bool,
    /// Whether the operator's role may act in such a namespace. Absent: not checked yet.
    pub(super) rbac: Option<bool>,
    /// Whether the kill switch is on, or cannot be read.
    pub(super) paused: bool,
    pub(super) breaker_open: bool,
    /// Why nothing can be concluded from the advisory index: absent, behind one used before, older than allowed.
    pub(super) index_problem: Option<String>,
    /// Why the mitigation records or the highest index revision cannot be read.
    pub(super) records_problem: Option<String>,
}

/// True only if all three opt-ins are given somewhere and nothing stops it.
pub(super) fn remediating(state: &RemediationState) -> ConditionValue {
    let not = |reason, message: String| value(Status::False, reason, message);
    if state.suspended {
        return not(reasons::SUSPENDED, "spec.suspend is true: no new actions".into());
    }
    match state.mode {
        Mode::Off => return not("Off", "spec.remediation.mode is Off: violations are reported only".into()),
        Mode::DryRun => {
            return not(
                "DryRun",
                "spec.remediation.mode is DryRun: actions are planned and shown in status.mitigations, not taken"
                    .into(),
            );
        }
        Mode::Enforce => {}
    }
    let mut missing = Vec::new();
    if !state.any_namespace_enabled {
        missing.push("no namespace of a selected workload is labelled breakwater.dev/remediation=enabled");
    }
    if state.rbac == Some(false) {
        missing.push("the operator may not act there: install the remediation overlay");
    }
    if !missing.is_empty() {
        return not("OptInMissing", format!("nothing is acted on: {}", missing.join("; ")));
    }
    if state.paused {
        return not(
            "Paused",
            "remediation is paused, or the kill switch cannot be read: no new actions".into(),
        );
    }
    if state.breaker_open {
        return not(
            "BreakerOpen",
            "too many workloads would be acted on at once: a person has to reset the breaker".into(),
        );
    }
    if let Some(problem) = &state.records_problem {
        return not("RecordsUnreadable", format!("nothing is acted on or restored: {problem}"));
    }
    if let Some(problem) = &state.index_problem {
        return not("IndexUnusable", format!("nothing is acted on or restored: {problem}"));
    }
    if state.rbac.is_none() {
        let message =
            "whether the operator may act in the namespaces of selected workloads was not checked yet";
        return value(Status::Unknown, "NotChecked", message);
    }
    value(Status::True, "Enforce", "acts in namespaces labelled breakwater.dev/remediation=enabled")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acting() -> RemediationState {
        RemediationState {
            mode: Mode::Enforce,
            any_namespace_enabled: true,
            rbac: Some(true),
            ..RemediationState::default()
        }
    }

    #[test]
    fn it_acts_only_with_all_opt_ins_and_nothing_that_stops_it() {
        let of = |state: RemediationState| {
            let value = remediating(&state);
            (value.status, value.reason)
        };
        assert_eq!(of(acting()), (Status::True, "Enforce"));
        for (state, reason) in [
            (RemediationState { suspended: true, ..acting() }, "Suspended"),
            (RemediationState { mode: Mode::Off, ..acting() }, "Off"),
            (RemediationState { mode: Mode::DryRun, ..acting() }, "DryRun"),
            (RemediationState { any_namespace_enabled: false, ..acting() }, "OptInMissing"),
            (RemediationState { rbac: Some(false), ..acting() }, "OptInMissing"),
            (RemediationState { paused: true, ..acting() }, "Paused"),
            (RemediationState { breaker_open: true, ..acting() }, "BreakerOpen"),
            (RemediationState { index_problem: Some("no index".into()), ..acting() }, "IndexUnusable"),
            (RemediationState { records_problem: Some("damaged".into()), ..acting() }, "RecordsUnreadable"),
        ] {
            assert_eq!(of(state), (Status::False, reason));
        }
        assert_eq!(of(RemediationState { rbac: None, ..acting() }), (Status::Unknown, "NotChecked"));
    }

    #[test]
    fn each_missing_opt_in_is_named() {
        let none = RemediationState { any_namespace_enabled: false, rbac: Some(false), ..acting() };
        let message = remediating(&none).message;
        assert!(
            message.contains("breakwater.dev/remediation=enabled") && message.contains("overlay"),
            "{message}"
        );
    }
}
