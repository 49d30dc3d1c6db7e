//! A collection, written as the sections of the file.

use std::collections::{BTreeMap, HashMap};

use breakwater_core::{Severity, policy::Catalogues};
use chrono::{DateTime, Utc};
use twox_hash::XxHash3_64;

use super::by_cve::ByCve;
use super::collection::{Collection, Condensed};
use crate::index::EcosystemCount;
use crate::index::cursor::put_varint;
use crate::index::layout::{
    CHECKED_FROM, FORMAT, HAS_EPSS, HAS_KEV, HEADER, KNOWN_EXPLOITED, MAGIC, NONE, SECTIONS,
};
use crate::index::strings::Interner;
use crate::severity::Rating;

/// `None` when an offset does not fit 32 bits.
pub(super) fn write(
    collection: Collection,
    by_cve: &ByCve,
    revision: u64,
    now: DateTime<Utc>,
) -> Option<(Vec<u8>, Vec<EcosystemCount>)> {
    let Collection { mut strings, records, ecosystems, .. } = collection;
    let vulnerabilities = Vulnerabilities::of(&strings, &records);

    let mut ids = Vec::new();
    for (id, rating) in &vulnerabilities.rows {
        ids.extend(strings.intern(id).to_le_bytes());
        let listed = by_cve.ratings.get(id).copied().unwrap_or_default();
        for rating in [*rating, listed] {
            ids.extend([rating.severity as u8, rating.cvss_tenths.unwrap_or(NONE)]);
        }
        let flags = if by_cve.exploited.contains(id) { KNOWN_EXPLOITED } else { 0 };
        ids.extend([flags, by_cve.percentiles.get(id).copied().unwrap_or(NONE)]);
    }

    let (mut record_bytes, mut offsets) = (Vec::new(), Vec::new());
    for (record, numbers) in records.iter().zip(&vulnerabilities.of_records) {
        offsets.extend(u32::try_from(record_bytes.len()).ok()?.to_le_bytes());
        let rating = record.rating;
        record_bytes.extend([rating.severity as u8, rating.cvss_tenths.unwrap_or(NONE), record.vendor as u8]);
        put_varint(&mut record_bytes, record.published);
        put_varint(&mut record_bytes, record.modified);
        put_varint(&mut record_bytes, record.summary.into());
        put_varint(&mut record_bytes, record.module.into());
        put_varint(&mut record_bytes, numbers.len() as u64);
        numbers.iter().for_each(|number| put_varint(&mut record_bytes, *number));
        put_varint(&mut record_bytes, record.others.len() as u64);
        record.others.iter().for_each(|id| put_varint(&mut record_bytes, (*id).into()));
        put_varint(&mut record_bytes, record.cwes.len() as u64);
        record.cwes.iter().for_each(|cwe| put_varint(&mut record_bytes, (*cwe).into()));
    }

    let (mut ecosystem_rows, mut package_rows, mut affected) = (Vec::new(), Vec::new(), Vec::new());
    let (mut counts, mut first) = (Vec::new(), 0_u32);
    for (name, filed) in ecosystems {
        let packages = u32::try_from(filed.packages.len()).ok()?;
        for column in [strings.intern(&name), filed.records, first, packages] {
            ecosystem_rows.extend(column.to_le_bytes());
        }
        for (package, entries) in filed.packages {
            package_rows.extend(strings.intern(&package).to_le_bytes());
            package_rows.extend(u32::try_from(affected.len()).ok()?.to_le_bytes());
            put_varint(&mut affected, entries.count);
            affected.extend_from_slice(&entries.bytes);
        }
        first = first.checked_add(packages)?;
        counts.push(EcosystemCount { name: name.into(), records: filed.records, packages });
    }

    let records = u32::try_from(records.len()).ok()?;
    let strings = strings.into_bytes();
    let sections = [strings, ids, record_bytes, offsets, ecosystem_rows, package_rows, affected];
    let header = Header { revision, now, records, catalogues: by_cve.catalogues };
    Some((assemble(&sections, &header)?, counts))
}

struct Header {
    revision: u64,
    now: DateTime<Utc>,
    records: u32,
    catalogues: Catalogues,
}

fn assemble(sections: &[Vec<u8>; SECTIONS], header: &Header) -> Option<Vec<u8>> {
    let length = HEADER + sections.iter().map(Vec::len).sum::<usize>();
    u32::try_from(length).ok()?;
    let mut checked = Vec::with_capacity(length);
    checked.extend((length as u64).to_le_bytes());
    checked.extend(header.revision.to_le_bytes());
    checked.extend(header.now.timestamp().to_le_bytes());
    checked.extend(header.records.to_le_bytes());
    let flag = |carried, flag| if carried { flag } else { 0 };
    let Catalogues { known_exploited, epss } = header.catalogues;
    checked.extend((flag(known_exploited, HAS_KEV) | flag(epss, HAS_EPSS)).to_le_bytes());
    checked.extend(u32::try_from(SECTIONS).ok()?.to_le_bytes());
    let mut offset = HEADER;
    for section in sections {
        checked.extend((offset as u64).to_le_bytes());
        checked.extend((section.len() as u64).to_le_bytes());
        offset += section.len();
    }
    sections.iter().for_each(|section| checked.extend_from_slice(section));

    let mut file = Vec::with_capacity(length);
    file.extend(MAGIC);
    file.extend(FORMAT.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    file.extend(XxHash3_64::oneshot(&checked).to_le_bytes());
    debug_assert_eq!(file.len(), CHECKED_FROM);
    file.extend(checked);
    Some(file)
}

/// Vulnerabilities over all records: sorted ids with the best rating known for each, and which of them each record is about.
struct Vulnerabilities {
    rows: Vec<(String, Rating)>,
    of_records: Vec<Vec<u64>>,
}

impl Vulnerabilities {
    fn of(strings: &Interner, records: &[Condensed]) -> Self {
        // A record about exactly one CVE tells which CVE its other names mean; records that know only such a name join it.
        let mut cve_of = HashMap::new();
        for record in records {
            if let [cve] = record.cves.as_slice() {
                record.others.iter().for_each(|id| {
                    cve_of.entry(*id).or_insert(*cve);
                });
            }
        }
        let named: Vec<Vec<&str>> = records
            .iter()
            .map(|record| {
                if record.cves.is_empty() {
                    let cve = record.others.iter().find_map(|id| cve_of.get(id));
                    // Without any CVE, the first of its names stands for all: the same one from each of its aliases.
                    cve.or(record.others.first()).map(|id| strings.read(*id)).into_iter().collect()
                } else {
                    record.cves.iter().map(|id| strings.read(*id)).collect()
                }
            })
            .collect();
        let mut rated: BTreeMap<&str, Rating> = BTreeMap::new();
        for (record, ids) in records.iter().zip(&named) {
            for id in ids {
                let best = rated.entry(id).or_default();
                // The rating of a record that bundles several is none of each.
                if ids.len() == 1 && record.rating.severity > Severity::Unknown {
                    *best = record.rating.max(*best);
                }
            }
        }
        let number: HashMap<&str, u64> = rated.keys().zip(0..).map(|(id, number)| (*id, number)).collect();
        let of_records =
            named.iter().map(|ids| ids.iter().filter_map(|id| number.get(id).copied()).collect()).collect();
        Self { rows: rated.into_iter().map(|(id, rating)| (id.to_owned(), rating)).collect(), of_records }
    }
}
