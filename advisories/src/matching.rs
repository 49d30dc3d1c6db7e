//! An inventory × the index → findings: one per vulnerability and package, and what could not be judged.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use breakwater_core::inventory::{Package, Unanalysed};
use breakwater_core::{
    AffectedPackage, Finding, Inventory, NotLinked, Platform, Severity, SeveritySource, printable,
};

use crate::VersionOrder;
use crate::ecosystem::{self, Naming};
use crate::index::{AffectedEntries, AffectedEntry, EcosystemRows, Index, Names, Record, Vulnerability};
use judging::{Affects, Installed};
use linking::{Absence, Absent, Imports, Linked};

mod judging;
mod linking;
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
    let mut matching = Matching::of(index, inventory, false);
    matching.findings.sort_by(|left, right| left.urgency().cmp(&right.urgency()));
    Matches { findings: matching.findings, unanalysed: matching.gaps.into_iter().collect() }
}

/// What is no finding of [`match_inventory`] because no program has it: vulnerabilities of modules whose vulnerable packages are not linked,
/// sorted.
#[must_use]
pub fn not_linked(index: &Index, inventory: &Inventory) -> Vec<NotLinked> {
    let Matching { not_linked, found, .. } = Matching::of(index, inventory, true);
    // What one program does not have, another may.
    let absent = not_linked.into_iter().filter(|(place, _)| !found.contains(place));
    let mut not_linked: Vec<NotLinked> = absent.map(|((_, id), absent)| absent.finish(id)).collect();
    not_linked.sort_unstable();
    not_linked
}

struct Matching<'a> {
    index: &'a Index,
    /// Whether it is asked what is not linked.
    collects_absent: bool,
    platform: &'a Platform,
    ecosystems: HashMap<&'a str, Option<Known>>,
    /// Packages of one source share their answer, and so do modules that many binaries carry.
    answers: HashMap<Question<'a>, Rc<Answer<'a>>>,
    /// The same package at several places is one: findings name the first. What is linked of a module is another in each program.
    seen: HashSet<(Identity<'a>, Imports<'a>)>,
    /// Vulnerabilities found in modules of which only some packages are linked.
    found: HashSet<(Identity<'a>, &'a str)>,
    findings: Vec<Finding>,
    /// In the first program that has the module.
    not_linked: BTreeMap<(Identity<'a>, &'a str), Absent<'a>>,
    gaps: BTreeSet<Unanalysed>,
}

/// Ecosystem, name and version of a package.
type Identity<'a> = (&'a str, &'a str, &'a str);

/// What the index holds about an ecosystem: its release, and records for all releases.
#[derive(Debug, Clone, Copy)]
struct Known {
    order: VersionOrder,
    naming: Naming,
    release: Option<EcosystemRows>,
    all_releases: Option<EcosystemRows>,
}

/// What is asked of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question<'a> {
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
    /// The modularity label (`nodejs:18:…`), or empty.
    label: &'a str,
    /// The version came from the name of a source package, which has no epoch.
    without_epoch: bool,
    /// The packages of the module that are linked; empty if that is not known.
    imports: Imports<'a>,
}

/// The records that see it affected, and why any could not be judged.
#[derive(Default)]
struct Answer<'a> {
    hits: Vec<Hit<'a>>,
    not_linked: Vec<Absence<'a>>,
    gap: Option<&'static str>,
}

/// One record that sees a package affected.
struct Hit<'a> {
    record: Record<'a>,
    affects: Affects<'a>,
    names: Names<'a>,
}

/// A finding while records about it are still coming.
struct Draft<'a> {
    aliases: Vec<&'a str>,
    word: Word,
    fixed: Option<&'a str>,
    vulnerability: Vulnerability<'a>,
    published: Option<i64>,
    modified: Option<i64>,
    cwes: Vec<u32>,
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
    fn of(index: &'a Index, inventory: &'a Inventory, collects_absent: bool) -> Self {
        let mut matching = Self {
            index,
            collects_absent,
            platform: &inventory.image.platform,
            ecosystems: HashMap::new(),
            answers: HashMap::new(),
            seen: HashSet::new(),
            found: HashSet::new(),
            findings: Vec::new(),
            not_linked: BTreeMap::new(),
            gaps: BTreeSet::new(),
        };
        inventory.packages.iter().for_each(|package| matching.package(package));
        matching
    }

    fn package(&mut self, package: &'a Package) {
        let identity: Identity<'_> = (&package.ecosystem, &package.name, &package.version);
        if !self.seen.insert((identity, Imports(&package.imports))) {
            return;
        }
        let Some(known) = self.known(&package.ecosystem) else { return };
        let mut drafts: BTreeMap<&str, Draft<'_>> = BTreeMap::new();
        for question in questions(known, package).into_iter().flatten() {
            let answer = self.answer(known, question);
            for hit in &answer.hits {
                for vulnerability in &hit.names.vulnerabilities {
                    let draft = drafts.entry(vulnerability.id).or_insert_with(|| Draft::of(*vulnerability));
                    draft.merge(known.order, hit);
                }
            }
            for absence in &answer.not_linked {
                let known = self.not_linked.entry((identity, absence.id));
                known.or_insert_with(|| Absent::of(package)).add(absence);
            }
            if let Some(gap) = answer.gap {
                let at = if package.version.is_empty() { "" } else { "@" };
                let reason = printable::line(&format!("{}{at}{} {gap}", package.name, package.version), 200);
                self.gaps.insert(Unanalysed { path: package.path.clone(), reason });
            }
        }
        if package.ecosystem == "Go" {
            drafts.retain(|id, _| self.found.insert((identity, id)));
        }
        self.findings.extend(drafts.into_values().map(|draft| draft.finish(package)));
    }

    /// What is known about an ecosystem. Nothing at all is said once, so that silence is never taken for safety.
    fn known(&mut self, name: &'a str) -> Option<Known> {
        if let Some(known) = self.ecosystems.get(name) {
            return *known;
        }
        let filed = ecosystem::canonical(name);
        let base = ecosystem::base(&filed);
        let release = self.index.ecosystem(&filed);
        let all_releases = if base == filed { None } else { self.index.ecosystem(base) };
        let known = ecosystem::order(&filed)
            .filter(|_| release.is_some() || all_releases.is_some())
            .map(|order| Known { order, naming: ecosystem::naming(&filed), release, all_releases });
        if known.is_none() {
            let reason = format!("no advisories about {name} are known: its packages were not judged");
            self.gaps.insert(Unanalysed { path: name.to_owned(), reason });
        }
        self.ecosystems.insert(name, known);
        known
    }

    fn answer(&mut self, known: Known, question: Question<'a>) -> Rc<Answer<'a>> {
        if let Some(answer) = self.answers.get(&question) {
            return Rc::clone(answer);
        }
        let mut answer = Answer::default();
        let key = ecosystem::package_key(question.ecosystem, question.name);
        for rows in [known.release, known.all_releases].into_iter().flatten() {
            if let Some(entries) = self.index.affected(rows, &key)
                && self.judge(known.order, question, entries, &mut answer).is_none()
            {
                answer.gap = Some("could not be judged: the advisory index is damaged, build it anew");
            }
        }
        let answer = Rc::new(answer);
        self.answers.insert(question, Rc::clone(&answer));
        answer
    }

    /// Asks every record about the package. `None`: the index is damaged.
    fn judge(
        &self,
        order: VersionOrder,
        question: Question<'a>,
        entries: AffectedEntries<'a>,
        answer: &mut Answer<'a>,
    ) -> Option<()> {
        let index = self.index;
        let entries: Vec<AffectedEntry<'a>> = entries.collect::<Option<_>>()?;
        let comparable = order.knows(question.version);
        if !comparable && !entries.iter().any(|entry| entry.lists(question.version)) {
            answer.gap = Some(if question.version.is_empty() {
                "has advisories, but its version is not known"
            } else {
                "has advisories, but its version cannot be compared"
            });
            return Some(());
        }
        let installed = Installed { order, comparable, question };
        let linked = Linked::of(question.imports, self.platform, &entries);
        for entries in entries.chunk_by(|left, right| left.record == right.record) {
            let Some(first) = entries.first() else { continue };
            let present = match &linked {
                Some(linked) => linked.among(entries)?,
                None => Cow::Borrowed(entries),
            };
            if present.is_empty() && !self.collects_absent {
                continue;
            }
            let record = index.record(first.record)?;
            if let Some(affects) = installed.judge(record.module, &present)? {
                let names = record.names()?;
                answer.hits.push(Hit { record, affects, names });
            } else if self.collects_absent && installed.judge(record.module, entries)?.is_some() {
                answer.not_linked.extend(Absence::all_of(record.names()?, &linking::paths(entries)?));
            }
        }
        if let Some(linked) = linked
            && answer.hits.iter().any(Hit::is_of_the_whole_module)
        {
            let elsewhere = linked.elsewhere(index, &entries)?;
            for hit in answer.hits.iter_mut().filter(|hit| hit.is_of_the_whole_module()) {
                answer.not_linked.extend(elsewhere.take_from(&mut hit.names));
            }
        }
        Some(())
    }
}

/// Under which names, with which versions, advisories may speak of a package.
fn questions(known: Known, package: &Package) -> [Option<Question<'_>>; 2] {
    let is_rpm = known.order == VersionOrder::Rpm;
    let label = if is_rpm { modularity::label(&package.purl) } else { "" };
    let question = |name, version, without_epoch| {
        let imports = Imports(&package.imports);
        Some(Question { ecosystem: &package.ecosystem, name, version, label, without_epoch, imports })
    };
    let installed = question(&package.name, &package.version, false);
    match (&package.source, known.naming) {
        (Some(source), Naming::Source) => [question(&source.name, &source.version, is_rpm), None],
        (Some(source), Naming::Both) if source.name != package.name => {
            [installed, question(&source.name, &source.version, is_rpm)]
        }
        _ => [installed, None],
    }
}

impl Hit<'_> {
    fn is_of_the_whole_module(&self) -> bool {
        self.affects.entry.imports.is_none()
    }
}

fn identified(package: &Package) -> AffectedPackage {
    AffectedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        ecosystem: package.ecosystem.clone(),
    }
}

impl<'a> Draft<'a> {
    fn of(vulnerability: Vulnerability<'a>) -> Self {
        Self {
            aliases: Vec::new(),
            word: Word::UNKNOWN,
            fixed: None,
            vulnerability,
            published: None,
            modified: None,
            cwes: Vec::new(),
            summary: "",
        }
    }

    /// A version mends the finding if it does so by every record that names one.
    fn merge(&mut self, order: VersionOrder, hit: &Hit<'a>) {
        self.aliases.extend(&hit.names.others);
        self.word = self.word.max(Word::of(&hit.record, &hit.affects.entry, &self.vulnerability));
        match (hit.affects.fixed, self.fixed) {
            (None, _) => {}
            (Some(fixed), Some(known)) if order.compare(fixed, known).is_le() => {}
            (Some(fixed), _) => self.fixed = Some(fixed),
        }
        self.published = [self.published, hit.record.published].into_iter().flatten().min();
        self.modified = self.modified.max(hit.record.modified);
        // Which weakness of a bundle is whose, nobody says.
        if let [_] = hit.names.vulnerabilities[..] {
            self.cwes.extend(&hit.names.cwes);
        }
        if self.summary.is_empty() {
            self.summary = hit.record.summary;
        }
    }

    fn finish(mut self, package: &Package) -> Finding {
        let Self { vulnerability, word, .. } = self;
        self.aliases.sort_unstable();
        self.aliases.dedup();
        self.cwes.sort_unstable();
        self.cwes.dedup();
        Finding {
            id: vulnerability.id.to_owned(),
            aliases: self
                .aliases
                .into_iter()
                .filter(|id| *id != vulnerability.id)
                .map(str::to_owned)
                .collect(),
            package: identified(package),
            severity: word.severity,
            severity_source: word.source(),
            cvss_tenths: word.cvss_tenths,
            fixed: self.fixed.map(str::to_owned),
            known_exploited: vulnerability.known_exploited,
            epss_percentile: vulnerability.epss_percentile,
            published: self.published,
            modified: self.modified,
            cwes: self.cwes,
            summary: self.summary.to_owned(),
            layer: package.layer.clone(),
            path: package.path.clone(),
        }
    }
}

impl Word {
    const UNKNOWN: Self = Self { trust: Self::NONE, severity: Severity::Unknown, cvss_tenths: None };
    const NONE: u8 = 0;
    const LISTED: u8 = 1;
    const VENDOR: u8 = 2;
    const SAME_CVE: u8 = 3;
    const ADVISORY: u8 = 4;
    /// The distribution says that this package is not endangered as the CVE's score has it; nobody knows better.
    const RANKED_DOWN: u8 = 5;

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
                cvss_tenths: vulnerability.rating.cvss_tenths.or(vulnerability.listed.cvss_tenths),
            }
        } else if record.rating.severity != Severity::Unknown {
            rated(Self::ADVISORY, record.rating)
        } else if vulnerability.rating.severity != Severity::Unknown {
            rated(Self::SAME_CVE, vulnerability.rating)
        } else if vendor != Severity::Unknown {
            Self { trust: Self::VENDOR, severity: vendor, cvss_tenths: vulnerability.listed.cvss_tenths }
        } else if vulnerability.listed.severity != Severity::Unknown {
            rated(Self::LISTED, vulnerability.listed)
        } else {
            Self::UNKNOWN
        }
    }

    fn source(self) -> SeveritySource {
        match self.trust {
            Self::ADVISORY => SeveritySource::Advisory,
            Self::SAME_CVE => SeveritySource::SameCve,
            Self::VENDOR | Self::RANKED_DOWN => SeveritySource::Vendor,
            Self::LISTED => SeveritySource::CveFile,
            _ => SeveritySource::None,
        }
    }
}
