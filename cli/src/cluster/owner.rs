//! From the object that somebody asks about up to the workload that policies judge.

use breakwater_core::workload::WorkloadKind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::Target;

/// The longest chain of built-in owners is Pod, Job, CronJob; one more for what is odd.
const MAX_OWNERS: usize = 4;

/// The workload, with the objects below it that led there.
pub(super) struct Top {
    pub(super) target: Target,
    pub(super) object: DynamicObject,
    pub(super) via: Vec<String>,
    /// Why the chain ends where it does, if that is not obvious.
    pub(super) note: Option<String>,
}

/// Follows controllers upwards. An owner counts if it exists, has the UID that is named and is of a kind that makes such objects.
pub(super) async fn top(target: Target, object: DynamicObject) -> anyhow::Result<Top> {
    let mut top = Top { target, object, via: Vec::new(), note: None };
    for _ in 0..MAX_OWNERS {
        let Some(owner) = controller(&top.object) else { break };
        let Some(kind) = maker(top.target.kind, owner) else {
            top.note = Some(format!(
                "{} is controlled by {}/{}, which is not built in: judged as itself",
                top.target.reference(),
                owner.kind,
                owner.name
            ));
            break;
        };
        let above = top.target.at(kind, owner.name.clone());
        let found = above.find().await?;
        let Some(object) = found.filter(|object| object.uid().as_deref() == Some(&owner.uid)) else {
            top.note = Some(format!(
                "{} names the owner {}/{}, which does not exist: judged as itself",
                top.target.reference(),
                owner.kind,
                owner.name
            ));
            break;
        };
        top.via.push(top.target.reference());
        (top.target, top.object) = (above, object);
    }
    Ok(top)
}

fn controller(object: &DynamicObject) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true))
}

/// The built-in kind of `owner`, if it makes objects of `kind`.
fn maker(kind: WorkloadKind, owner: &OwnerReference) -> Option<WorkloadKind> {
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet};
    let makers: &[WorkloadKind] = match kind {
        Pod => &[ReplicaSet, StatefulSet, DaemonSet, Job],
        ReplicaSet => &[Deployment],
        Job => &[CronJob],
        Deployment | StatefulSet | DaemonSet | CronJob => &[],
    };
    let is_named =
        |maker: &&WorkloadKind| maker.as_str() == owner.kind && maker.api_version() == owner.api_version;
    makers.iter().find(is_named).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_built_in_kinds_that_make_such_objects_are_owners() {
        let owner = |api_version: &str, kind: &str| OwnerReference {
            api_version: api_version.into(),
            kind: kind.into(),
            name: "x".into(),
            uid: "u".into(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        for (kind, api, above, found) in [
            (WorkloadKind::Pod, "apps/v1", "ReplicaSet", Some(WorkloadKind::ReplicaSet)),
            (WorkloadKind::Pod, "apps/v1", "Deployment", None),
            (WorkloadKind::ReplicaSet, "apps/v1", "Deployment", Some(WorkloadKind::Deployment)),
            (WorkloadKind::ReplicaSet, "argoproj.io/v1alpha1", "Rollout", None),
            (WorkloadKind::Job, "batch/v1", "CronJob", Some(WorkloadKind::CronJob)),
            (WorkloadKind::Job, "example.com/v1", "CronJob", None),
            (WorkloadKind::Pod, "v1", "Node", None),
        ] {
            assert_eq!(maker(kind, &owner(api, above)), found, "{kind:?} {above}");
        }
    }
}
