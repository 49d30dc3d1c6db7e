//! Removes Jobs whose ScanJob is gone. No ownerReference crosses namespaces, so no garbage collector does it; and no finalizer holds up
//! the deletion of a ScanJob, or of its namespace, when the operator is not there.

use std::{collections::BTreeSet, time::Duration};

use breakwater_crds::{ScanJob, names::labels};
use kube::{Api, ResourceExt as _};

use super::{Controller, ScanJobError, apply::delete_job, job};

/// Looking costs nothing but memory reads; an orphan works on for so long at most.
const EVERY: Duration = Duration::from_secs(5);

/// Sweeps until the process is asked to stop.
pub(super) async fn sweep(controller: &Controller) {
    let stop = controller.context.stop.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = once(controller).await {
            tracing::warn!(%error, "orphaned scan Jobs could not be removed; tried again");
        }
    }
}

pub(super) async fn once(controller: &Controller) -> Result<(), ScanJobError> {
    let existing: BTreeSet<String> =
        controller.places.scan_jobs.state().iter().filter_map(|s| s.uid()).collect();
    for job in controller.places.jobs.state() {
        let Some(uid) = job.labels().get(labels::SCANJOB_UID).filter(|uid| !existing.contains(*uid)) else {
            continue;
        };
        let Some((namespace, name)) = job::requester(&job) else { continue };
        // The cache may be behind: the API server has the last word.
        let api: Api<ScanJob> = Api::namespaced(controller.context.client.clone(), &namespace);
        let there = api.get_metadata_opt(&name).await?.and_then(|found| found.metadata.uid);
        if there.as_ref() != Some(uid) && job.metadata.deletion_timestamp.is_none() {
            tracing::info!(
                job = job.name_any(),
                namespace,
                scan_job = name,
                "the ScanJob is gone, and so is its Job"
            );
            delete_job(controller, &job.name_any(), job.uid().unwrap_or_default()).await?;
        }
    }
    let (active, queued) = controller.places.counts(&controller.rules());
    controller.context.metrics.scan_jobs(active, queued);
    Ok(())
}
