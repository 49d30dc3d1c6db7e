//! The nine watches. Each follows one kind in the whole cluster, in small pages, and prunes every object while it is parsed.

use std::{fmt::Debug, future::ready};

use breakwater_core::workload::WorkloadKind;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::{
    Api, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::{
    Workloads,
    cluster::Cluster,
    objects::{
        CronJobObject, DaemonSetObject, DeploymentObject, JobObject, NamespaceObject, NodeObject, PodObject,
        StatefulSetObject,
    },
    rows::{self, Pool},
};
use crate::context::Context;

/// Objects per page of a list: what one page holds is in memory at once.
const PAGE: u32 = 100;

fn config() -> watcher::Config {
    // The server ends a watch after its time-out; a connection that is silent for longer than that is dead and made anew.
    watcher::Config::default().page_size(PAGE).timeout(240)
}

pub(super) fn spawn(context: &Context, workloads: &Workloads) {
    follow::<PodObject>(context, workloads, |event, cluster, pool| {
        cluster.pods.follow(event, |object| rows::pod(object, pool))
    });
    follow::<DeploymentObject>(context, workloads, |event, cluster, pool| {
        cluster.deployments.follow(event, |object| {
            let replicas = object.spec.replicas;
            rows::owner(
                WorkloadKind::Deployment,
                object.metadata,
                replicas,
                Some(&object.spec.template.spec),
                pool,
            )
        })
    });
    follow::<StatefulSetObject>(context, workloads, |event, cluster, pool| {
        cluster.stateful_sets.follow(event, |object| {
            let replicas = object.spec.replicas;
            rows::owner(
                WorkloadKind::StatefulSet,
                object.metadata,
                replicas,
                Some(&object.spec.template.spec),
                pool,
            )
        })
    });
    follow::<DaemonSetObject>(context, workloads, |event, cluster, pool| {
        cluster.daemon_sets.follow(event, |object| {
            rows::owner(
                WorkloadKind::DaemonSet,
                object.metadata,
                None,
                Some(&object.spec.template.spec),
                pool,
            )
        })
    });
    follow::<JobObject>(context, workloads, |event, cluster, pool| {
        cluster.jobs.follow(event, |object| rows::job(object, pool))
    });
    follow::<CronJobObject>(context, workloads, |event, cluster, pool| {
        cluster.cron_jobs.follow(event, |object| {
            let template = &object.spec.job_template.spec.template.spec;
            rows::owner(WorkloadKind::CronJob, object.metadata.clone(), None, Some(template), pool)
        })
    });
    follow::<NamespaceObject>(context, workloads, |event, cluster, _| {
        cluster.namespaces.follow(event, rows::namespace)
    });
    follow::<NodeObject>(context, workloads, |event, cluster, pool| {
        cluster.nodes.follow(event, |object| rows::node(object, pool))
    });
    follow::<PartialObjectMeta<ReplicaSet>>(context, workloads, |event, cluster, pool| {
        cluster.replica_sets.follow(event, |object| rows::replica_set(object.metadata, pool))
    });
}

fn follow<K>(
    context: &Context,
    workloads: &Workloads,
    mut change: impl FnMut(Event<K>, &mut Cluster, &mut Pool) -> bool + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let kind = K::kind(&()).into_owned();
    let workloads = workloads.clone();
    let events = watcher(Api::<K>::all(context.client.clone()), config());
    let task = events.default_backoff().for_each(move |event| {
        match event {
            Ok(event) => workloads.update(|cluster, pool| change(event, cluster, pool)),
            Err(error) => tracing::warn!(kind, %error, "watch broke off, trying again"),
        }
        ready(())
    });
    context.background.spawn("watches of workloads", task);
}
