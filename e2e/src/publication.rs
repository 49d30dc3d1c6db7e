//! Publishing advisories in the cluster's mirror, as an advisory database does: records are added and changed, never taken away.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use crate::error::AtPath;
use crate::{Error, Result};

/// Adds the OSV records below `source` (`<ecosystem>/*.json`) to the mirror, replacing those of the same id. Returns how many.
///
/// Each `<ecosystem>/all.zip` is replaced by a rename, so that a reader sees the old one or the new one.
///
/// # Errors
/// A file that cannot be read or written; a record without an id.
pub fn publish(mirror: &Path, source: &Path) -> Result<usize> {
    let mut count = 0;
    for ecosystem in directories(source)? {
        let mut records = Vec::new();
        let directory = source.join(&ecosystem);
        for entry in std::fs::read_dir(&directory).at(&directory)? {
            let path = entry.at(&directory)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read(&path).at(&path)?;
                records.push(
                    serde_json::from_slice(&text)
                        .map_err(|error| Error::Advisory(format!("{}: {error}", path.display())))?,
                );
            }
        }
        count += records.len();
        publish_records(mirror, &ecosystem, &records)?;
    }
    Ok(count)
}

/// Adds records to one ecosystem of the mirror, replacing those of the same id.
///
/// # Errors
/// As [`publish`].
pub fn publish_records(mirror: &Path, ecosystem: &str, records: &[Value]) -> Result<()> {
    let directory = mirror.join(ecosystem);
    std::fs::create_dir_all(&directory).at(&directory)?;
    let path = directory.join("all.zip");
    let mut all = if path.exists() { read(&path)? } else { BTreeMap::new() };
    for record in records {
        let id = record
            .get("id")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::Advisory("a record has no id".into()))?;
        all.insert(
            format!("{id}.json"),
            serde_json::to_vec(record).map_err(|error| Error::Advisory(error.to_string()))?,
        );
    }
    write(&path, &all)?;
    let mut ecosystems = directories(mirror)?;
    ecosystems.sort_unstable();
    let list = mirror.join("ecosystems.txt");
    std::fs::write(&list, ecosystems.join("\n") + "\n").at(&list)
}

fn directories(parent: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(parent).at(parent)? {
        let entry = entry.at(parent)?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |error: zip::result::ZipError| Error::Advisory(format!("{}: {error}", path.display()));
    let mut archive = zip::ZipArchive::new(File::open(path).at(path)?).map_err(broken)?;
    let mut records = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        let mut bytes = Vec::new();
        let name = entry.name().map_err(broken)?.into_owned();
        entry.read_to_end(&mut bytes).at(path)?;
        records.insert(name, bytes);
    }
    Ok(records)
}

fn write(path: &Path, records: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let broken = |error: zip::result::ZipError| Error::Advisory(format!("{}: {error}", path.display()));
    let new = path.with_extension("new");
    let mut archive = zip::ZipWriter::new(File::create(&new).at(&new)?);
    for (name, bytes) in records {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).map_err(broken)?;
        archive.write_all(bytes).at(&new)?;
    }
    archive.finish().map_err(broken)?;
    std::fs::rename(&new, path).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_added_and_replaced_and_never_lost() {
        let mirror = tempfile::tempdir().unwrap();
        let publish = |id: &str, text: &str| {
            publish_records(mirror.path(), "npm", &[serde_json::json!({"id": id, "summary": text})]).unwrap();
        };
        publish("A", "one");
        publish("B", "two");
        publish("A", "three");
        let all = read(&mirror.path().join("npm/all.zip")).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["A.json", "B.json"]);
        assert!(String::from_utf8_lossy(&all["A.json"]).contains("three"));
        assert_eq!(std::fs::read_to_string(mirror.path().join("ecosystems.txt")).unwrap(), "npm\n");
        assert!(publish_records(mirror.path(), "npm", &[serde_json::json!({})]).is_err());
    }
}
