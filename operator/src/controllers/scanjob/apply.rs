//! Carries out a plan. Takes it apart field by field, so that nothing a plan may hold can be forgotten.

use std::{sync::Arc, time::Duration};

use breakwater_crds::{ScanJob, ScanJobStatus, names::managers};
use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{
    Controller, ScanJobError,
    job::{self, Files},
    plan::{NewJob, News, Plan},
};

/// What is left to say after a plan was carried out.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) status: Option<ScanJobStatus>,
    pub(super) look_again: Option<Duration>,
    pub(super) news: Option<News>,
}

pub(super) async fn apply(
    controller: &Controller,
    scan_job: &ScanJob,
    plan: Plan,
) -> Result<Applied, ScanJobError> {
    let Plan { create, secret, delete_jobs, status, delete, look_again, news } = plan;
    if let Some(new) = create {
        let uid = scan_job.uid().unwrap_or_default();
        if let Err(error) = start(controller, new).await {
            controller.places.release(&uid);
            return Err(error);
        }
    }
    if let Some((job, files)) = secret {
        create_secret(controller, &job, files).await?;
    }
    for (name, uid) in delete_jobs {
        delete_job(controller, &name, uid).await?;
    }
    if delete {
        controller.must_lead()?;
        let api: Api<ScanJob> =
            Api::namespaced(controller.context.client.clone(), &scan_job.namespace().unwrap_or_default());
        let ours = precondition(scan_job.uid().unwrap_or_default());
        gone(api.delete(&scan_job.name_any(), &ours).await.map(|_| ()))?;
    }
    Ok(Applied { status, look_again, news })
}

/// The Job, then its Secret, which it owns. The pod waits for the Secret; a kill in between is mended by the next reconcile.
async fn start(controller: &Controller, new: NewJob) -> Result<(), ScanJobError> {
    controller.must_lead()?;
    let NewJob { job, files } = new;
    let params = PostParams { field_manager: Some(managers::CONTROLLER.into()), ..PostParams::default() };
    let made = match controller.own::<Job>().create(&params, &job).await {
        // The name derives from the question: this is the same Job, made before a restart.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            controller.own::<Job>().get(&job.name_any()).await?
        }
        made => made?,
    };
    if !files.is_empty() {
        create_secret(controller, &Arc::new(made), files).await?;
    }
    Ok(())
}

async fn create_secret(controller: &Controller, job: &Arc<Job>, files: Files) -> Result<(), ScanJobError> {
    let params = PostParams { field_manager: Some(managers::CONTROLLER.into()), ..PostParams::default() };
    match controller.own::<Secret>().create(&params, &job::secret(job, files)).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => Ok(made.map(|_| ())?),
    }
}

/// Deletes a Job with its pods, if it still is the one that was seen.
pub(super) async fn delete_job(controller: &Controller, name: &str, uid: String) -> Result<(), ScanJobError> {
    controller.must_lead()?;
    let params =
        DeleteParams { preconditions: precondition(uid).preconditions, ..DeleteParams::background() };
    gone(controller.own::<Job>().delete(name, &params).await.map(|_| ()))
}

fn precondition(uid: String) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid), resource_version: None };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

/// Not there, or another one of the same name: what was to be deleted is gone.
fn gone(deleted: Result<(), kube::Error>) -> Result<(), ScanJobError> {
    match deleted {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        deleted => Ok(deleted?),
    }
}
