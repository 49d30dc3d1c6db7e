//! A hardened pull client for OCI registries (distribution-spec 1.1, Docker Registry HTTP API v2).
//!
//! Guaranteed: credentials go to the registry's own host and to a token endpoint of its domain or one that the
//! configuration names, nowhere else; every address that is
//! connected to was checked after its name was resolved; every body has a bound, a lowest rate and, where it has one, its digest checked.

mod address;
mod authenticate;
mod blob;
mod body;
pub mod challenge;
mod connection;
mod credentials;
mod endpoint;
mod error;
mod exchange;
pub mod helper;
pub mod link;
mod program;
pub mod provider;
pub mod referrers;
mod repository;
pub mod tags;
mod trust;

pub use body::Pace;
pub use connection::{Connection, Options};
pub use credentials::{Credential, Credentials, Secret};
pub use error::RegistryError;
pub use provider::Providers;
pub use referrers::Referrer;
pub use repository::{Fetched, Repository, Servers};
pub use trust::Trust;
