//! The cache's two rules: one builds at a time, and of each thing only the newest few are kept.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use crate::Result;
use crate::error::AtPath;

/// How many versions of a program or image are kept: enough to go back and forth between two branches.
const KEPT: usize = 4;

/// Holds until the file is dropped; whoever else asks, in this process or another, waits.
pub(crate) fn lock(cache: &Path, what: &str) -> Result<File> {
    fs::create_dir_all(cache).at(cache)?;
    let path = cache.join(format!("{what}.lock"));
    let file = File::create(&path).at(&path)?;
    file.lock().at(&path)?;
    Ok(file)
}

/// Removes all but the newest [`KEPT`] entries of `directory` named `<name>-<key>`.
pub(crate) fn prune(directory: &Path, name: &str) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .at(directory)?
        .flatten()
        .filter(|entry| {
            let file = entry.file_name();
            // Keys hold no hyphen, names may: `demo-app` is not a version of `demo`.
            file.to_string_lossy().rsplit_once('-').is_some_and(|(prefix, _)| prefix == name)
        })
        .map(|entry| {
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            (written.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
        })
        .collect();
    entries.sort();
    let surplus = entries.len().saturating_sub(KEPT);
    for (_, path) in entries.into_iter().take(surplus) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.at(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept() {
        let cache = tempfile::tempdir().unwrap();
        for version in 0..6 {
            let path = cache.path().join(format!("demo-{version}"));
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(version)).unwrap();
        }
        let other = cache.path().join("demo-app-0");
        fs::create_dir(&other).unwrap();
        prune(cache.path(), "demo").unwrap();
        let left = (0..6).filter(|version| cache.path().join(format!("demo-{version}")).exists());
        assert_eq!(left.collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(other.exists());
    }
}
