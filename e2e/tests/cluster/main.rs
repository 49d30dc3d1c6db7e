//! Tests on the real cluster: API server, controller-manager, scheduler, kubelet, registries.
//!
//! They share one cluster and one installation of Breakwater; each has a namespace of its own. `disruptive` ones break what others
//! rely on and run alone, afterwards (`scripts/test` does that).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what a test relies on and does not get, fails it; a real cluster is waited for by the clock"
)]
#![allow(unreachable_pub, reason = "everything here is for this one binary")]

mod api_corpus;
mod bad_input;
mod bounds;
mod disruptive;
mod go_programs;
mod intake;
mod judging;
mod kstatus;
mod permissions;
mod pods;
mod registry_scan;
mod remediation;
mod support;
mod tenants;
