//! Advisories: OSV records → one memory-mapped index file → findings of an inventory.
//!
//! [`build`] reads a source (see [`source`]) and writes an index; [`Index::open`] maps it; [`match_inventory`] asks it. Nothing
//! here touches the network or the clock. Sources of the rules: the OSV schema 1.7 (<https://ossf.github.io/osv-schema/>) and
//! the version grammar of each ecosystem ([`versions`]).

pub mod changes;
mod document;
pub mod ecosystem;
pub mod epss;
mod fix_plan;
pub mod index;
mod kev;
pub mod matching;
mod osv;
mod ranges;
mod ratings;
mod severity;
pub mod source;
pub mod versions;

pub use fix_plan::{FixPlan, Judge, Upgrade, commands, fix_plan};
pub use index::{
    EcosystemCount, Flaw, Index, IndexError,
    build::{BuildError, BuildInput, BuildReport, Skipped, build},
};
pub use matching::{Matches, match_inventory, not_linked};
pub use versions::VersionOrder;
