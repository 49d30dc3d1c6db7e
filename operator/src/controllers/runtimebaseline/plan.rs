//! What a valid baseline comes to. Pure.

use breakwater_core::{
    policy::NamespaceScope,
    workload::{Workload, WorkloadRef},
};
use breakwater_crds::{
    RuntimeBaseline,
    runtimebaseline::BaselineMode,
    validation::{Baseline, BaselineTarget},
};

use super::observe::Facts;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) wanted: BaselineMode,
    /// Without a sensor nothing is learned, detected or enforced, whatever is wanted.
    pub(super) observed: BaselineMode,
    /// How many workloads are meant.
    pub(super) workloads: usize,
    /// The workload of `spec.targetRef`, if it does not exist.
    pub(super) missing: Option<WorkloadRef>,
}

pub(super) fn plan(baseline: &Baseline, object: &RuntimeBaseline, facts: &Facts) -> Plan {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let workloads =
        facts.workloads.iter().filter(|workload| meant(&baseline.target, workload, namespace)).count();
    let missing = match &baseline.target {
        BaselineTarget::Workload(target) if workloads == 0 => Some(target.clone()),
        BaselineTarget::Workload(_) | BaselineTarget::Selected { .. } => None,
    };
    Plan { wanted: baseline.mode, observed: BaselineMode::Off, workloads, missing }
}

fn meant(target: &BaselineTarget, workload: &Workload, home: &str) -> bool {
    match target {
        BaselineTarget::Workload(target) => workload.id == *target,
        BaselineTarget::Selected { namespaces, workloads } => {
            let in_scope = match namespaces {
                NamespaceScope::Own => workload.id.namespace == home,
                NamespaceScope::Labelled(selector) => selector.matches(&workload.namespace_labels),
            };
            in_scope && workloads.matches(&workload.labels)
        }
    }
}
