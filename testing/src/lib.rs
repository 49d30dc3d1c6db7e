//! What tests of several crates need: a fake API server with faults, and builders of the domain's types.
//!
//! Other crates use it as a dev-dependency only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the crate is part of tests: what a test relies on and does not get, fails it"
)]

mod access;
mod api;
mod apply;
mod call;
mod controllers;
mod eviction;
mod faults;
mod kinds;
mod merge;
mod reads;
mod refusal;
mod scale;
mod selector;
mod state;
mod watch;
mod writes;

#[cfg(test)]
mod tests;

pub use api::FakeApi;
pub use breakwater_core::testing as build;
pub use call::{Request, Verb};
pub use faults::{Effect, Fault};
pub use kinds::Kind;
