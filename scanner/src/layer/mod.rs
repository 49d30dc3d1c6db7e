//! A layer's bytes, streamed once: digest, inflate, tar, and the few files that matter. Nothing is written to disk.

pub(crate) mod budget;
mod cache;
pub mod directory;
pub mod entry;
mod error;
pub(crate) mod facts;
mod inflate;
pub mod merge;
pub(crate) mod path;
pub mod pieces;
mod read;
pub mod tar;
mod want;

pub(crate) use budget::Budget;
pub use cache::LayerCache;
pub use error::LayerError;
pub use facts::{Evidence, FileFacts, LayerFacts};
pub use inflate::Inflated;
pub(crate) use read::read_layer_within;
pub use read::{ExpectedLayer, read_layer};
