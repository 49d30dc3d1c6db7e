//! A hardened pull client for OCI registries (distribution-spec 1.1, Docker Registry HTTP API v2).
//!
//! Guaranteed: credentials go to the registry's own host and to the token endpoint it names, nowhere else; every address that is
//! connected to was checked after its name was resolved; every body has a bound, a lowest rate and, where it has one, its digest checked.

mod address;
mod authenticate;
mod blob;
mod body;
mod challenge;
mod connection;
mod credentials;
mod error;
mod exchange;
mod repository;
mod tags;
mod trust;

pub use body::Pace;
pub use connection::{Connection, Options};
pub use credentials::{Credential, Credentials, Secret};
pub use error::RegistryError;
pub use repository::{Fetched, Repository};
pub use trust::Trust;
