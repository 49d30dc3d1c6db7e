//! The domain of Breakwater: images, inventories, findings, policies, schedules and mitigation plans.
//!
//! Everything here is pure: no Kubernetes, no I/O, no clock, no randomness. Time is an argument.

pub mod digest;
pub mod end_of_life;
pub mod finding;
pub mod glob;
pub mod history;
pub mod inventory;
pub mod mitigation;
pub mod names;
pub mod platform;
pub mod policy;
pub mod printable;
pub mod reference;
pub mod scan;
pub mod schedule;
pub mod selector;
pub mod severity;
#[cfg(feature = "testing")]
pub mod testing;
pub mod workload;

pub use digest::Digest;
pub use end_of_life::end_of_life;
pub use finding::{AffectedPackage, Finding, NotLinked, SeverityCounts};
pub use inventory::Inventory;
pub use platform::Platform;
pub use reference::ImageReference;
pub use severity::{Severity, SeveritySource};
