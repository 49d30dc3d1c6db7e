//! Carries out what `breakwater_core::mitigation` plans, one step at a time, and never decides what to do.
//!
//! Not in this version, each reported as `NotAvailable` or `Held` with the reason: contest handling (somebody scales a latched workload
//! up again), refusing pods of a latched workload at admission, the actions Label, Evidence and Quarantine, triggers on risk.

mod access;
mod act;
mod audit;
mod board;
mod error;
mod executor;
mod live;
pub mod records;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use breakwater_core::policy::{Policy, PolicyId};
use tokio::sync::watch;

use self::{board::Board, error::within, executor::Executor};
pub use self::{
    board::{Judgement, MitigationState},
    error::MitigationError,
};
use crate::{
    clock::Clock, context::Context, inventory::Images, kube::events::Events, kube::lease::Leadership,
    workloads::Workloads,
};

/// Records that could not be read are tried again so much later.
const RECORDS_AGAIN: Duration = Duration::from_secs(10);

/// Where judgements are handed in and states are read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Mitigation {
    board: Arc<Board>,
    clock: Clock,
}

impl Mitigation {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { board: Arc::default(), clock }
    }

    /// Replaces all that is known of this policy: every workload it selects, the compliant ones too.
    ///
    /// A workload left out is not judged: it is neither acted upon nor restored on this policy's account while the policy selects it.
    pub fn submit(&self, policy: Arc<Policy>, judgements: Vec<Judgement>) {
        self.board.submit(policy, judgements, self.clock.now());
    }

    /// The policy does not exist any more: what only it holds is let go.
    pub fn withdraw(&self, policy: &PolicyId) {
        self.board.withdraw(policy);
    }

    /// How the workloads stand that this policy wants something done about, sorted by reference.
    #[must_use]
    pub fn states(&self, policy: &PolicyId) -> Vec<MitigationState> {
        self.board.states(policy)
    }

    /// Counts up whenever a state changed.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.board.version.subscribe()
    }

    /// Acts until the process is asked to stop. Started on the lease holder only, once.
    ///
    /// # Errors
    /// When leadership was lost: the process must end then. Records that cannot be read are tried again; until then nothing is done.
    pub async fn run(
        self,
        context: Context,
        workloads: Workloads,
        images: Images,
        leadership: Leadership,
        events: Events,
    ) -> Result<(), MitigationError> {
        workloads.ready().await;
        loop {
            let executor =
                Executor::new(context.clone(), self.board.clone(), leadership.clone(), events.clone());
            match executor.await {
                Ok(executor) => return executor.run(&workloads, &images).await,
                // Without the records nothing is done; scanning and judging go on.
                Err(error) => {
                    tracing::error!(%error, "the records cannot be read: nothing is mitigated until they can")
                }
            }
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RECORDS_AGAIN) => {}
            }
        }
    }
}
