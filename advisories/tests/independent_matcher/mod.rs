//! The second matcher: what the OSV schema's "Evaluation" says, read record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

mod orders;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dpkg,
    Apk,
    Rpm,
}

#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) source: String,
    pub(crate) source_version: String,
    pub(crate) module: String,
    pub(crate) kind: Kind,
}

/// Ecosystem and name → record and affected entry.
pub(crate) struct Matcher {
    records: Vec<Value>,
    by_package: BTreeMap<(String, String), Vec<(usize, usize)>>,
}

impl Matcher {
    pub(crate) fn read(osv: &Path) -> Self {
        let mut records: Vec<Value> = Vec::new();
        for folder in ["Debian", "Alpine", "AlmaLinux"] {
            let file = std::fs::File::open(osv.join(folder).join("all.zip")).unwrap();
            let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).unwrap();
            for number in 0..archive.len() {
                let record: Value = serde_json::from_reader(archive.by_index(number).unwrap()).unwrap();
                if record["withdrawn"].is_null() {
                    records.push(record);
                }
            }
        }
        let mut by_package: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, record) in records.iter().enumerate() {
            for (entry, affected) in record["affected"].as_array().into_iter().flatten().enumerate() {
                let package = &affected["package"];
                let key = (text(&package["ecosystem"]), text(&package["name"]));
                by_package.entry(key).or_default().push((number, entry));
            }
        }
        Self { records, by_package }
    }

    /// Vulnerability and package of everything that is affected.
    pub(crate) fn judge(&self, packages: &[Installed]) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for package in packages {
            let (name, version) = match package.kind {
                Kind::Rpm => (&package.name, &package.version),
                Kind::Dpkg | Kind::Apk => (&package.source, &package.source_version),
            };
            let key = (package.ecosystem.clone(), name.clone());
            let mut by_record: BTreeMap<usize, Vec<&Value>> = BTreeMap::new();
            for (record, entry) in self.by_package.get(&key).into_iter().flatten() {
                by_record.entry(*record).or_default().push(&self.records[*record]["affected"][*entry]);
            }
            for (record, entries) in by_record {
                let record = &self.records[record];
                let entries = match package.kind {
                    Kind::Rpm => of_this_build(entries, record, version, &package.module),
                    Kind::Dpkg | Kind::Apk => entries,
                };
                if entries.iter().any(|entry| is_affected(entry, version, package.kind)) {
                    found.extend(names(record).into_iter().map(|id| (id, package.name.clone())));
                }
            }
        }
        found
    }

    /// Ecosystem, package and version of every fix.
    pub(crate) fn fixed_versions(&self) -> BTreeSet<(String, String, String)> {
        let mut versions = BTreeSet::new();
        for ((ecosystem, name), entries) in &self.by_package {
            for (record, entry) in entries {
                for version in fixes(&self.records[*record]["affected"][*entry]) {
                    versions.insert((ecosystem.clone(), name.clone(), version));
                }
            }
        }
        versions
    }
}

pub(crate) use orders::is_apk;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn events(entry: &Value) -> impl Iterator<Item = &Value> {
    let ranges = entry["ranges"].as_array().into_iter().flatten();
    ranges
        .filter(|range| range["type"] != "GIT")
        .flat_map(|range| range["events"].as_array().into_iter().flatten())
}

fn fixes(entry: &Value) -> Vec<String> {
    events(entry).filter(|event| !event["fixed"].is_null()).map(|event| text(&event["fixed"])).collect()
}

/// At or above an `introduced`, below the `fixed` that follows it. These databases write one such pair per range, `introduced: 0` first.
fn is_affected(entry: &Value, version: &str, kind: Kind) -> bool {
    let below = |bound: &str| match kind {
        Kind::Dpkg => orders::dpkg(version, bound).is_lt(),
        Kind::Apk => orders::apk(version, bound).is_lt(),
        Kind::Rpm => orders::rpm(version, bound).is_lt(),
    };
    let fixes = fixes(entry);
    events(entry).any(|event| event["introduced"] == "0")
        && !fixes.iter().any(|fix| fix == "0")
        && fixes.iter().all(|fix| below(fix))
}

/// CVE ids where the record has them: of itself, its aliases and upstream; else those of `related`, for these distributions list there
/// what they mend; else its own id. Bug fixes without any CVE are nobody's vulnerability.
fn names(record: &Value) -> Vec<String> {
    let list = |field: &str| -> Vec<String> {
        let cves = record[field].as_array().into_iter().flatten().map(text);
        cves.filter(|id| id.starts_with("CVE-")).collect()
    };
    let id = text(&record["id"]);
    let mut named: Vec<String> = [list("aliases"), list("upstream")].concat();
    if named.is_empty() && (id.starts_with("ALSA-") || id.starts_with("ALBA-") || id.starts_with("ALEA-")) {
        named = list("related");
    }
    match named.is_empty() {
        true if id.starts_with("ALBA-") || id.starts_with("ALEA-") => Vec::new(),
        true => vec![id],
        false => named,
    }
}

/// AlmaLinux's modules: a build is compared with the fix built for the same minor release, else for the next one, else for the last;
/// what is not built in a module only with fixes that are not; another stream of the same module is another thing.
fn of_this_build<'a>(entries: Vec<&'a Value>, record: &Value, version: &str, module: &str) -> Vec<&'a Value> {
    let build = |version: &str| -> Option<(u32, u32)> {
        let (_, mark) = version.split_once(".module_el")?;
        let mut numbers = mark.split(['.', '+']).map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    };
    let build_of = |entry: &Value| fixes(entry).iter().find_map(|fix| build(fix));
    let Some(installed) = build(version) else {
        return entries.into_iter().filter(|entry| build_of(entry).is_none()).collect();
    };
    if let Some((name, _)) = module.split_once(':') {
        let summary = text(&record["summary"]);
        let stream = summary.split(' ').find(|word| word.starts_with(&format!("{name}:")));
        if stream.is_some_and(|stream| stream != module) {
            return Vec::new();
        }
    }
    let minors: BTreeSet<(u32, u32)> = entries.iter().filter_map(|entry| build_of(entry)).collect();
    let wanted = minors.range(installed..).next().or(minors.last()).copied();
    entries.into_iter().filter(|entry| build_of(entry).is_some() && build_of(entry) == wanted).collect()
}
