//! Advisory ids as both sides report them, by package.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::packages::read;

/// Ids with their aliases, of each package by name and version.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<(String, String), Vec<BTreeSet<String>>>);

impl Findings {
    /// A vulnerability counts once for each package that has it.
    pub(crate) fn ids(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    fn has(&self, package: &(String, String), ids: &BTreeSet<String>) -> bool {
        self.0.get(package).is_some_and(|known| known.iter().any(|other| !other.is_disjoint(ids)))
    }

    fn add(&mut self, package: &Value, ids: BTreeSet<String>) {
        // One writes Python's names as they are spelt and Go's versions with their `v`, the other does not.
        let word = |key: &str| package[key].as_str().unwrap_or_default().to_lowercase();
        let version = word("version").trim_start_matches('v').to_owned();
        let known = self.0.entry((word("name"), version)).or_default();
        // The same package in two places is one.
        if !known.contains(&ids) {
            known.push(ids);
        }
    }
}

/// Our index of these advisories.
pub(crate) fn index(program: &Path, osv: &Path, directory: &Path) -> PathBuf {
    let index = directory.join("advisories.bwdb");
    let mut build = Command::new(program);
    build.args(["db", "build", "--source"]).arg(osv).arg("--out").arg(&index);
    assert!(build.status().expect("it starts").success(), "the index is built");
    index
}

/// The same archives where osv-scanner looks for them, and empty ones of what there is no data for: it refuses to start without.
pub(crate) fn database(osv: &Path, directory: &Path) -> PathBuf {
    let database = directory.join("osv");
    let root = database.join("osv-scalibr");
    for ecosystem in ["Maven", "npm", "Packagist", "RubyGems", "NuGet"] {
        fs::create_dir_all(root.join(ecosystem)).unwrap();
        let empty = File::create(root.join(ecosystem).join("all.zip")).unwrap();
        zip::ZipWriter::new(empty).finish().unwrap();
    }
    for entry in fs::read_dir(osv).expect("ADVISORIES_DIR holds osv").flatten() {
        let archive = entry.path().join("all.zip");
        if archive.is_file() {
            let place = root.join(entry.file_name());
            fs::create_dir_all(&place).unwrap();
            fs::remove_file(place.join("all.zip")).ok();
            symlink(archive.canonicalize().unwrap(), place.join("all.zip")).unwrap();
        }
    }
    database
}

fn strings(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// Our findings.
pub(crate) fn breakwater(path: &Path) -> Findings {
    ours(&read(path)["findings"])
}

/// What we know of modules and do not report: the packages that hold it are not in the program.
pub(crate) fn not_linked(path: &Path) -> Findings {
    ours(&read(path)["notLinked"])
}

fn ours(list: &Value) -> Findings {
    let mut found = Findings::default();
    for finding in list.as_array().into_iter().flatten() {
        let id = finding["id"].as_str().expect("an id").to_owned();
        found.add(&finding["package"], strings(&finding["aliases"]).chain([id]).collect());
    }
    found
}

pub(crate) fn osv_scanner(path: &Path) -> Findings {
    let mut found = Findings::default();
    for source in read(path)["results"].as_array().into_iter().flatten() {
        for package in source["packages"].as_array().into_iter().flatten() {
            for group in package["groups"].as_array().into_iter().flatten() {
                found.add(
                    &package["package"],
                    strings(&group["ids"]).chain(strings(&group["aliases"])).collect(),
                );
            }
        }
    }
    found
}

/// What only one of them has. An id is had if any of its aliases is.
pub(crate) fn print_differences(ours: &Findings, not_linked: &Findings, theirs: &Findings) {
    let (absent, missing): (Vec<_>, Vec<_>) =
        only(theirs, ours).into_iter().partition(|(package, ids)| not_linked.has(package, ids));
    print("only osv-scanner reports", &missing);
    print("only osv-scanner reports, of what is not linked into the program", &absent);
    print("only breakwater reports", &only(ours, theirs));
}

type Item<'a> = (&'a (String, String), &'a BTreeSet<String>);

fn only<'a>(these: &'a Findings, others: &Findings) -> Vec<Item<'a>> {
    let all = these.0.iter().flat_map(|(package, findings)| findings.iter().map(move |ids| (package, ids)));
    all.filter(|(package, ids)| !others.has(package, ids)).collect()
}

fn print(title: &str, items: &[Item<'_>]) {
    println!("{title}: {}", items.len());
    for ((name, version), ids) in items {
        let ids = ids.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        println!("  {name} {version}  {ids}");
    }
}
