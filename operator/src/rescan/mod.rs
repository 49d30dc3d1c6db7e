//! Running images that nobody scanned, and schedules of registries, become ScanJobs. Nothing is scanned here.
//!
//! An image is scanned because a policy selects it: without a policy no registry is asked anything.

mod order;
mod plan;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use breakwater_core::printable;
use breakwater_crds::{ImagePolicy, ScanJob, imagepolicy::CredentialSource, names::annotations};
use kube::{Api, ResourceExt, api::PostParams};

pub use self::order::{Asks, Credentials, Order};
use self::plan::{Asker, Facts, Source};
use crate::{
    context::Context,
    evaluate::{PolicySet, PolicyStore},
    inventory::Images,
    kube::lease::Leadership,
    workloads::Workloads,
};

/// Between two looks, at least: a roll-out is many changes.
const PACE: Duration = Duration::from_millis(500);
/// The longest echo of a request, in characters; annotations may be longer.
const MAX_REQUEST: usize = 253;
/// Between two looks, at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates ScanJobs for running images while this replica leads. Returns when the process is asked to end.
pub async fn run(
    context: Context,
    workloads: Workloads,
    images: Images,
    policies: PolicyStore,
    leadership: Leadership,
) {
    let mut changed = policies.subscribe();
    let mut wake = (workloads.changed(), images.changed());
    workloads.ready().await;
    images.ready().await;
    let mut requests = HashMap::new();
    loop {
        wake.0.mark_unchanged();
        wake.1.mark_unchanged();
        let now = context.clock.now();
        let askers = askers(&policies.set(), &mut requests);
        let (running, scans) = (workloads.all(), images.scans());
        let platforms = workloads.platforms();
        let facts = Facts {
            askers: &askers,
            workloads: &running,
            scans: &scans,
            platforms: &platforms,
            own_namespace: &context.namespace,
        };
        let plan = plan::plan(
            &facts,
            |identity, platform| images.facts(identity, platform),
            |namespace, image, platform| images.tag(namespace, image, platform),
            now,
        );
        if leadership.is_current()
            && let Err(error) = create(&context, &plan.orders).await
        {
            tracing::warn!(%error, "a ScanJob could not be made and is tried again");
        }
        let until =
            plan.wake_at.and_then(|time| (time - now).to_std().ok()).unwrap_or(PATIENCE).min(PATIENCE);
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = tokio::time::sleep(until) => {}
            _ = wake.0.changed() => {}
            _ = wake.1.changed() => {}
            _ = changed.next() => {}
        }
        tokio::time::sleep(PACE).await;
    }
}

/// The request for work that a policy carries, as its status echoes it.
#[must_use]
pub fn request(object: &ImagePolicy) -> Option<String> {
    object.annotations().get(annotations::REQUESTED_AT).map(|request| printable::line(request, MAX_REQUEST))
}

/// Policies in force. `requests` remembers which requests for work were met before.
fn askers(policies: &PolicySet, requests: &mut HashMap<String, String>) -> Vec<Asker> {
    let mut met = HashMap::new();
    let mut askers = Vec::new();
    for (_, stored) in policies.all() {
        // What is invalid selects nothing; its status shows why.
        let Some(policy) = stored.policy() else { continue };
        let object = &stored.object;
        let request = request(object).unwrap_or_default();
        let handled = requests.remove(&policy.id.uid).unwrap_or_else(|| {
            let status = object.status.as_ref();
            status.and_then(|status| status.last_handled_request_at.clone()).unwrap_or_default()
        });
        let at_once = request != handled;
        met.insert(policy.id.uid.clone(), request);
        if policy.suspended {
            continue;
        }
        let scan = object.spec.scan.as_ref();
        let credentials = match scan.and_then(|scan| scan.credentials) {
            _ if scan.is_some_and(|scan| !scan.image_pull_secrets.is_empty()) => {
                let secrets = scan.into_iter().flat_map(|scan| &scan.image_pull_secrets);
                Source::Policy(secrets.map(|secret| secret.name.clone()).collect())
            }
            None => Source::Unsaid,
            Some(CredentialSource::Policy) => Source::Policy(Vec::new()),
            Some(CredentialSource::Workload | CredentialSource::ServiceAccount) => Source::Workload,
        };
        askers.push(Asker { policy: Arc::clone(policy), credentials, at_once });
    }
    *requests = met;
    askers
}

/// Makes the ScanJobs; one that is there already is the same question and stays.
///
/// # Errors
/// What the API server answered to the first that it refused. The others are tried all the same.
pub async fn create(context: &Context, orders: &[Order]) -> Result<(), kube::Error> {
    let keep = context.config.load().scan.keep_finished;
    let mut outcome = Ok(());
    for order in orders {
        let api = Api::<ScanJob>::namespaced(context.client.clone(), &order.namespace);
        match api.create(&PostParams::default(), &order.scan_job(keep)).await {
            Ok(_) => tracing::info!(scan_job = order.name, namespace = order.namespace, "ScanJob made"),
            Err(kube::Error::Api(answer)) if answer.is_already_exists() => {}
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}
