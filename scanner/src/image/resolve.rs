//! Which manifest of an image is read: its index, or the indexes within it, and the platforms that were asked for.

use std::collections::{BTreeSet, VecDeque};

use breakwater_core::{Digest, Platform};

use super::{
    ImageDescription,
    manifest::{Document, IndexEntry, Manifest, ManifestError, parse},
    origin::Origin,
};
use crate::{
    ScanError,
    limits::{MAX_INDEX_DEPTH, MAX_INDEX_ENTRIES, MAX_NESTED_INDEXES},
    registry::Fetched,
};

/// What a reference turned out to be.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The index's bytes, if the reference names one.
    pub index: Option<Vec<u8>>,
    /// The bytes of the indexes that it lists, and those list, each after the one that names it.
    pub nested: Vec<Vec<u8>>,
    /// The manifest of each wanted platform that the image has, in the order they were wanted.
    pub manifests: Vec<PlatformManifest>,
    /// Wanted platforms that it does not have.
    pub absent: Vec<Platform>,
}

#[derive(Debug, Clone)]
pub struct PlatformManifest {
    pub platform: Platform,
    pub digest: Digest,
    pub bytes: Vec<u8>,
    pub(super) manifest: Manifest,
}

/// What `fetched` says about each wanted platform. One that is absent is no error here.
pub(super) async fn resolve(
    origin: Origin<'_>,
    fetched: Fetched,
    wanted: &[Platform],
) -> Result<Resolved, ScanError> {
    let entries = match parse(&fetched.bytes, fetched.media_type.as_deref())? {
        Document::Manifest(manifest) => return lone(origin, fetched, manifest, wanted).await,
        Document::Index(entries) => entries,
    };
    let (entries, nested) = flatten(origin, entries).await?;
    let mut resolved =
        Resolved { index: Some(fetched.bytes), nested, manifests: Vec::new(), absent: Vec::new() };
    for platform in wanted {
        let offered = entries.iter().filter_map(|entry| Some((entry.platform.as_ref()?, entry)));
        match platform.choose(offered) {
            Some(entry) => {
                let manifest = manifest_of(origin, &entry.digest, platform.clone()).await?;
                resolved.manifests.push(manifest);
            }
            None => resolved.absent.push(platform.clone()),
        }
    }
    Ok(resolved)
}

/// The manifests of an index, those of the indexes that it lists included, breadth first; and these indexes' bytes.
async fn flatten(
    origin: Origin<'_>,
    entries: Vec<IndexEntry>,
) -> Result<(Vec<IndexEntry>, Vec<Vec<u8>>), ScanError> {
    let too_much = |what: String| Err(ManifestError::Unsupported(what).into());
    let mut waiting: VecDeque<(IndexEntry, usize)> = entries.into_iter().map(|entry| (entry, 1)).collect();
    let (mut manifests, mut nested, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    while let Some((entry, depth)) = waiting.pop_front() {
        if entry.is_manifest {
            manifests.push(entry);
            continue;
        }
        if !seen.insert(entry.digest.clone()) {
            continue;
        }
        if depth >= MAX_INDEX_DEPTH {
            return too_much(format!("indexes are listed within indexes more than {MAX_INDEX_DEPTH} deep"));
        }
        if nested.len() >= MAX_NESTED_INDEXES {
            return too_much(format!("the index lists more than {MAX_NESTED_INDEXES} further indexes"));
        }
        let fetched = origin.manifest(&entry.digest).await?;
        let Document::Index(entries) = parse(&fetched.bytes, fetched.media_type.as_deref())? else {
            return Err(
                ManifestError::Invalid("the index lists a platform's manifest as an index".into()).into()
            );
        };
        nested.push(fetched.bytes);
        if manifests.len() + waiting.len() + entries.len() > MAX_INDEX_ENTRIES {
            return too_much(format!("its indexes list more than {MAX_INDEX_ENTRIES} manifests"));
        }
        waiting.extend(entries.into_iter().map(|entry| (entry, depth + 1)));
    }
    Ok((manifests, nested))
}

async fn manifest_of(
    origin: Origin<'_>,
    digest: &Digest,
    platform: Platform,
) -> Result<PlatformManifest, ScanError> {
    let fetched = origin.manifest(digest).await?;
    match parse(&fetched.bytes, fetched.media_type.as_deref())? {
        Document::Manifest(manifest) => {
            Ok(PlatformManifest { platform, digest: fetched.digest, bytes: fetched.bytes, manifest })
        }
        Document::Index(_) => {
            Err(ManifestError::Invalid("the index lists an index as a platform's manifest".into()).into())
        }
    }
}

/// A lone manifest does not tell its platform; its configuration does.
async fn lone(
    origin: Origin<'_>,
    fetched: Fetched,
    manifest: Manifest,
    wanted: &[Platform],
) -> Result<Resolved, ScanError> {
    let config = origin.config(&manifest.config).await?;
    let platform = ImageDescription::parse(&config)?.platform;
    let (has, absent): (Vec<_>, Vec<_>) =
        wanted.iter().cloned().partition(|wanted| platform.satisfies(wanted));
    let manifests = match has.first() {
        Some(_) => {
            vec![PlatformManifest { platform, digest: fetched.digest, bytes: fetched.bytes, manifest }]
        }
        None => Vec::new(),
    };
    Ok(Resolved { index: None, nested: Vec::new(), manifests, absent })
}
