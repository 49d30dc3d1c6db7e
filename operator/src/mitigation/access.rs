//! The first opt-in: whether the operator's role may act in a namespace. It is asked, not assumed: an install overlay grants it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use breakwater_core::workload::WorkloadKind;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::MitigationError;

/// An answer holds so long. A review that failed is no answer, and is not kept.
const KEEP: Duration = Duration::from_secs(60);

/// The most answers kept; with more they are all asked anew.
const MAX_ANSWERS: usize = 4096;

type Answers = HashMap<(String, &'static str), (Instant, bool)>;

#[derive(Debug, Default)]
pub(super) struct Access {
    answers: Mutex<Answers>,
}

impl Access {
    /// Reports whether what mitigation does to workloads of this kind is granted in `namespace`; `None`: that could not be asked.
    pub(super) async fn may_act(
        &self,
        client: &Client,
        namespace: &str,
        kind: WorkloadKind,
        now: Instant,
    ) -> Option<bool> {
        let needed = needed(kind);
        let key = (namespace.to_owned(), needed.resource);
        let known = self.answers().get(&key).copied();
        if let Some((asked, granted)) = known
            && now.saturating_duration_since(asked) < KEEP
        {
            return Some(granted);
        }
        match ask(client, namespace, &needed).await {
            Ok(granted) => {
                let mut answers = self.answers();
                if answers.len() >= MAX_ANSWERS {
                    answers.clear();
                }
                answers.insert(key, (now, granted));
                Some(granted)
            }
            Err(error) => {
                tracing::warn!(%error, namespace, "the right to act could not be asked for");
                None
            }
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
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
