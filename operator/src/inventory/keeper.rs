//! The index file: checked, kept on disk, mapped, replaced in one step. A damaged or older one is refused and the old one serves on.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use breakwater_advisories::{Index, IndexError};
use chrono::DateTime;

use super::{Highest, IndexState};

/// The index in use.
pub(super) struct Current {
    pub(super) index: Index,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("revision", &self.index.revision()).finish_non_exhaustive()
    }
}

/// Keeps the index.
#[derive(Debug)]
pub(super) struct Keeper {
    directory: PathBuf,
    current: ArcSwapOption<Current>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// It never falls.
    highest: Option<u64>,
    /// Why the ledger of the highest revision cannot be read, if that is so. Then what was known before does not count.
    unreadable: Option<String>,
    problem: Option<String>,
}

/// Why an index is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum IndexRefused {
    #[error(transparent)]
    Unusable(#[from] IndexError),
    #[error("its revision is {found}, {current} is in use")]
    Older { found: u64, current: u64 },
    #[error("it was announced as revision {announced}, and is {found}")]
    OtherRevision { announced: u64, found: u64 },
    #[error("{}: {cause}", path.display())]
    Directory { path: PathBuf, cause: std::io::Error },
}

const FILE: &str = "advisories.index";
const INCOMING: &str = "advisories.incoming";

impl Keeper {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, current: ArcSwapOption::empty(), known: Mutex::default() }
    }

    /// Where a fetched index is written before it is checked.
    pub(super) fn incoming(&self) -> PathBuf {
        self.directory.join(INCOMING)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes up what the last run left. Blocking: reads and checks the whole file.
    pub(super) fn reopen(&self) -> Result<bool, IndexRefused> {
        let path = self.directory.join(FILE);
        if !path.exists() {
            return Ok(false);
        }
        self.take(Index::open(&path)?);
        Ok(true)
    }

    /// Checks the incoming file and puts it in the place of the index in use; `false` if it is the same. Blocking.
    pub(super) fn adopt(&self, announced: Option<u64>) -> Result<bool, IndexRefused> {
        let incoming = self.incoming();
        let index = Index::open(&incoming)?;
        let found = index.revision();
        if let Some(announced) = announced.filter(|announced| *announced != found) {
            return Err(IndexRefused::OtherRevision { announced, found });
        }
        match self.current().map(|current| current.index.revision()) {
            Some(current) if found < current => return Err(IndexRefused::Older { found, current }),
            Some(current) if found == current => return Ok(false),
            _ => {}
        }
        let place = self.directory.join(FILE);
        // The mapping follows the file, not its name; the old one lives until nobody reads it.
        std::fs::rename(&incoming, &place).map_err(|cause| IndexRefused::Directory { path: place, cause })?;
        self.take(index);
        Ok(true)
    }

    fn take(&self, index: Index) {
        self.current.store(Some(Arc::new(Current { index })));
    }

    pub(super) fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// Learns the highest revision ever used, from a ledger that can be read. True if that was news.
    pub(super) fn learn_highest(&self, revision: u64) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let news =
            known.unreadable.take().is_some() || known.highest.is_none_or(|highest| revision > highest);
        known.highest = known.highest.max(Some(revision));
        news
    }

    /// Learns that the ledger cannot be read. True if that was news.
    pub(super) fn lose_highest(&self, reason: String) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.unreadable.replace(reason.clone()) != Some(reason)
    }

    /// Remembers why there is no newer index. True if that was news.
    pub(super) fn set_problem(&self, problem: Option<String>) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let news = known.problem != problem;
        known.problem = problem;
        news
    }

    pub(super) fn state(&self) -> IndexState {
        let current = self.current();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        IndexState {
            revision: current.as_ref().map(|current| current.index.revision()),
            built_at: current.and_then(|current| DateTime::from_timestamp(current.index.built_at(), 0)),
            highest: match (&known.unreadable, known.highest) {
                (Some(reason), _) => Highest::Unreadable(reason.clone()),
                (None, Some(highest)) => Highest::Known(highest),
                (None, None) => Highest::NotRead,
            },
            problem: known.problem.clone(),
        }
    }
}
