//! `status.mitigations` and the number of contained workloads: what is being done, without what is gone or long over.

use breakwater_core::{
    mitigation::{Mode, State},
    printable,
    workload::WorkloadKind,
};
use breakwater_crds::{
    Time,
    imagepolicy::{MitigationEntry, Mode as ModeWord, RemediationAction},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::report::{MAX_LIST, MAX_TEXT};
use crate::mitigation::MitigationState;

/// How long a mitigation that is over stays in the status.
const SHOWN_AFTER_END: TimeDelta = TimeDelta::hours(1);

/// The mitigations that belong into the status, those in force first. `pods` returns how many pods of a workload run, and nothing for
/// one that does not exist any more.
pub(super) fn shown(
    states: &[MitigationState],
    pods: impl Fn(&MitigationState) -> Option<i32>,
    now: DateTime<Utc>,
) -> Vec<&MitigationState> {
    let is_current = |state: &&MitigationState| {
        let over = is_over(state.state);
        pods(state).is_some() && !(over && now - state.since > SHOWN_AFTER_END)
    };
    let mut shown: Vec<&MitigationState> = states.iter().filter(is_current).collect();
    shown.sort_by_key(|state| (is_over(state.state), state.mode != Mode::Enforce, state.workload.clone()));
    shown
}

/// When the first of the mitigations that are over leaves the status.
pub(super) fn next_end(shown: &[&MitigationState], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let over = shown.iter().filter(|state| is_over(state.state));
    over.filter_map(|state| state.since.checked_add_signed(SHOWN_AFTER_END)).filter(|end| now < *end).min()
}

/// Reports whether the action is in effect: carried out and, where replicas were taken away, without pods.
pub(super) fn is_mitigated(state: &MitigationState, pods: Option<i32>) -> bool {
    state.mode == Mode::Enforce
        && match state.state {
            State::Applied | State::Verified => true,
            State::Held => pods == Some(0),
            _ => false,
        }
}

pub(super) fn entries(shown: &[&MitigationState]) -> Vec<MitigationEntry> {
    let entries = shown.iter().take(MAX_LIST).map(|state| MitigationEntry {
        workload: state.workload.to_string(),
        action: RemediationAction::from(state.action),
        mode: ModeWord::from(state.mode),
        state: state.state.as_str().to_owned(),
        previous_replicas: state.previous_replicas,
        reason: printable::line(&reason(state), MAX_TEXT),
        since: Some(state.since.into()),
        until: state.until.map(Time::from),
    });
    entries.collect()
}

fn is_over(state: State) -> bool {
    matches!(state, State::Restored | State::Cancelled)
}

/// The reason, with a remedy that is possible where this kind of workload cannot be contained: `spec.remediation.kinds` refuses it.
fn reason(state: &MitigationState) -> String {
    let kind = state.workload.kind;
    let remedy = match kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::CronJob => None,
        WorkloadKind::Pod if state.reason.starts_with("MirrorPod") => {
            Some("change or remove its manifest on the node")
        }
        WorkloadKind::DaemonSet => Some("roll out a fixed image, or delete the DaemonSet"),
        WorkloadKind::ReplicaSet => Some("change the image and delete its pods, or scale it to 0 by hand"),
        WorkloadKind::Job => Some("delete the Job and create it with a fixed image"),
        WorkloadKind::Pod => Some("delete the Pod and create it with a fixed image"),
    };
    match remedy.filter(|_| state.state == State::Blocked) {
        None => state.reason.clone(),
        Some(remedy) if state.reason.starts_with("KindNotEnabled") => {
            format!("KindNotContained: a {} cannot be contained; {remedy}", kind.as_str())
        }
        // The owner is named already: it is what has to change.
        Some(_) if state.reason.starts_with("OwnedBy") => state.reason.clone(),
        Some(remedy) => format!("{}; {remedy}", state.reason),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::{mitigation::ActionKind, workload::WorkloadRef};

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn state(kind: WorkloadKind, name: &str, state: State, reason: &str) -> MitigationState {
        MitigationState {
            workload: WorkloadRef { kind, namespace: "shop".into(), name: name.into() },
            action: ActionKind::DeletePod,
            mode: Mode::Enforce,
            state,
            previous_replicas: None,
            reason: reason.into(),
            since: at(0),
            until: None,
        }
    }

    #[test]
    fn what_is_gone_or_long_over_is_not_shown() {
        let job = |name: &str, is| state(WorkloadKind::Job, name, is, "");
        let states =
            [job("gone", State::Blocked), job("over", State::Restored), job("there", State::Blocked)];
        let pods = |state: &MitigationState| (state.workload.name != "gone").then_some(1);
        let names = |now| {
            let shown = shown(&states, pods, now);
            shown.iter().map(|state| state.workload.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(at(3600)), ["there", "over"]);
        assert_eq!(names(at(3601)), ["there"]);
        let current = shown(&states, pods, at(5));
        assert_eq!(next_end(&current, at(5)), Some(at(3600)));
    }

    #[test]
    fn only_what_does_not_run_is_mitigated() {
        let of = |is, pods| is_mitigated(&state(WorkloadKind::Deployment, "web", is, ""), pods);
        assert!(of(State::Applied, Some(0)) && of(State::Verified, Some(0)) && of(State::Held, Some(0)));
        assert!(!of(State::Held, Some(2)), "somebody scaled it up again");
        assert!(!of(State::Recorded, Some(3)) && !of(State::Announced, Some(3)) && !of(State::Held, None));
        let dry = MitigationState {
            mode: Mode::DryRun,
            ..state(WorkloadKind::Deployment, "web", State::Applied, "")
        };
        assert!(!is_mitigated(&dry, Some(0)));
    }

    #[test]
    fn a_kind_that_cannot_be_contained_names_a_remedy_that_is_possible() {
        let blocked = |kind, why: &str| reason(&state(kind, "x", State::Blocked, why));
        let daemon =
            blocked(WorkloadKind::DaemonSet, "KindNotEnabled: DaemonSet is not among spec.remediation.kinds");
        assert_eq!(
            daemon,
            "KindNotContained: a DaemonSet cannot be contained; roll out a fixed image, or delete the DaemonSet"
        );
        let mirror = blocked(WorkloadKind::Pod, "MirrorPod: the kubelet runs it from a file");
        assert!(mirror.ends_with("; change or remove its manifest on the node"), "{mirror}");
        let owned = "OwnedBy: Rollout/web controls it";
        assert_eq!(blocked(WorkloadKind::ReplicaSet, owned), owned);
        let listed = "KindNotEnabled: StatefulSet is not among spec.remediation.kinds";
        assert_eq!(blocked(WorkloadKind::StatefulSet, listed), listed, "the schema takes it");
    }
}
