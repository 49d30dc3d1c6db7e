//! Records as they are read: condensed at once, so that hundreds of thousands of them fit in little memory.

use std::collections::{BTreeMap, HashSet};

use breakwater_core::{Severity, printable};
use chrono::DateTime;

use super::Skipped;
use crate::index::cursor::put_varint;
use crate::index::layout::{IMPORTS, RANKED_DOWN};
use crate::index::strings::Interner;
use crate::osv::{Affected, Import, Range, Record};
use crate::ranges::{self, Event, EventKind, Judgement};
use crate::severity::{self, Rating};
use crate::{VersionOrder, ecosystem};

/// How much of a summary is kept, in characters.
const MAX_SUMMARY: usize = 160;

/// One record, with strings interned.
#[derive(Debug)]
pub(super) struct Condensed {
    pub(super) rating: Rating,
    pub(super) vendor: Severity,
    /// Seconds since the epoch; 0 is unknown.
    pub(super) published: u64,
    /// Likewise.
    pub(super) modified: u64,
    pub(super) summary: u32,
    pub(super) module: u32,
    pub(super) cves: Vec<u32>,
    pub(super) others: Vec<u32>,
    pub(super) cwes: Vec<u32>,
}

/// The entries of one package: how many, and their encoding.
#[derive(Debug, Default)]
pub(super) struct PackageEntries {
    pub(super) count: u64,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct EcosystemPackages {
    pub(super) records: u32,
    pub(super) packages: BTreeMap<Box<str>, PackageEntries>,
}

#[derive(Debug)]
pub(super) struct Collection {
    pub(super) strings: Interner,
    pub(super) records: Vec<Condensed>,
    pub(super) ecosystems: BTreeMap<Box<str>, EcosystemPackages>,
    seen: HashSet<Box<str>>,
}

impl Collection {
    pub(super) fn new() -> Self {
        Self {
            strings: Interner::new(),
            records: Vec::new(),
            ecosystems: BTreeMap::new(),
            seen: HashSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// Takes a record in, or counts why not.
    pub(super) fn add(&mut self, record: &Record, skipped: &mut Skipped) {
        // One record stands in the archive of every ecosystem that it concerns; a newer one, withdrawn or not, came before it.
        if !self.seen.insert(record.id.as_str().into()) {
            skipped.duplicate += 1;
            return;
        }
        if record.withdrawn.is_some() {
            skipped.withdrawn += 1;
            return;
        }
        let is_rpm = record.affected.iter().filter_map(order_of).any(|order| order == VersionOrder::Rpm);
        let cves = record.cves(is_rpm);
        if is_rpm && cves.is_empty() && is_maintenance(&record.id) {
            skipped.not_security += 1;
            return;
        }
        if !self.add_affected(record) {
            skipped.without_packages += 1;
            return;
        }
        let module = record.summary.as_deref().filter(|_| is_rpm).and_then(module_stream).unwrap_or_default();
        let summary = printable::line(record.summary.as_deref().unwrap_or_default().trim(), MAX_SUMMARY);
        let condensed = Condensed {
            rating: severity::of_record(record),
            vendor: severity::of_vendor(record),
            published: seconds(record.published.as_deref()),
            modified: seconds(record.modified.as_deref()),
            summary: self.strings.intern(&summary),
            module: self.strings.intern(module),
            cves: cves.iter().map(|id| self.strings.intern(id)).collect(),
            others: record.other_ids().iter().map(|id| self.strings.intern(id)).collect(),
            cwes: record.cwes(),
        };
        self.records.push(condensed);
    }

    /// Files what the record says of each package; false when it says nothing that can be judged.
    fn add_affected(&mut self, record: &Record) -> bool {
        let number = u64::from(self.len());
        let mut ecosystems = HashSet::new();
        let mut useful = false;
        for affected in &record.affected {
            let (Some(package), Some(order)) = (&affected.package, order_of(affected)) else { continue };
            let ranges: Vec<_> = affected
                .ranges
                .iter()
                .filter(|range| range.kind != "GIT")
                .filter_map(|r| events(r, order))
                .collect();
            let versions = versions_beyond(&affected.versions, &ranges, order);
            useful |= !affected.ranges.is_empty() || !affected.versions.is_empty();
            if ranges.is_empty() && versions.is_empty() {
                continue;
            }
            let ecosystem = ecosystem::canonical(&package.ecosystem);
            let entry = encode(&mut self.strings, number, affected, &ranges, &versions);
            let filed = self.ecosystems.entry(ecosystem.as_ref().into()).or_default();
            let key = ecosystem::package_key(&ecosystem, &package.name);
            let entries = filed.packages.entry(key.into()).or_default();
            entries.count += 1;
            put_varint(&mut entries.bytes, entry.len() as u64);
            entries.bytes.extend_from_slice(&entry);
            if ecosystems.insert(ecosystem) {
                filed.records += 1;
            }
        }
        useful && !ecosystems.is_empty()
    }
}

/// Seconds since the epoch; 0 for what is absent or no time.
fn seconds(time: Option<&str>) -> u64 {
    let time = time.and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    time.and_then(|time| u64::try_from(time.timestamp()).ok()).unwrap_or(0)
}

fn order_of(affected: &Affected) -> Option<VersionOrder> {
    ecosystem::order(&affected.package.as_ref()?.ecosystem)
}

/// The events of a range in version order; `None` for one that affects nothing: distributions write `fixed: 0` for "not affected".
fn events(range: &Range, order: VersionOrder) -> Option<Vec<Event<'_>>> {
    let mut events = Vec::new();
    for event in &range.events {
        for (kind, version) in [
            (EventKind::Introduced, &event.introduced),
            (EventKind::Fixed, &event.fixed),
            (EventKind::LastAffected, &event.last_affected),
            (EventKind::Limit, &event.limit),
        ] {
            if let Some(version) = version {
                events.push(Event { kind, version });
            }
        }
    }
    let never = events.iter().any(|event| event.kind == EventKind::Fixed && event.version == "0");
    let introduced = events.iter().any(|event| event.kind == EventKind::Introduced);
    ranges::sort(order, &mut events);
    (introduced && !never).then_some(events)
}

/// The listed versions that no range covers: the ranges already say the others, and the lists are most of a dump's bytes.
fn versions_beyond<'a>(
    versions: &'a [String],
    ranges: &[Vec<Event<'_>>],
    order: VersionOrder,
) -> Vec<&'a str> {
    let covered = |version: &str| {
        order.knows(version)
            && ranges.iter().any(|events| {
                let judgement = ranges::judge(version, events.iter().copied(), |a, b| order.compare(a, b));
                judgement != Judgement::NotAffected
            })
    };
    versions.iter().map(String::as_str).filter(|version| !covered(version)).collect()
}

fn encode(
    strings: &mut Interner,
    record: u64,
    affected: &Affected,
    ranges: &[Vec<Event<'_>>],
    versions: &[&str],
) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, record);
    let (urgency, ranked_down) = severity::of_urgency(affected.ecosystem_specific.as_ref());
    let imports = imports(strings, affected);
    let flags = [(ranked_down, RANKED_DOWN), (!imports.is_empty(), IMPORTS)];
    out.push(
        flags.into_iter().filter(|(is_set, _)| *is_set).fold(urgency as u8, |byte, (_, flag)| byte | flag),
    );
    if !imports.is_empty() {
        put_varint(&mut out, imports.len() as u64);
        out.extend(imports);
    }
    put_varint(&mut out, ranges.len() as u64);
    for events in ranges {
        put_varint(&mut out, events.len() as u64);
        for event in events {
            put_varint(&mut out, u64::from(strings.intern(event.version)) << 2 | event.kind as u64);
        }
    }
    put_varint(&mut out, versions.len() as u64);
    for version in versions {
        put_varint(&mut out, u64::from(strings.intern(version)));
    }
    out
}

/// The packages of a Go module that are affected, encoded; empty if the whole module is.
fn imports(strings: &mut Interner, affected: &Affected) -> Vec<u8> {
    let mut out = Vec::new();
    if affected.package.as_ref().is_none_or(|package| package.ecosystem != "Go") {
        return out;
    }
    for Import { path, goos, goarch } in affected.ecosystem_specific.iter().flat_map(|known| &known.imports) {
        put_varint(&mut out, u64::from(strings.intern(path)));
        for names in [goos, goarch] {
            put_varint(&mut out, names.len() as u64);
            names.iter().for_each(|name| put_varint(&mut out, u64::from(strings.intern(name))));
        }
    }
    out
}

/// AlmaLinux and Rocky Linux publish bug fixes (`ALBA`, `RLBA`) and enhancements (`ALEA`, `RLEA`) in the same feed.
fn is_maintenance(id: &str) -> bool {
    ["ALBA-", "ALEA-", "RLBA-", "RLEA-"].iter().any(|prefix| id.starts_with(prefix))
}

/// `Moderate: nodejs:18 security update` → `nodejs:18`. The only place where AlmaLinux's records name the stream.
fn module_stream(summary: &str) -> Option<&str> {
    summary.split_whitespace().find(|word| {
        word.split_once(':').is_some_and(|(name, stream)| {
            let plain = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_')
            };
            plain(name) && plain(stream)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::module_stream;

    #[test]
    fn streams_stand_in_summaries() {
        assert_eq!(module_stream("Moderate: nodejs:18 security update"), Some("nodejs:18"));
        assert_eq!(module_stream("container-tools:rhel8 bug fix update"), Some("container-tools:rhel8"));
        assert_eq!(module_stream("Important: kernel security update"), None);
    }
}
