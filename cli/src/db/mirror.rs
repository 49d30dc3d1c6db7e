//! A copy of a bulk export that is fetched over HTTP: `ecosystems.txt`, and `<ecosystem>/all.zip` for each line of it. Where the export
//! has `<ecosystem>/modified_id.csv`, single changed records are fetched into `changed/` beside the archive until they are many; else
//! archives are fetched again when the server says that they changed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use breakwater_advisories::changes::{Changes, Listing};
use breakwater_advisories::{ecosystem, source};
use breakwater_core::printable;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use url::Url;

use super::fetch::{self, FetchError, Fetcher, Validators};
use super::size;

/// The largest `ecosystems.txt`, in bytes.
const MAX_LIST: usize = 64 << 10;
/// The largest `modified_id.csv`, in bytes; npm's has some 200,000 lines.
const MAX_LISTING: usize = 256 << 20;
/// The largest single record, in bytes.
const MAX_RECORD: usize = 8 << 20;
/// The most ecosystems of one source.
const MAX_ECOSYSTEMS: usize = 500;
/// With more single records than this beside it, an archive is fetched anew.
const MAX_CHANGED: usize = 1_000;
/// How many single records are asked for at a time.
const AT_ONCE: usize = 8;
/// An archive is believed to have what changed until so long before it was listed: it is packed now and then, the list is kept at once.
const PACKING: TimeDelta = TimeDelta::hours(24);

pub(super) type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What is known of a fetched archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    #[serde(flatten)]
    validators: Validators,
    /// What changed until then is held.
    #[serde(default)]
    as_of: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(crate) struct Mirror {
    base: Url,
    chosen: Vec<String>,
    directory: PathBuf,
    fetcher: Fetcher,
}

impl Mirror {
    /// A mirror of `base` in `directory`; `chosen` limits it to some ecosystems.
    pub(crate) fn new(base: Url, chosen: &[String], directory: &Path) -> Result<Self, FetchError> {
        let directory = directory.join("mirror");
        Ok(Self { base, chosen: chosen.to_vec(), directory, fetcher: Fetcher::new()? })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Brings the copy up to date. A failure leaves whole archives, old or new.
    pub(crate) async fn refresh(&self, say: Say<'_>) -> Result<(), FetchError> {
        let archives = self.archives().await?;
        let mut known = self.known();
        // What is no longer listed is no longer known.
        known.retain(|name, _| archives.iter().any(|(listed, _)| listed == name));
        let total = archives.len();
        for (number, (name, url)) in archives.into_iter().enumerate() {
            let held = known.get(&name).cloned().unwrap_or_default();
            let say = |text: &str| say(&format!("{} of {total} {name}: {text}", number + 1));
            if let Some(held) = self.refresh_one(&name, &url, held, &say).await? {
                known.insert(name, held);
                self.remember(&known)?;
            }
        }
        self.forget_others(&known)
    }

    /// What is held now, if that changed.
    async fn refresh_one(
        &self,
        name: &str,
        url: &Url,
        held: Held,
        say: Say<'_>,
    ) -> Result<Option<Held>, FetchError> {
        let path = self.directory.join(name).join("all.zip");
        let listing = self.listing(name, say).await?;
        let held = if path.exists() { held } else { Held::default() };
        if let (Some(listing), Some(as_of)) = (&listing, held.as_of)
            && self.take_changes(name, &path, listing, as_of, say).await?
        {
            return Ok(Some(Held { as_of: listing.newest().max(Some(as_of)), ..held }));
        }
        let answer = self.fetcher.get(url, &held.validators).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let validators = Validators::of(&answer);
        let progress = |bytes, total: Option<u64>| {
            let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
            say(&format!("{}{of}", size(bytes)));
        };
        fetch::store(url, answer, &path, &progress, |path| source::names(path).map(|_| ())).await?;
        // The archive has what was fetched one by one, or its list says so again.
        let changed = self.changed(name);
        if changed.exists() {
            let unwritable = |cause| FetchError::Unwritable { path: changed.clone(), cause };
            std::fs::remove_dir_all(&changed).map_err(unwritable)?;
        }
        let as_of = listing.and_then(|listing| listing.newest()).map(|newest| newest - PACKING);
        Ok(Some(Held { validators, as_of }))
    }

    async fn listing(&self, name: &str, say: Say<'_>) -> Result<Option<Listing>, FetchError> {
        if self.is_archive() {
            return Ok(None);
        }
        say("asking what changed");
        let csv = self.fetcher.bytes(&self.join(&format!("{name}/modified_id.csv"))?, MAX_LISTING).await?;
        Ok(csv.and_then(|csv| Listing::parse(&csv)))
    }

    /// Fetches single records; false if the archive must be fetched instead.
    async fn take_changes(
        &self,
        name: &str,
        archive: &Path,
        listing: &Listing,
        as_of: DateTime<Utc>,
        say: Say<'_>,
    ) -> Result<bool, FetchError> {
        let Ok(packed) = source::names(archive) else { return Ok(false) };
        let single = self.single(name)?;
        let held: HashSet<String> = packed.into_iter().chain(single.iter().cloned()).collect();
        let Changes { changed, mut gone } = listing.changes(as_of, &held);
        // What was forgotten before needs no second mark.
        gone.retain(|id| !single.contains(id));
        if changed.len() + gone.len() + single.len() > MAX_CHANGED || gone.len() * 20 > held.len() {
            return Ok(false);
        }
        for (place, ids) in changed.chunks(AT_ONCE).enumerate() {
            say(&format!("{} of {} changed records", place * AT_ONCE, changed.len()));
            let mut asked = JoinSet::new();
            for id in ids {
                let (fetcher, id) = (self.fetcher.clone(), id.clone());
                let url = self.join(&format!("{name}/{id}.json"))?;
                asked.spawn(async move { (id, fetcher.bytes(&url, MAX_RECORD).await) });
            }
            while let Some(Ok((id, record))) = asked.join_next().await {
                match record? {
                    Some(record) => self.keep(name, &id, &record)?,
                    // Listed and not there: the archive is what counts.
                    None => return Ok(false),
                }
            }
        }
        for id in gone {
            let mark = serde_json::json!({"id": id, "withdrawn": as_of});
            self.keep(name, &id, mark.to_string().as_bytes())?;
        }
        Ok(true)
    }

    fn changed(&self, name: &str) -> PathBuf {
        self.directory.join(name).join("changed")
    }

    /// The ids of records that were fetched one by one.
    fn single(&self, name: &str) -> Result<HashSet<String>, FetchError> {
        let path = self.changed(name);
        let unwritable = |cause| FetchError::Unwritable { path: path.clone(), cause };
        std::fs::create_dir_all(&path).map_err(unwritable)?;
        let names = std::fs::read_dir(&path).map_err(unwritable)?.filter_map(Result::ok);
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect())
    }

    fn keep(&self, name: &str, id: &str, record: &[u8]) -> Result<(), FetchError> {
        let path = self.changed(name).join(format!("{id}.json"));
        let unwritable = |cause| FetchError::Unwritable { path: path.clone(), cause };
        let beside = path.with_extension("part");
        std::fs::write(&beside, record).and_then(|()| std::fs::rename(&beside, &path)).map_err(unwritable)
    }

    fn is_archive(&self) -> bool {
        self.base.path().ends_with(".zip")
    }

    /// Name and address of each archive.
    async fn archives(&self) -> Result<Vec<(String, Url)>, FetchError> {
        if self.is_archive() {
            return Ok(vec![("archive".to_owned(), self.base.clone())]);
        }
        let url = self.join("ecosystems.txt")?;
        let list = self.fetcher.bytes(&url, MAX_LIST).await?;
        let Some(list) = list else {
            return Err(FetchError::Refused { url, status: StatusCode::NOT_FOUND });
        };
        let list = String::from_utf8_lossy(&list).into_owned();
        let names: Vec<&str> = list.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let bad = names.iter().find(|name| !is_name(name)).copied();
        if let Some(line) = bad.or((names.len() > MAX_ECOSYSTEMS).then_some("")) {
            return Err(FetchError::BadName { url, line: printable::line(line, 80) });
        }
        let wanted = |name: &&str| {
            if !self.chosen.is_empty() {
                return self.chosen.iter().any(|chosen| chosen == name);
            }
            // The archive of `Debian` has the records of `Debian:12` as well.
            let base = ecosystem::base(name);
            ecosystem::order(name).is_some() && (base == *name || !names.contains(&base))
        };
        let archives: Result<Vec<_>, _> = names
            .iter()
            .filter(|name| wanted(name))
            .map(|name| Ok(((*name).to_owned(), self.join(&format!("{name}/all.zip"))?)))
            .collect();
        let archives = archives?;
        if archives.is_empty() {
            return Err(FetchError::NothingListed { url, chosen: !self.chosen.is_empty() });
        }
        Ok(archives)
    }

    /// The address of a file below the base. A colon in the first segment would read as a scheme, hence the `./`.
    fn join(&self, path: &str) -> Result<Url, FetchError> {
        self.base.join(&format!("./{path}")).map_err(|error| FetchError::Client(error.to_string()))
    }

    fn known_path(&self) -> PathBuf {
        // Not `.json`: the directory is read as a source.
        self.directory.join("validators")
    }

    /// A lost or damaged file only means that everything is fetched again.
    fn known(&self) -> BTreeMap<String, Held> {
        let bytes = std::fs::read(self.known_path()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn remember(&self, known: &BTreeMap<String, Held>) -> Result<(), FetchError> {
        let path = self.known_path();
        let json = serde_json::to_vec(known).unwrap_or_default();
        std::fs::write(&path, json).map_err(|cause| FetchError::Unwritable { path, cause })
    }

    /// Removes the archives that the source no longer lists.
    fn forget_others(&self, known: &BTreeMap<String, Held>) -> Result<(), FetchError> {
        let unwritable = |cause| FetchError::Unwritable { path: self.directory.clone(), cause };
        for entry in std::fs::read_dir(&self.directory).map_err(unwritable)? {
            let entry = entry.map_err(unwritable)?;
            let is_known = entry.file_name().to_str().is_some_and(|name| known.contains_key(name));
            if entry.path().is_dir() && !is_known {
                std::fs::remove_dir_all(entry.path()).map_err(unwritable)?;
            }
        }
        self.remember(known)
    }
}

/// The names become directories and parts of addresses.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .:-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;
    use url::Url;

    use super::is_name;

    proptest! {
        #[test]
        fn a_name_is_one_directory_and_stays_below_the_base(
            name in prop_oneof!["[a-zA-Z0-9 .:_/%?#\\\\-]{0,70}", ".{0,20}"],
        ) {
            if is_name(&name) {
                let parts: Vec<_> = Path::new(&name).components().collect();
                prop_assert_eq!(parts, [Component::Normal(name.as_ref())]);
                let base: Url = "https://mirror.example.com/osv/".parse().unwrap();
                let joined = base.join(&format!("./{name}/all.zip")).unwrap();
                let below = joined.as_str().strip_prefix(base.as_str()).unwrap();
                prop_assert_eq!(below.replace("%20", " "), format!("{name}/all.zip"));
            }
        }
    }
}
