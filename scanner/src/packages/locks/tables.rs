//! Lock files in TOML, a table for each package.
//!
//! A reader of TOML keeps a tree of eighty times the text's size, so each table is read as a document of its own.

use serde::{Deserialize, de::DeserializeOwned};

use super::entries::List;
use crate::limits::MAX_LOCK_ENTRY;

#[derive(Deserialize)]
#[serde(bound = "P: Deserialize<'de>")]
struct Document<P> {
    #[serde(default = "List::default")]
    package: List<P>,
    /// The name in PEP 751.
    #[serde(default = "List::default")]
    packages: List<P>,
}

/// The packages of a document; `None` if one cannot be understood or is larger than [`MAX_LOCK_ENTRY`].
pub(super) fn packages<P: DeserializeOwned>(text: &str) -> Option<Vec<P>> {
    let mut all = Vec::new();
    for table in tables(text) {
        let head = table.trim_start_matches('[');
        if head.len() < table.len() && !head.starts_with("package") {
            continue;
        }
        if table.len() > MAX_LOCK_ENTRY {
            return None;
        }
        let Document { package, packages } = toml::from_str(table).ok()?;
        all.extend(package.0.into_iter().chain(packages.0));
    }
    Some(all)
}

/// Pieces that begin with a table at the start of a line, each with its package's inner ones; first what stands before all tables.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let begins = |rest: &str| {
        rest.starts_with('[') && !rest.starts_with("[package.") && !rest.starts_with("[packages.")
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut lines = memchr::memchr_iter(b'\n', rest.as_bytes()).map(|at| at + 1);
        let end = lines.find(|at| rest.get(*at..).is_some_and(begins)).unwrap_or(rest.len());
        let (table, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(table)
    })
}
