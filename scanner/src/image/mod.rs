//! An image as its manifest and configuration describe it, and the inventory made of it and its layers.

pub mod assemble;
mod bound;
pub mod config;
pub mod manifest;
mod pull;

pub use assemble::assemble;
pub use config::{ConfigError, ImageDescription};
pub use pull::{PlatformManifest, Progress, RegistryImage, Resolved, scan};
