//! One controller per kind, all of one shape: observe, validate, plan, apply, report.

pub mod imagepolicy;
pub mod runtimebaseline;
pub mod scanjob;
