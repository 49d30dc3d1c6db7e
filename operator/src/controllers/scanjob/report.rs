//! Says what is, once: the status if it changed, an Event if something happened.

use breakwater_crds::ScanJob;
use kube::{Resource as _, runtime::controller::Action};

use super::{Controller, ScanJobError, apply::Applied};
use crate::kube::{
    apply::{FieldManager, apply_status},
    events::Kind,
};

pub(super) async fn report(
    controller: &Controller,
    scan_job: &ScanJob,
    applied: Applied,
) -> Result<Action, ScanJobError> {
    let Applied { status, look_again, news } = applied;
    if let Some(status) = status {
        let client = &controller.context.client;
        let written = apply_status(client, FieldManager::Controller, scan_job, &status).await?;
        if let Some(news) = news.filter(|_| written) {
            let kind = if news.good { Kind::Normal } else { Kind::Warning };
            let about = scan_job.object_ref(&());
            controller.events.tell(&about, kind, &news.reason, "Scan", &news.note).await;
        }
    }
    Ok(look_again.map_or_else(Action::await_change, Action::requeue))
}
