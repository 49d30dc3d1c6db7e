use breakwater_core::{
    policy::NamespaceScope,
    selector::LabelSelector,
    workload::{WorkloadKind, WorkloadRef},
};
use kube::ResourceExt as _;

use super::{
    cidr,
    policy::{Home, notify},
    problem::{Fault, Problems},
    report::Report,
    selector, shape, text,
};
use crate::{
    RuntimeBaseline, RuntimeBaselineSpec,
    imagepolicy::Mode,
    runtimebaseline::{BaselineMode, NetworkBehaviour, Peer, ProcessBehaviour, Response, TargetKind},
};

/// A validated `RuntimeBaseline`, as far as a controller without a sensor works with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    pub target: BaselineTarget,
    pub mode: BaselineMode,
    /// Empty: all but init containers.
    pub containers: Vec<String>,
}

/// Whose behaviour it is.
#[derive(Debug, Clone, PartialEq)]
pub enum BaselineTarget {
    Workload(WorkloadRef),
    Selected { namespaces: NamespaceScope, workloads: LabelSelector },
}

impl RuntimeBaseline {
    /// Whose behaviour is learned, and how far it goes.
    ///
    /// # Errors
    /// Everything that is wrong with the spec, by field.
    pub fn validate(&self, operator_namespace: &str) -> Result<Baseline, Problems> {
        let namespace = self.namespace().unwrap_or_default();
        let mut baseline = validate(&self.spec, Home::new(&namespace, operator_namespace))?;
        if let BaselineTarget::Workload(workload) = &mut baseline.target {
            workload.namespace = namespace;
        }
        Ok(baseline)
    }
}

/// Nothing is refused for its place, and a target has no namespace yet. See [`RuntimeBaseline::validate`].
impl TryFrom<&RuntimeBaselineSpec> for Baseline {
    type Error = Problems;

    fn try_from(spec: &RuntimeBaselineSpec) -> Result<Self, Problems> {
        validate(spec, Home::anywhere())
    }
}

fn validate(spec: &RuntimeBaselineSpec, home: Home<'_>) -> Result<Baseline, Problems> {
    let mut report = Report::default();
    let target = target(spec, &home, &mut report);
    if let Some(learning) = &spec.learning {
        if let Some(duration) = &learning.duration {
            report.take("spec.learning.duration", text::some_time(duration));
        }
        if let Some(quiet) = learning.auto_promote.as_ref().and_then(|promote| promote.quiet.as_deref()) {
            report.take("spec.learning.autoPromote.quiet", text::some_time(quiet));
        }
    }
    if let Some(allow) = &spec.allow {
        behaviour("spec.allow", &allow.processes, &allow.network, &allow.capabilities, &mut report);
    }
    if let Some(deny) = &spec.deny {
        behaviour("spec.deny", &deny.processes, &deny.network, &deny.capabilities, &mut report);
    }
    for (position, detector) in spec.detectors.iter().enumerate() {
        report.each(&format!("spec.detectors[{position}].exclude"), &detector.exclude, text::glob);
    }
    if let Some(answer) = &spec.response {
        response(answer, &mut report);
    }
    if let Some(told) = &spec.notify {
        notify(told, &mut report);
    }
    let mut shapes = Report::default();
    shape::check_spec("RuntimeBaseline", &serde_json::to_value(spec).unwrap_or_default(), &mut shapes);
    report.add_shape(shapes);
    let (mode, containers) = (spec.mode, spec.containers.clone());
    report.finish(target.map(|target| Baseline { target, mode, containers }))
}

fn target(spec: &RuntimeBaselineSpec, home: &Home<'_>, report: &mut Report) -> Option<BaselineTarget> {
    match (&spec.target_ref, &spec.selector) {
        (Some(target), None) => {
            let kind = WorkloadKind::from(target.kind);
            if target.api_version != kind.api_version() {
                let fault = "apiVersion does not go with kind: apps/v1 for Deployment, StatefulSet and DaemonSet, batch/v1 for Job and CronJob, v1 for Pod";
                report.say("spec.targetRef.apiVersion", Fault::Contradiction(fault));
            }
            let workload = WorkloadRef { kind, namespace: String::new(), name: target.name.clone() };
            Some(BaselineTarget::Workload(workload))
        }
        (None, Some(wanted)) => {
            let path = "spec.selector";
            let namespaces = wanted.namespace_selector.as_ref();
            let namespaces =
                selector::namespaces(&format!("{path}.namespaceSelector"), namespaces, home, report);
            let workloads = wanted.workload_selector.as_ref();
            let workloads = selector::labels(&format!("{path}.workloadSelector"), workloads, report);
            Some(BaselineTarget::Selected { namespaces, workloads })
        }
        _ => {
            report.say("spec", Fault::ExactlyOne("targetRef and selector"));
            None
        }
    }
}

fn behaviour(
    path: &str,
    processes: &[ProcessBehaviour],
    network: &[NetworkBehaviour],
    capabilities: &[String],
    report: &mut Report,
) {
    for (position, process) in processes.iter().enumerate() {
        report.take(&format!("{path}.processes[{position}].path"), text::glob(&process.path));
    }
    for (position, connection) in network.iter().enumerate() {
        let path = format!("{path}.network[{position}]");
        if connection.end_port.is_some_and(|end| connection.port.is_none_or(|port| end < port)) {
            let fault = "endPort needs a port and must not be below it";
            report.say(format!("{path}.endPort"), Fault::Contradiction(fault));
        }
        match &connection.peer {
            Some(other) => peer(&format!("{path}.peer"), other, report),
            None if connection.port.is_none() => {
                report.say(path, Fault::Contradiction("name at least a port or a peer"));
            }
            None => {}
        }
    }
    report.each(&format!("{path}.capabilities"), capabilities, text::capability);
}

fn peer(path: &str, peer: &Peer, report: &mut Report) {
    // Taken apart without `..`: another way to name a peer cannot be forgotten.
    let Peer { workload, service, dns_name, cidr } = peer;
    let given = [workload.is_some(), service.is_some(), dns_name.is_some(), cidr.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        report.say(path, Fault::ExactlyOne("workload, service, dnsName and cidr"));
    }
    if let Some(network) = cidr {
        report.take(&format!("{path}.cidr"), cidr::parse(network));
    }
}

fn response(response: &Response, report: &mut Report) {
    let path = "spec.response";
    if response.mode == Mode::Enforce && response.ladder.is_empty() {
        let fault = "mode Enforce needs at least one step of the ladder";
        report.say(format!("{path}.ladder"), Fault::Contradiction(fault));
    }
    if !response.ladder.is_sorted_by_key(|step| step.action) {
        let fault = "steps go from least to most: Alert, Label, Evidence, Quarantine, DeletePod, ScaleToZero";
        report.say(format!("{path}.ladder"), Fault::Contradiction(fault));
    }
    for (position, step) in response.ladder.iter().enumerate() {
        if let Some(after) = &step.after {
            report.take(&format!("{path}.ladder[{position}].after"), text::duration(after));
        }
    }
    if let Some(cooldown) = &response.cooldown {
        report.take(&format!("{path}.cooldown"), text::duration(cooldown));
    }
    if let Some(after) = response.restore.as_ref().and_then(|restore| restore.after.as_deref()) {
        report.take(&format!("{path}.restore.after"), text::some_time(after));
    }
}

impl From<TargetKind> for WorkloadKind {
    fn from(kind: TargetKind) -> Self {
        match kind {
            TargetKind::Deployment => Self::Deployment,
            TargetKind::StatefulSet => Self::StatefulSet,
            TargetKind::DaemonSet => Self::DaemonSet,
            TargetKind::Job => Self::Job,
            TargetKind::CronJob => Self::CronJob,
            TargetKind::Pod => Self::Pod,
        }
    }
}
