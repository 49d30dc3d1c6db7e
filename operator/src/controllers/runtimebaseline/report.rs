//! What people read. Pure: from the plan, or from what is wrong with the spec, to a status.

use breakwater_core::printable;
use breakwater_crds::{
    RuntimeBaseline, RuntimeBaselineStatus,
    names::{
        annotations::REQUESTED_AT,
        conditions::{ANOMALOUS, LEARNED, MITIGATED, PROMOTABLE, SENSOR_CONNECTED, UNSUPPORTED},
        reasons::{FIELDS_NOT_CARRIED_OUT, FOREIGN_NAMESPACE, INVALID_SPEC, NO_SENSOR, SUCCEEDED, SUSPENDED},
    },
    runtimebaseline::{BaselineMode, WorkloadProgress},
    validation::{Fault, Problems},
};
use chrono::{DateTime, Utc};

use super::plan::Plan;
use crate::kube::conditions::{self, Status};

/// The longest echo of a request, in characters; annotations may be longer.
const MAX_REQUEST: usize = 253;

pub(super) fn status(
    object: &RuntimeBaseline,
    planned: Result<Plan, Problems>,
    now: DateTime<Utc>,
) -> RuntimeBaselineStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let requested =
        object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REQUESTED_AT));
    let mut conditions = before.conditions;
    let mut say = |type_, status: Status, reason, message| {
        conditions::set(&mut conditions, type_, status, reason, message, generation, now);
    };
    say(SENSOR_CONNECTED, Status::False, NO_SENSOR, "no sensor reports for these pods: nothing is observed");
    for type_ in [LEARNED, PROMOTABLE] {
        say(type_, Status::Unknown, NO_SENSOR, "nothing can be learned without a sensor");
    }
    for type_ in [ANOMALOUS, MITIGATED] {
        say(type_, Status::Unknown, NO_SENSOR, "nothing can be detected without a sensor");
    }
    let unsupported = object.spec.unsupported();
    if unsupported.is_empty() {
        conditions::remove(&mut conditions, UNSUPPORTED);
    } else {
        let message =
            format!("this version does not carry out {}; they have no effect", unsupported.join(", "));
        conditions::set(
            &mut conditions,
            UNSUPPORTED,
            Status::True,
            FIELDS_NOT_CARRIED_OUT,
            &message,
            generation,
            now,
        );
    }
    match &planned {
        Err(problems) => {
            conditions::stalled(&mut conditions, reason(problems), &problems.to_string(), generation, now)
        }
        Ok(Plan { missing: Some(target), .. }) => {
            let message = format!("waiting for {target}, which does not exist");
            conditions::reconciling(&mut conditions, "TargetNotFound", &message, generation, now);
        }
        Ok(Plan { wanted: BaselineMode::Off, .. }) => {
            conditions::ready(
                &mut conditions,
                SUSPENDED,
                "spec.mode is Off: nothing is asked for",
                generation,
                now,
            );
        }
        Ok(_) => conditions::ready(
            &mut conditions,
            SUCCEEDED,
            "the spec is valid and its workloads are known; see SensorConnected for what is observed",
            generation,
            now,
        ),
    }
    RuntimeBaselineStatus {
        observed_generation: Some(generation),
        conditions,
        observed_mode: planned.as_ref().ok().map(|plan| plan.observed),
        workloads: planned.as_ref().ok().map(|plan| WorkloadProgress {
            total: i32::try_from(plan.workloads).unwrap_or(i32::MAX),
            ..WorkloadProgress::default()
        }),
        last_handled_request_at: requested.map(|requested| printable::line(requested, MAX_REQUEST)),
        ..RuntimeBaselineStatus::default()
    }
}

fn reason(problems: &Problems) -> &'static str {
    let foreign = problems.iter().any(|problem| matches!(problem.fault, Fault::ForeignNamespace(_)));
    if foreign { FOREIGN_NAMESPACE } else { INVALID_SPEC }
}
