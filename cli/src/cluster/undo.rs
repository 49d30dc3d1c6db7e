//! `breakwater undo`: asks, by annotation, for the end of a mitigation; the operator does it. The annotation names the very mitigation,
//! so that an old one that comes back with a rollback undoes nothing.

use std::time::Duration;

use anyhow::{Context, bail};
use breakwater_core::printable::line;
use breakwater_crds::names::annotations;
use kube::ResourceExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Deserialize;
use serde_json::json;

use super::Target;
use crate::arguments::Undo;
use crate::terminal::ProgressLine;

/// How often the workload is looked at while waiting.
const LOOK: Duration = Duration::from_millis(500);

/// The copy of the mitigation record that the workload carries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainmentCopy {
    nonce: String,
    action: String,
    #[serde(default)]
    previous_replicas: i64,
    #[serde(default)]
    restore: String,
}

pub(crate) async fn undo(arguments: &Undo) -> anyhow::Result<()> {
    let target = Target::connect(&arguments.on).await?;
    let workload = target.get().await?;
    let Some(copy) = workload.annotations().get(annotations::MITIGATION) else {
        bail!("no mitigation of {} is in effect: nothing to undo", target.reference());
    };
    let containment: ContainmentCopy = serde_json::from_str(copy).with_context(|| {
        format!("the annotation {} of {} cannot be read", annotations::MITIGATION, target.reference())
    })?;
    let patch = json!({"metadata": {"annotations": {annotations::UNDO: containment.nonce}}});
    let annotated = target.api().patch(&target.name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    annotated.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => {
            anyhow::anyhow!("not allowed to undo on {}: {}", target.reference(), line(&status.message, 300))
        }
        other => anyhow::Error::from(other).context(format!("cannot annotate {}", target.reference())),
    })?;
    println!("undo of {} on {} is requested", line(&containment.action, 40), target.reference());
    if arguments.timeout.is_zero() {
        return Ok(());
    }
    let progress = ProgressLine::new();
    progress.show("waiting for the operator");
    match tokio::time::timeout(arguments.timeout, released(&target, &containment)).await {
        Ok(workload) => {
            let workload = workload?;
            drop(progress);
            match replicas(&workload) {
                Some(replicas) => println!("undone: {} has {replicas} replicas again", target.reference()),
                None => println!("undone: {}", target.reference()),
            }
            Ok(())
        }
        Err(_) => {
            drop(progress);
            bail!(
                "not undone within {}; the annotation stays and the operator acts on it when it can. By hand: {}",
                humantime::format_duration(arguments.timeout),
                line(&containment.restore, 300)
            )
        }
    }
}

/// Waits until the mitigation is gone and the replicas are back.
async fn released(target: &Target, containment: &ContainmentCopy) -> anyhow::Result<DynamicObject> {
    loop {
        let workload = target.get().await?;
        let held = workload
            .annotations()
            .get(annotations::MITIGATION)
            .is_some_and(|copy| copy.contains(&containment.nonce));
        let back = replicas(&workload).is_none_or(|replicas| replicas >= containment.previous_replicas);
        if !held && back {
            return Ok(workload);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn replicas(workload: &DynamicObject) -> Option<i64> {
    workload.data.pointer("/spec/replicas")?.as_i64()
}
