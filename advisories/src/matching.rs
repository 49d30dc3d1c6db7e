//! An inventory × the index → findings: one per vulnerability and package, and what could not be judged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use breakwater_core::inventory::{Package, Unanalysed};
use breakwater_core::{AffectedPackage, Finding, Inventory, Severity, SeveritySource};

use crate::VersionOrder;
use crate::ecosystem::{self, Naming};
use crate::index::{AffectedEntry, EcosystemRows, Index, Record, Vulnerability};
use judging::{Installed, judge_record};

mod judging;
mod modularity;
#[cfg(test)]
mod semantics;

/// What matching found, and what it could not judge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches {
    /// Most urgent first.
    pub findings: Vec<Finding>,
    /// Packages with advisories whose version cannot be compared, and ecosystems about which the index knows nothing.
    pub unanalysed: Vec<Unanalysed>,
}

/// Matches every package of the inventory. Pure; takes microseconds per package.
#[must_use]
pub fn match_inventory(index: &Index, inventory: &Inventory) -> Matches {
    let mut matching =
        Matching { index, ecosystems: HashMap::new(), findings: BTreeMap::new(), gaps: BTreeSet::new() };
    for package in &inventory.packages {
        matching.package(package);
    }
    matching.finish()
}

struct Matching<'a> {
    index: &'a Index,
    ecosystems: HashMap<&'a str, Known>,
    findings: BTreeMap<(&'a str, PackageKey<'a>), Draft<'a>>,
    gaps: BTreeSet<Unanalysed>,
}

/// The installed package a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PackageKey<'a> {
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
}

/// What the index holds about an ecosystem: its release, and records for all releases.
#[derive(Debug, Clone, Copy)]
struct Known {
    order: VersionOrder,
    naming: Naming,
    release: Option<EcosystemRows>,
    all_releases: Option<EcosystemRows>,
}

/// A finding while records about it are still coming.
struct Draft<'a> {
    package: &'a Package,
    order: VersionOrder,
    aliases: BTreeSet<&'a str>,
    word: Word,
    fixed: Option<&'a str>,
    vulnerability: Vulnerability<'a>,
    published: Option<i64>,
    summary: &'a str,
}

/// A severity with its source, ordered by who is believed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    trust: u8,
    severity: Severity,
    cvss_tenths: Option<u8>,
}

impl<'a> Matching<'a> {
    fn package(&mut self, package: &'a Package) {
        let name = package.ecosystem.as_str();
        let known = match self.ecosystems.get(name) {
            Some(known) => Some(*known),
            None => self.learn(name),
        };
        let Some(known) = known else {
            self.gaps.insert(Unanalysed {
                path: name.to_owned(),
                reason: format!(
                    "the advisory index knows nothing about {name}: its packages were not judged"
                ),
            });
            return;
        };
        let source = package.source.as_ref();
        if known.naming != Naming::Source || source.is_none() {
            self.lookup(known, package, &package.name, &package.version, false);
        }
        if known.naming != Naming::Binary
            && let Some(source) = source
            && (known.naming == Naming::Source || source.name != package.name)
        {
            self.lookup(known, package, &source.name, &source.version, known.order == VersionOrder::Rpm);
        }
    }

    fn learn(&mut self, name: &'a str) -> Option<Known> {
        let filed = ecosystem::canonical(name);
        let base = ecosystem::base(filed);
        let release = self.index.ecosystem(filed);
        let all_releases = if base == filed { None } else { self.index.ecosystem(base) };
        let order = ecosystem::order(filed)?;
        if release.is_none() && all_releases.is_none() {
            return None;
        }
        let known = Known { order, naming: ecosystem::naming(filed), release, all_releases };
        self.ecosystems.insert(name, known);
        Some(known)
    }

    fn lookup(
        &mut self,
        known: Known,
        package: &'a Package,
        name: &'a str,
        version: &'a str,
        without_epoch: bool,
    ) {
        let key = ecosystem::package_key(&package.ecosystem, name);
        for rows in [known.release, known.all_releases].into_iter().flatten() {
            let Some(entries) = self.index.affected(rows, &key) else { continue };
            let entries: Option<Vec<AffectedEntry<'a>>> = entries.collect();
            let Some(entries) = entries else {
                self.gap(package, "the advisory index is damaged here: build it anew");
                continue;
            };
            if !known.order.knows(version) && !entries.iter().any(|entry| entry.lists(version)) {
                let reason = if version.is_empty() {
                    "has advisories, but its version is not known"
                } else {
                    "has advisories, but its version cannot be compared"
                };
                self.gap(package, reason);
                continue;
            }
            let installed = Installed { order: known.order, version, without_epoch, purl: &package.purl };
            for entries in entries.chunk_by(|left, right| left.record == right.record) {
                if self.record(known.order, package, &installed, entries).is_none() {
                    self.gap(package, "the advisory index is damaged here: build it anew");
                }
            }
        }
    }

    /// Judges the package by all that one record says of it. `None`: the index is damaged.
    fn record(
        &mut self,
        order: VersionOrder,
        package: &'a Package,
        installed: &Installed<'a>,
        entries: &[AffectedEntry<'a>],
    ) -> Option<()> {
        let Some(first) = entries.first() else { return Some(()) };
        let record = self.index.record(first.record)?;
        let Some(affected) = judge_record(installed, record.module, entries)? else { return Some(()) };
        let (vulnerabilities, others) = record.ids()?;
        let key =
            PackageKey { ecosystem: &package.ecosystem, name: &package.name, version: &package.version };
        for vulnerability in vulnerabilities {
            let word = Word::of(&record, &affected.entry, &vulnerability);
            let draft = self.findings.entry((vulnerability.id, key)).or_insert_with(|| Draft {
                package,
                order,
                aliases: BTreeSet::new(),
                word,
                fixed: None,
                vulnerability,
                published: record.published,
                summary: record.summary,
            });
            draft.merge(&record, word, affected.fixed, &others);
        }
        Some(())
    }

    fn gap(&mut self, package: &Package, reason: &str) {
        let version = if package.version.is_empty() { "" } else { "@" };
        let reason = format!("{}{version}{} {reason}", package.name, package.version);
        let reason = breakwater_core::printable::line(&reason, 200);
        self.gaps.insert(Unanalysed { path: package.path.clone(), reason });
    }

    fn finish(self) -> Matches {
        let mut findings: Vec<Finding> = self.findings.into_values().map(Draft::finish).collect();
        findings.sort_by(|left, right| left.urgency().cmp(&right.urgency()));
        Matches { findings, unanalysed: self.gaps.into_iter().collect() }
    }
}

impl<'a> Draft<'a> {
    /// A version mends the finding if it does so by every record that names one.
    fn merge(&mut self, record: &Record<'a>, word: Word, fixed: Option<&'a str>, others: &[&'a str]) {
        self.aliases.extend(others);
        self.word = self.word.max(word);
        match (fixed, self.fixed) {
            (None, _) => {}
            (Some(fixed), Some(known)) if self.order.compare(fixed, known).is_le() => {}
            (Some(fixed), _) => self.fixed = Some(fixed),
        }
        self.published = [self.published, record.published].into_iter().flatten().min();
        if self.summary.is_empty() {
            self.summary = record.summary;
        }
    }

    fn finish(self) -> Finding {
        let Self { package, vulnerability, word, .. } = self;
        Finding {
            id: vulnerability.id.to_owned(),
            aliases: self
                .aliases
                .into_iter()
                .filter(|id| *id != vulnerability.id)
                .map(str::to_owned)
                .collect(),
            package: AffectedPackage {
                name: package.name.clone(),
                version: package.version.clone(),
                ecosystem: package.ecosystem.clone(),
            },
            severity: word.severity,
            severity_source: word.source(),
            cvss_tenths: word.cvss_tenths,
            fixed: self.fixed.map(str::to_owned),
            known_exploited: vulnerability.known_exploited,
            epss_percentile: vulnerability.epss_percentile,
            published: self.published,
            summary: self.summary.to_owned(),
            layer: package.layer.clone(),
            path: package.path.clone(),
        }
    }
}

impl Word {
    const NONE: u8 = 0;
    const VENDOR: u8 = 1;
    const SAME_CVE: u8 = 2;
    const ADVISORY: u8 = 3;
    /// The distribution says that this package is not endangered as the CVE's score has it; nobody knows better.
    const RANKED_DOWN: u8 = 4;

    fn of(record: &Record<'_>, entry: &AffectedEntry<'_>, vulnerability: &Vulnerability<'_>) -> Self {
        let rated = |trust, rating: crate::severity::Rating| Self {
            trust,
            severity: rating.severity,
            cvss_tenths: rating.cvss_tenths,
        };
        let vendor = if entry.vendor == Severity::Unknown { record.vendor } else { entry.vendor };
        if entry.ranked_down {
            Self {
                trust: Self::RANKED_DOWN,
                severity: entry.vendor,
                cvss_tenths: vulnerability.rating.cvss_tenths,
            }
        } else if record.rating.severity != Severity::Unknown {
            rated(Self::ADVISORY, record.rating)
        } else if vulnerability.rating.severity != Severity::Unknown {
            rated(Self::SAME_CVE, vulnerability.rating)
        } else if vendor != Severity::Unknown {
            Self { trust: Self::VENDOR, severity: vendor, cvss_tenths: None }
        } else {
            Self { trust: Self::NONE, severity: Severity::Unknown, cvss_tenths: None }
        }
    }

    fn source(self) -> SeveritySource {
        match self.trust {
            Self::ADVISORY => SeveritySource::Advisory,
            Self::SAME_CVE => SeveritySource::SameCve,
            Self::VENDOR | Self::RANKED_DOWN => SeveritySource::Vendor,
            _ => SeveritySource::None,
        }
    }
}
