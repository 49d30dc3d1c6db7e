//! Go: which packages of a module are in the program. Its advisories name the packages that are affected
//! (<https://go.dev/doc/security/vuln/database>); a module of which none of them is linked brings no vulnerable code.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use breakwater_core::Platform;

use crate::index::{AffectedEntry, Import, Index};

/// What is linked into one program, and for which platform it was built.
#[derive(Debug)]
pub(super) struct Linked<'a> {
    paths: HashSet<&'a str>,
    platform: &'a Platform,
}

/// By vulnerability, the packages that hold it; of those listed, none is linked.
pub(super) type Elsewhere<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

impl<'a> Linked<'a> {
    /// `None` where it is not known what is linked, or no entry asks.
    pub(super) fn of(
        imports: &'a [String],
        platform: &'a Platform,
        entries: &[AffectedEntry<'_>],
    ) -> Option<Self> {
        let is_asked = !imports.is_empty() && entries.iter().any(|entry| entry.imports.is_some());
        is_asked.then(|| Self { paths: imports.iter().map(String::as_str).collect(), platform })
    }

    /// Those that affect something in the program. `None`: the index is damaged.
    pub(super) fn among<'i>(&self, entries: &[AffectedEntry<'i>]) -> Option<Vec<AffectedEntry<'i>>> {
        let mut among = Vec::new();
        for entry in entries {
            let Some(mut imports) = entry.imports else {
                among.push(*entry);
                continue;
            };
            if imports.try_fold(false, |found, import| Some(found || self.has(&import?)))? {
                among.push(*entry);
            }
        }
        Some(among)
    }

    fn has(&self, import: &Import<'_>) -> bool {
        let is_among = |names: &[&str], name: &str| names.is_empty() || names.contains(&name);
        self.paths.contains(import.path)
            && is_among(&import.goos, &self.platform.os)
            && is_among(&import.goarch, &self.platform.architecture)
    }

    /// Vulnerabilities that only lie in packages that are not linked. Every record that names packages has to say so; then it counts
    /// against records that know the module alone. `None`: the index is damaged.
    pub(super) fn elsewhere<'i>(
        &self,
        index: &'i Index,
        entries: &[AffectedEntry<'i>],
    ) -> Option<Elsewhere<'i>> {
        let (mut elsewhere, mut here) = (Elsewhere::new(), HashSet::new());
        for entries in entries.chunk_by(|left, right| left.record == right.record) {
            let Some(first) = entries.first() else { continue };
            let paths = paths(entries)?;
            if paths.is_empty() {
                continue;
            }
            let is_here = !self.among(entries)?.is_empty();
            for vulnerability in index.record(first.record)?.names()?.vulnerabilities {
                if is_here {
                    here.insert(vulnerability.id);
                } else {
                    elsewhere.entry(vulnerability.id).or_default().extend(&paths);
                }
            }
        }
        elsewhere.retain(|id, _| !here.contains(id));
        Some(elsewhere)
    }
}

/// The packages that the entries of one record name. `None`: the index is damaged.
pub(super) fn paths<'i>(entries: &[AffectedEntry<'i>]) -> Option<BTreeSet<&'i str>> {
    entries.iter().filter_map(|entry| entry.imports).flatten().map(|import| Some(import?.path)).collect()
}
