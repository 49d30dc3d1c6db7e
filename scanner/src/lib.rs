//! Container image → inventory: pull, inflate, read packages and contents. Nothing is written to disk, nothing is executed, everything
//! is bounded, and what could not be read is said.

pub mod contents;
pub mod image;
pub mod layer;
pub mod limits;
pub mod packages;
