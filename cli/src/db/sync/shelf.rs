//! The directory that outlives the process: the last indexes, the highest number ever given, and what the source looked like.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use breakwater_advisories::Index;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::warn;

/// How many indexes are kept: the one that is served, and the one that somebody may still be fetching.
const KEPT: usize = 2;
const STATE: &str = "state.json";
const CANDIDATE: &str = "candidate.index";

/// An index that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) revision: u64,
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) size: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct State {
    highest_revision: u64,
    /// Fingerprint of the source that was last built from, accepted or not.
    looked_at: String,
}

#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    state: State,
    /// Ascending.
    kept: Vec<Published>,
}

impl Shelf {
    /// Opens the directory, making it if need be. Indexes that are damaged are removed.
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("--dir: cannot make {}", directory.display()))?;
        let state = std::fs::read(directory.join(STATE)).unwrap_or_default();
        let mut state: State = serde_json::from_slice(&state).unwrap_or_default();
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let Some(revision) = revision_of(&path) else { continue };
            match Index::open(&path) {
                Ok(index) if index.revision() == revision => kept.push(published(revision, path)?),
                Ok(_) | Err(_) => {
                    warn!(path = %path.display(), "removed an index that is damaged or misnamed");
                    std::fs::remove_file(&path)?;
                }
            }
        }
        kept.sort_by_key(|published| published.revision);
        match kept.last() {
            Some(newest) => state.highest_revision = state.highest_revision.max(newest.revision),
            // Whatever was built before is gone, so the source must be built from again.
            None => state.looked_at.clear(),
        }
        Ok(Self { directory: directory.to_owned(), state, kept })
    }

    pub(super) fn newest(&self) -> Option<Published> {
        self.kept.last().cloned()
    }

    pub(super) fn was_looked_at(&self, fingerprint: &str) -> bool {
        self.state.looked_at == fingerprint
    }

    /// Above every number given before. Seconds since 1970 keep that true when the directory is lost, for operators refuse to go back.
    pub(super) fn next_revision(&self, now: DateTime<Utc>) -> u64 {
        u64::try_from(now.timestamp()).unwrap_or(0).max(self.state.highest_revision.saturating_add(1))
    }

    /// Where to build.
    pub(super) fn candidate(&self) -> PathBuf {
        self.directory.join(CANDIDATE)
    }

    /// Forgets the candidate, and that the source looks like this is remembered: it is not built from again.
    pub(super) fn reject(&mut self, fingerprint: &str) -> anyhow::Result<()> {
        std::fs::remove_file(self.candidate())?;
        fingerprint.clone_into(&mut self.state.looked_at);
        self.save()
    }

    /// Takes the candidate in under its number; removes what is too old.
    pub(super) fn accept(&mut self, revision: u64, fingerprint: &str) -> anyhow::Result<Published> {
        // The number is given away before anybody sees it: after a crash it is not given twice.
        self.state.highest_revision = revision;
        self.save()?;
        let path = self.directory.join(format!("{revision}.index"));
        std::fs::rename(self.candidate(), &path)?;
        fingerprint.clone_into(&mut self.state.looked_at);
        self.save()?;
        let new = published(revision, path)?;
        self.kept.push(new.clone());
        while self.kept.len() > KEPT {
            let old = self.kept.remove(0);
            std::fs::remove_file(&old.path)?;
        }
        Ok(new)
    }

    fn save(&self) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(&mut file, &self.state)?;
        file.as_file().sync_all()?;
        file.persist(self.directory.join(STATE))?;
        Ok(())
    }
}

fn revision_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".index")?.parse().ok()
}

fn published(revision: u64, path: PathBuf) -> anyhow::Result<Published> {
    let mut file = std::fs::File::open(&path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hash.update(buffer.get(..read).unwrap_or_default());
    }
    Ok(Published { revision, path, sha256: hex::encode(hash.finalize()), size })
}
