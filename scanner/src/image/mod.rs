//! An image as its manifest and configuration describe it, and the inventory made of it and its layers.

mod analyse;
pub mod assemble;
pub mod base;
pub(crate) mod bound;
pub mod config;
pub mod local;
mod locked;
pub mod manifest;
mod origin;
mod pull;
mod resolve;

pub use analyse::Progress;
pub use assemble::assemble;
pub use config::{ConfigError, ImageDescription};
pub use pull::{RegistryImage, scan};
pub use resolve::{PlatformManifest, Resolved};
