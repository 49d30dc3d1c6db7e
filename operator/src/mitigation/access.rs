//! Key 1: whether our role may write workloads in a namespace. Asked, not assumed: an install overlay grants it, per namespace if wanted.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use breakwater_core::workload::WorkloadKind;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::MitigationError;

/// An answer holds so long.
const KEEP: Duration = Duration::from_secs(60);

/// So many answers are kept; with more they are all asked anew.
const MAX_ANSWERS: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Access {
    answers: HashMap<(String, &'static str), (Instant, bool)>,
}

impl Access {
    /// Whether what mitigation does to workloads of this kind is granted in `namespace`. An answer that cannot be had is a no.
    pub(super) async fn may_act(
        &mut self,
        client: &Client,
        namespace: &str,
        kind: WorkloadKind,
        now: Instant,
    ) -> bool {
        let needed = needed(kind);
        let key = (namespace.to_owned(), needed.resource);
        if let Some((asked, granted)) = self.answers.get(&key)
            && now.saturating_duration_since(*asked) < KEEP
        {
            return *granted;
        }
        let granted = ask(client, namespace, &needed).await.unwrap_or_else(|error| {
            tracing::warn!(%error, namespace, "it could not be asked what is granted");
            false
        });
        if self.answers.len() >= MAX_ANSWERS {
            self.answers.clear();
        }
        self.answers.insert(key, (now, granted));
        granted
    }
}

struct Needed {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verb: &'static str,
}

/// The verb without which nothing can be done to this kind; the overlay grants it together with the rest.
fn needed(kind: WorkloadKind) -> Needed {
    let of = |group, resource, subresource, verb| Needed { group, resource, subresource, verb };
    match kind {
        WorkloadKind::StatefulSet => of("apps", "statefulsets", "scale", "update"),
        WorkloadKind::CronJob => of("batch", "cronjobs", "", "patch"),
        WorkloadKind::DaemonSet | WorkloadKind::ReplicaSet | WorkloadKind::Job | WorkloadKind::Pod => {
            of("", "pods", "eviction", "create")
        }
        WorkloadKind::Deployment => of("apps", "deployments", "scale", "update"),
    }
}

async fn ask(client: &Client, namespace: &str, needed: &Needed) -> Result<bool, MitigationError> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(needed.group.to_owned()),
                resource: Some(needed.resource.to_owned()),
                subresource: Some(needed.subresource.to_owned()).filter(|name| !name.is_empty()),
                verb: Some(needed.verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = super::within(
        Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review),
    )
    .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
