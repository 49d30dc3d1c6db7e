//! What is never touched, whatever a policy asks. Nothing that a tenant can set (priority class, label prefix) exempts a workload.

use super::{ActionKind, Blocker};
use crate::workload::{WorkloadKind, WorkloadRef};

/// Namespaces whose loss stops the cluster, and the namespace of node heartbeats.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// `own` is the operator's namespace, `exempt` the exact names in its configuration.
pub(super) fn namespace(name: &str, own: &str, exempt: &[String]) -> Result<(), Blocker> {
    let is_exempt =
        SYSTEM_NAMESPACES.contains(&name) || name == own || exempt.iter().any(|other| other == name);
    if is_exempt { Err(Blocker::ExemptNamespace(name.to_owned())) } else { Ok(()) }
}

/// Reports whether this action can be taken on this kind at all, and whether the policy lets it. `allowed` empty means Deployments.
pub(super) fn kind(
    target: &WorkloadRef,
    action: ActionKind,
    allowed: &[WorkloadKind],
) -> Result<(), Blocker> {
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet};
    match (action, target.kind) {
        (ActionKind::Alert, _) => return Ok(()),
        (ActionKind::Label, _) => return Err(Blocker::NotAvailable("action Label")),
        (ActionKind::Evidence, _) => return Err(Blocker::NotAvailable("action Evidence")),
        (ActionKind::Quarantine, _) => return Err(Blocker::NotAvailable("action Quarantine")),
        (ActionKind::ScaleToZero, DaemonSet) => return Err(Blocker::DaemonSetNeverScaled),
        (ActionKind::ScaleToZero, Job) => return Err(Blocker::RunningJob),
        (ActionKind::DeletePod, Job | CronJob) => return Err(Blocker::RunningJob),
        (ActionKind::ScaleToZero, Pod | ReplicaSet) => return Err(Blocker::NoReplicas(target.kind.as_str())),
        // Nothing would bring a bare pod back.
        (ActionKind::DeletePod, Pod) => return Err(Blocker::NoReplicas("Pod without a controller")),
        (ActionKind::ScaleToZero, Deployment | StatefulSet | CronJob)
        | (ActionKind::DeletePod, Deployment | StatefulSet | DaemonSet | ReplicaSet) => {}
    }
    let listed = if allowed.is_empty() { target.kind == Deployment } else { allowed.contains(&target.kind) };
    if listed { Ok(()) } else { Err(Blocker::KindNotEnabled(target.kind.as_str())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_namespaces_and_our_own_are_never_touched() {
        for name in ["kube-system", "kube-public", "kube-node-lease", "breakwater-system", "calico-system"] {
            let exempt = ["calico-system".to_owned()];
            assert_eq!(
                namespace(name, "breakwater-system", &exempt),
                Err(Blocker::ExemptNamespace(name.into())),
                "{name}"
            );
        }
        for name in ["shop", "kube-system-2", "breakwater-system-x", "kube"] {
            assert_eq!(namespace(name, "breakwater-system", &[]), Ok(()), "{name}: no prefixes");
        }
    }

    #[test]
    fn kinds() {
        use ActionKind::{Alert, DeletePod, Quarantine, ScaleToZero};
        use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet};
        let check = |action, of, allowed: &[WorkloadKind]| {
            kind(&WorkloadRef { kind: of, namespace: "n".into(), name: "w".into() }, action, allowed)
        };
        let all = [Deployment, StatefulSet, CronJob, DaemonSet, Job, ReplicaSet, Pod];
        assert_eq!(check(ScaleToZero, Deployment, &[]), Ok(()));
        assert_eq!(check(ScaleToZero, StatefulSet, &[]), Err(Blocker::KindNotEnabled("StatefulSet")));
        assert_eq!(check(ScaleToZero, StatefulSet, &[StatefulSet]), Ok(()));
        assert_eq!(
            check(ScaleToZero, Deployment, &[StatefulSet]),
            Err(Blocker::KindNotEnabled("Deployment"))
        );
        assert_eq!(check(ScaleToZero, CronJob, &[CronJob]), Ok(()));
        assert_eq!(check(ScaleToZero, DaemonSet, &all), Err(Blocker::DaemonSetNeverScaled));
        assert_eq!(check(ScaleToZero, Job, &all), Err(Blocker::RunningJob));
        assert_eq!(check(DeletePod, Job, &all), Err(Blocker::RunningJob));
        assert!(matches!(check(ScaleToZero, Pod, &all), Err(Blocker::NoReplicas(_))));
        assert!(matches!(check(DeletePod, Pod, &all), Err(Blocker::NoReplicas(_))));
        assert_eq!(check(DeletePod, DaemonSet, &all), Ok(()));
        assert_eq!(check(Quarantine, Deployment, &all), Err(Blocker::NotAvailable("action Quarantine")));
        assert_eq!(check(Alert, DaemonSet, &[]), Ok(()), "telling touches nothing");
    }
}
