//! The operator: observes, validates, plans, applies and reports.
//!
//! One room per module; which room may touch what stands in `ARCHITECTURE.md`.

pub mod changes;
pub mod clock;
pub mod config;
pub mod context;
pub mod controllers;
pub mod evaluate;
pub mod intake;
pub mod inventory;
pub mod kube;
pub mod mitigation;
pub mod rescan;
pub mod store;
pub mod workloads;
