//! The API of Breakwater: `ImagePolicy`, `ScanJob` and `RuntimeBaseline` of `breakwater.dev/v1alpha1`, and their way into the domain.
//!
//! The types here are what people write and the API server stores: lenient where parsing is concerned, so that one odd object never
//! keeps a controller from reading the others. [`validation`] turns a spec into domain types and says everything that is wrong with it.

#![allow(clippy::duplicated_attributes, reason = "each printcolumn(…) has its own name, type and path")]
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct, visibility included, inside a function"
)]

pub mod definition;
mod fit;
pub mod imagepolicy;
pub mod manifest;
pub mod names;
pub mod notify;
pub mod runtimebaseline;
pub mod scanjob;
mod schema;
pub mod selector;
pub mod severities;
mod support;
mod time;
pub mod validation;

pub use fit::MAX_STATUS;
pub use imagepolicy::{ImagePolicy, ImagePolicySpec, ImagePolicyStatus};
pub use runtimebaseline::{RuntimeBaseline, RuntimeBaselineSpec, RuntimeBaselineStatus};
pub use scanjob::{ScanJob, ScanJobSpec, ScanJobStatus};
pub use severities::Severities;
pub use time::Time;

/// Fields that say nothing are not written: server-side apply would own them.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
