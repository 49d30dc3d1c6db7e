//! Records that travel as an OCI artifact: each layer is an archive or a single record, named by its title, as `oras push` makes them
//! (OCI image-spec 1.1, "Guidelines for Artifact Usage"). A layer is fetched once, whatever tags name it.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use breakwater_advisories::source;
use breakwater_core::{Digest, ImageReference, printable};
use breakwater_scanner::layer::pieces::pieces;
use breakwater_scanner::registry::{Connection, Repository, Servers};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::fetch::{FetchError, MAX_FILE};
use super::mirror::Say;
use super::size;

/// The annotation that names a layer's file.
const TITLE: &str = "org.opencontainers.image.title";
/// The longest title that is shown, in characters.
const MAX_TITLE: usize = 100;
/// The most layers of one artifact.
const MAX_LAYERS: usize = 1_000;
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Artifact {
    reference: ImageReference,
    chosen: Vec<String>,
    directory: PathBuf,
    connection: Connection,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: Digest,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Eq)]
struct RecordFile {
    /// For people.
    title: String,
    digest: Digest,
    size: u64,
    is_archive: bool,
}

impl Artifact {
    /// A copy in `directory`; `chosen` limits it to some ecosystems.
    pub(crate) fn new(
        reference: ImageReference,
        chosen: &[String],
        directory: &Path,
        connection: Connection,
    ) -> Self {
        Self { reference, chosen: chosen.to_vec(), directory: directory.join("artifact"), connection }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Brings the copy up to date. A failure leaves whole files, old or new.
    pub(crate) async fn refresh(&self, say: Say<'_>) -> Result<(), FetchError> {
        say(&format!("asking {}", self.reference.registry));
        let refused =
            |error| FetchError::Registry { artifact: self.reference.to_string(), error: Box::new(error) };
        let repository = self.connection.repository(&self.reference).map_err(refused)?;
        let manifest = repository.manifest(&self.reference.selector()).await.map_err(refused)?;
        let files = record_files(&manifest.bytes, &self.chosen)
            .map_err(|why| FetchError::NoRecords { artifact: self.reference.to_string(), why })?;
        std::fs::create_dir_all(&self.directory).map_err(unwritable(&self.directory))?;
        for (place, file) in files.iter().enumerate() {
            if !self.path(file).exists() {
                say(&format!("{} of {} {}, {}", place + 1, files.len(), file.title, size(file.size)));
                self.fetch(&repository, file).await?;
            }
        }
        self.forget_others(&files)
    }

    fn path(&self, file: &RecordFile) -> PathBuf {
        let suffix = if file.is_archive { "zip" } else { "json" };
        self.directory.join(format!("{}.{suffix}", file.digest.to_string().replace(':', "-")))
    }

    /// Streams a layer beside its place, compares its digest, and renames it.
    async fn fetch(&self, repository: &Repository, file: &RecordFile) -> Result<(), FetchError> {
        let path = self.path(file);
        let beside = tempfile::NamedTempFile::new_in(&self.directory).map_err(unwritable(&path))?;
        let (feed, pieces) = pieces();
        let writing = tokio::task::spawn_blocking(move || write(pieces, beside));
        let fed = repository.layer(&file.digest, file.size, Servers::All, &feed).await;
        drop(feed);
        let written = writing.await.map_err(|error| FetchError::Client(error.to_string()))?;
        // What the registry says of an end too early is more than what its reader noticed.
        fed.map_err(|error| FetchError::Registry {
            artifact: self.reference.to_string(),
            error: Box::new(error),
        })?;
        let (beside, digest) = written.map_err(unwritable(&path))?;
        if digest != file.digest {
            let (artifact, title) = (self.reference.to_string(), file.title.clone());
            return Err(FetchError::WrongDigest { artifact, title, digest });
        }
        if file.is_archive {
            source::names(beside.path()).map_err(|cause| FetchError::DamagedLayer {
                artifact: self.reference.to_string(),
                title: file.title.clone(),
                cause: Box::new(cause),
            })?;
        }
        beside.persist(&path).map_err(|error| unwritable(&path)(error.error))?;
        Ok(())
    }

    fn forget_others(&self, files: &[RecordFile]) -> Result<(), FetchError> {
        let known: HashSet<PathBuf> = files.iter().map(|file| self.path(file)).collect();
        let unwritable = unwritable(&self.directory);
        for entry in std::fs::read_dir(&self.directory).map_err(&unwritable)? {
            let path = entry.map_err(&unwritable)?.path();
            if !known.contains(&path) {
                std::fs::remove_file(&path).map_err(&unwritable)?;
            }
        }
        Ok(())
    }
}

fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> FetchError {
    move |cause| FetchError::Unwritable { path: path.to_owned(), cause }
}

fn write(
    mut from: impl Read,
    mut to: tempfile::NamedTempFile,
) -> std::io::Result<(tempfile::NamedTempFile, Digest)> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        let got = from.read(&mut buffer)?;
        let piece = buffer.get(..got).unwrap_or_default();
        if piece.is_empty() {
            return Ok((to, Digest::from_sha256(hash.finalize().into())));
        }
        hash.update(piece);
        to.write_all(piece)?;
    }
}

/// The layers that are archives or records; of the ecosystems that were chosen, if any were.
fn record_files(manifest: &[u8], chosen: &[String]) -> Result<Vec<RecordFile>, String> {
    // A parser's message could quote what came.
    let invalid = |error: serde_json::Error| {
        format!("its manifest is not valid: {}", printable::line(&error.to_string(), 200))
    };
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(invalid)?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(format!("it has more than {MAX_LAYERS} layers"));
    }
    let file = |layer: Layer| {
        let title = layer.annotations.get(TITLE)?;
        let is_archive = title.ends_with(".zip");
        let is_record = title.ends_with(".json");
        let is_wanted = chosen.is_empty() || chosen.iter().any(|chosen| chosen == ecosystem(title));
        let title = printable::line(title, MAX_TITLE);
        let Layer { digest, size, .. } = layer;
        ((is_archive || is_record) && is_wanted).then_some(RecordFile { title, digest, size, is_archive })
    };
    let files: Vec<_> = manifest.layers.into_iter().filter_map(file).collect();
    if let Some(large) = files.iter().find(|file| file.size > MAX_FILE) {
        return Err(format!("{} is larger than {MAX_FILE} bytes", large.title));
    }
    if files.is_empty() {
        let among = if chosen.is_empty() { "" } else { " for what --ecosystem names" };
        return Err(format!("no layer has a title ({TITLE}) like npm/all.zip{among}"));
    }
    Ok(files)
}

/// `npm` of `npm/all.zip`, `npm.zip` and `npm/ID.json`.
fn ecosystem(title: &str) -> &str {
    let title = title.strip_prefix("./").unwrap_or(title);
    title.split_once('/').map_or_else(|| title.strip_suffix(".zip").unwrap_or(title), |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn manifest(layers: &[(&str, u64)]) -> Vec<u8> {
        let layers: Vec<_> = layers
            .iter()
            .map(|(title, size)| {
                json!({"digest": Digest::of(title.as_bytes()), "size": size, "annotations": {TITLE: title}})
            })
            .collect();
        json!({"schemaVersion": 2, "layers": layers}).to_string().into_bytes()
    }

    fn titles(manifest: &[u8], chosen: &[&str]) -> Result<Vec<String>, String> {
        let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
        record_files(manifest, &chosen).map(|files| files.into_iter().map(|file| file.title).collect())
    }

    #[test]
    fn layers_are_told_by_their_titles() {
        let all = manifest(&[("npm/all.zip", 1), ("PyPI.zip", 1), ("README.md", 1), ("Go/GO-1.json", 1)]);
        assert_eq!(titles(&all, &[]).unwrap(), ["npm/all.zip", "PyPI.zip", "Go/GO-1.json"]);
        assert_eq!(titles(&all, &["npm", "Go"]).unwrap(), ["npm/all.zip", "Go/GO-1.json"]);
        assert_eq!(titles(&all, &["PyPI"]).unwrap(), ["PyPI.zip"]);
    }

    #[test]
    fn a_registrys_words_do_not_speak_to_the_terminal() {
        let title = format!("\u{1b}[2J{}.zip", "x".repeat(300));
        let found = titles(&manifest(&[(&title, 1)]), &[]).unwrap();
        assert!(found[0].chars().count() <= MAX_TITLE && !found[0].contains('\u{1b}'), "{found:?}");
        let manifest = br#"{"layers": [{"digest": "\u001b[2J", "size": 1}]}"#;
        assert!(!titles(manifest, &[]).unwrap_err().contains('\u{1b}'));
    }

    #[test]
    fn what_is_no_such_artifact_is_said() {
        for (manifest, chosen, words) in [
            (manifest(&[("app.tar", 1)]), &[][..], "no layer has a title"),
            (manifest(&[("npm/all.zip", 1)]), &["Go"][..], "--ecosystem"),
            (manifest(&[("npm/all.zip", MAX_FILE + 1)]), &[][..], "larger than"),
            (b"{".to_vec(), &[][..], "not valid"),
            (json!({"manifests": []}).to_string().into_bytes(), &[][..], "no layer"),
            (manifest(&vec![("a.zip", 1); MAX_LAYERS + 1]), &[][..], "more than 1000 layers"),
        ] {
            let said = titles(&manifest, chosen).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    fn title() -> impl Strategy<Value = String> {
        (
            prop_oneof!["(\\./)?[a-zA-Z]{0,4}/?", ".{0,120}"],
            prop_oneof![Just(".zip"), Just(".json"), Just("")],
        )
            .prop_map(|(name, suffix)| format!("{name}{suffix}"))
    }

    proptest! {
        #[test]
        fn whatever_a_registry_says_is_bounded_and_printable(
            layers in proptest::collection::vec((title(), prop_oneof![Just(7), any::<u64>()]), 0..8),
            keys in proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..3),
            odd in prop_oneof![Just("digest"), Just("size"), Just("annotations"), Just("none")],
            value in ".{0,300}",
        ) {
            let layers: Vec<_> = layers.iter().map(|(title, size)| (title.as_str(), *size)).collect();
            let good: serde_json::Value = serde_json::from_slice(&manifest(&layers)).unwrap();
            let mut other = good.clone();
            for layer in other["layers"].as_array_mut().unwrap() {
                layer["annotations"]["more"] = json!(keys);
                layer[odd] = value.clone().into();
            }
            for manifest in [good.to_string(), other.to_string(), value.clone()] {
                match record_files(manifest.as_bytes(), &[]) {
                    Ok(files) => for file in files {
                        prop_assert!(file.size <= MAX_FILE);
                        prop_assert_eq!(printable::line(&file.title, MAX_TITLE), file.title);
                    }
                    Err(said) => prop_assert_eq!(printable::line(&said, 400), said),
                }
            }
        }
    }
}
