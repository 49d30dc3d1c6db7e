use breakwater_core::{
    mitigation::{self as domain, ActionKind},
    workload::WorkloadKind,
};
use chrono::TimeDelta;

use super::{problem::Fault, report::Report, text};
use crate::imagepolicy::{Mode, Remediation, RemediationAction, Trigger};

/// From the notice to the action unless the spec says otherwise.
const GRACE: TimeDelta = TimeDelta::hours(24);

pub(super) fn remediation(remediation: &Remediation, report: &mut Report) -> domain::Remediation {
    let path = "spec.remediation";
    if remediation.mode == Mode::Enforce && remediation.triggers.is_empty() {
        let fault = "mode Enforce needs at least one trigger that says when and what";
        report.say(format!("{path}.triggers"), Fault::Contradiction(fault));
    }
    let kind = |kind: &WorkloadKind| match kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::CronJob => Ok(*kind),
        other => Err(Fault::NotOneOf {
            value: other.as_str().to_owned(),
            expected: "Deployment, StatefulSet, CronJob".to_owned(),
        }),
    };
    let restore = remediation.restore.clone().unwrap_or_default();
    let limits = remediation.limits.unwrap_or_default();
    domain::Remediation {
        mode: remediation.mode.into(),
        triggers: remediation
            .triggers
            .iter()
            .enumerate()
            .filter_map(|(position, trigger)| read(&format!("{path}.triggers[{position}]"), trigger, report))
            .collect(),
        restore: domain::Restore {
            on_compliant: restore.on_compliant.unwrap_or(true),
            after: restore
                .after
                .as_deref()
                .and_then(|after| report.take(&format!("{path}.restore.after"), text::some_time(after))),
        },
        limits: domain::Limits {
            max_per_hour: limits.max_per_hour.map(text::unsigned),
            max_concurrent: limits.max_concurrent.map(text::unsigned),
            max_percent: limits.max_percent.map(text::percent),
        },
        kinds: report.each(&format!("{path}.kinds"), &remediation.kinds, kind),
    }
}

fn read(path: &str, trigger: &Trigger, report: &mut Report) -> Option<domain::Trigger> {
    let grace = trigger.grace_period.as_deref().map_or(Ok(GRACE), text::duration);
    Some(domain::Trigger {
        when: domain::When {
            risk: trigger.when.risk.map(text::percent),
            fixable_critical: trigger.when.fixable_critical.map(text::unsigned),
            known_exploited: trigger.when.known_exploited,
            rules: report.each(&format!("{path}.when.rules"), &trigger.when.rules, text::rule),
        },
        action: trigger.action.into(),
        grace: report.take(&format!("{path}.gracePeriod"), grace)?,
    })
}

impl From<Mode> for domain::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::DryRun => Self::DryRun,
            Mode::Enforce => Self::Enforce,
        }
    }
}

impl From<domain::Mode> for Mode {
    fn from(mode: domain::Mode) -> Self {
        match mode {
            domain::Mode::Off => Self::Off,
            domain::Mode::DryRun => Self::DryRun,
            domain::Mode::Enforce => Self::Enforce,
        }
    }
}

impl From<RemediationAction> for ActionKind {
    fn from(action: RemediationAction) -> Self {
        match action {
            RemediationAction::Alert => Self::Alert,
            RemediationAction::Label => Self::Label,
            RemediationAction::Evidence => Self::Evidence,
            RemediationAction::Quarantine => Self::Quarantine,
            RemediationAction::DeletePod => Self::DeletePod,
            RemediationAction::ScaleToZero => Self::ScaleToZero,
        }
    }
}

impl From<ActionKind> for RemediationAction {
    fn from(action: ActionKind) -> Self {
        match action {
            ActionKind::Alert => Self::Alert,
            ActionKind::Label => Self::Label,
            ActionKind::Evidence => Self::Evidence,
            ActionKind::Quarantine => Self::Quarantine,
            ActionKind::DeletePod => Self::DeletePod,
            ActionKind::ScaleToZero => Self::ScaleToZero,
        }
    }
}
