//! Go: which packages of a module are in the program. Its advisories name the packages that are affected
//! (<https://go.dev/doc/security/vuln/database>); a module of which none of them is linked brings no vulnerable code.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

use breakwater_core::inventory::Package;
use breakwater_core::{NotLinked, Platform};

use super::identified;
use crate::index::{AffectedEntry, Import, Index, Names};

/// The packages of a module that are linked into one program; empty if that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Imports<'a>(pub(super) &'a [String]);

/// By their number: hashing hundreds of paths would cost more than it saves.
impl Hash for Imports<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

/// What is linked into one program, and for which platform it was built.
#[derive(Debug)]
pub(super) struct Linked<'a> {
    /// Sorted.
    paths: Vec<&'a str>,
    platform: &'a Platform,
}

/// By vulnerability, the packages that hold it; of those listed, none is linked.
pub(super) struct Elsewhere<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

/// A vulnerability that would be there if one of these packages were linked.
pub(super) struct Absence<'a> {
    pub(super) id: &'a str,
    aliases: Vec<&'a str>,
    imports: BTreeSet<&'a str>,
}

/// All that is known of such a one in one package.
pub(super) struct Absent<'a> {
    package: &'a Package,
    aliases: BTreeSet<&'a str>,
    imports: BTreeSet<&'a str>,
}

impl<'a> Linked<'a> {
    /// `None` where it is not known what is linked, or no entry asks.
    pub(super) fn of(
        Imports(imports): Imports<'a>,
        platform: &'a Platform,
        entries: &[AffectedEntry<'_>],
    ) -> Option<Self> {
        let is_asked = !imports.is_empty() && entries.iter().any(|entry| entry.imports.is_some());
        is_asked.then(|| {
            let mut paths: Vec<&str> = imports.iter().map(String::as_str).collect();
            paths.sort_unstable();
            Self { paths, platform }
        })
    }

    /// Those that affect something in the program. `None`: the index is damaged.
    pub(super) fn among<'e, 'i>(
        &self,
        entries: &'e [AffectedEntry<'i>],
    ) -> Option<Cow<'e, [AffectedEntry<'i>]>> {
        let is_present = |entry: &AffectedEntry<'_>| {
            let Some(mut imports) = entry.imports else { return Some(true) };
            imports.try_fold(false, |found, import| Some(found || self.has(&import?)))
        };
        let present: Vec<bool> = entries.iter().map(is_present).collect::<Option<_>>()?;
        if present.iter().all(|is_present| *is_present) {
            return Some(Cow::Borrowed(entries));
        }
        let among = entries.iter().zip(present).filter(|(_, is_present)| *is_present);
        Some(among.map(|(entry, _)| *entry).collect())
    }

    fn has(&self, import: &Import<'_>) -> bool {
        let is_among = |names: &[&str], name: &str| names.is_empty() || names.contains(&name);
        self.paths.binary_search(&import.path).is_ok()
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
        let (mut elsewhere, mut here) = (BTreeMap::<_, BTreeSet<_>>::new(), HashSet::new());
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
        Some(Elsewhere(elsewhere))
    }
}

impl<'a> Elsewhere<'a> {
    /// Takes what is not linked out of the vulnerabilities of a record.
    pub(super) fn take_from(&self, names: &mut Names<'a>) -> Vec<Absence<'a>> {
        let aliases = names.others.clone();
        let taken =
            names.vulnerabilities.extract_if(.., |vulnerability| self.0.contains_key(vulnerability.id));
        let absences = taken.filter_map(|vulnerability| {
            let imports = self.0.get(vulnerability.id)?.clone();
            Some(Absence { id: vulnerability.id, aliases: aliases.clone(), imports })
        });
        absences.collect()
    }
}

impl<'a> Absence<'a> {
    /// Every vulnerability of a record that is about these packages.
    pub(super) fn all_of(names: Names<'a>, imports: &BTreeSet<&'a str>) -> impl Iterator<Item = Self> {
        names.vulnerabilities.into_iter().map(move |vulnerability| Self {
            id: vulnerability.id,
            aliases: names.others.clone(),
            imports: imports.clone(),
        })
    }
}

impl<'a> Absent<'a> {
    pub(super) fn of(package: &'a Package) -> Self {
        Self { package, aliases: BTreeSet::new(), imports: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, absence: &Absence<'a>) {
        self.aliases.extend(absence.aliases.iter().filter(|id| **id != absence.id));
        self.imports.extend(&absence.imports);
    }

    pub(super) fn finish(self, id: &str) -> NotLinked {
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
        NotLinked {
            id: id.to_owned(),
            aliases: owned(self.aliases),
            package: identified(self.package),
            imports: owned(self.imports),
            path: self.package.path.clone(),
        }
    }
}

/// The packages that the entries of one record name. `None`: the index is damaged.
pub(super) fn paths<'i>(entries: &[AffectedEntry<'i>]) -> Option<BTreeSet<&'i str>> {
    entries.iter().filter_map(|entry| entry.imports).flatten().map(|import| Some(import?.path)).collect()
}
