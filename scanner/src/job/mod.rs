//! The scan Job: a frozen question in, offers, inventories and outcomes out. It holds no credential of the Kubernetes API.

mod arguments;
mod intake;
mod list;
mod run;

pub use arguments::{Arguments, SetupError};
pub use intake::{Intake, IntakeError};
pub use run::run;
