//! Workload × image × policy → verdicts: the one place where running workloads are judged.
//!
//! A change of one pod, image or policy judges only the pairs of policy and workload that it concerns; an index swap judges all,
//! in slices. Without changes nothing runs until a verdict may change by time.

mod inputs;
mod judging;
mod memo;
mod policies;
#[cfg(test)]
mod tests;
mod verdicts;

use std::sync::Arc;

pub use inputs::{ImageOnPlatform, asked_for, images_under_test};
pub use policies::{PolicySet, PolicyStore, StoredPolicy};
pub use verdicts::{JudgedWorkload, PolicyChange, Update, Verdicts};

use crate::{context::Context, inventory::Images, workloads::Workloads};

/// Starts judging, on every replica.
#[must_use]
pub fn start(
    context: &Context,
    policies: &PolicyStore,
    workloads: &Workloads,
    images: &Images,
) -> Arc<Verdicts> {
    let verdicts = Arc::<Verdicts>::default();
    let judging = judging::run(
        context.clone(),
        policies.clone(),
        workloads.clone(),
        images.clone(),
        Arc::clone(&verdicts),
    );
    context.background.spawn("judging", judging);
    verdicts
}
