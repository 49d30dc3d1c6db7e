//! Carries out what `breakwater_core::mitigation` plans, one step at a time, and never decides what to do.
//!
//! The executor is a queue keyed by target: what waits, or is slow, delays no other.
//!
//! Not in this version, each reported as `NotAvailable` with the reason: refusing pods of a contained workload at admission, the actions
//! Label, Evidence and Quarantine, triggers on risk.

mod access;
mod actions;
mod audit;
pub mod breaker;
mod error;
mod executor;
mod outbox;
mod queue;
pub mod records;
mod run;
mod status_table;
mod target;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use breakwater_core::policy::PolicyId;

pub use self::{error::MitigationError, status_table::MitigationState};
use self::{error::within, status_table::StatusTable};
use crate::changes::Subscription;

/// Where states are read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Mitigation {
    statuses: Arc<StatusTable>,
    health: Arc<Mutex<Health>>,
}

/// What may stop every action, for the condition `Remediating`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether the records were read and the executor works.
    pub is_running: bool,
    /// Why the breaker is open, if it is.
    pub breaker: Option<String>,
    /// Names of records that cannot be read; their workloads are left alone.
    pub unreadable_records: Vec<String>,
    /// By namespace that has opted in, at most 100: whether the operator may act there.
    pub granted: BTreeMap<String, bool>,
}

impl Mitigation {
    /// How the targets stand that this policy wants something done about, sorted by reference.
    #[must_use]
    pub fn states(&self, policy: &PolicyId) -> Vec<MitigationState> {
        self.statuses.states(policy)
    }

    #[must_use]
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Yields the UIDs of policies whose states changed.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<String> {
        self.statuses.subscribe()
    }
}
