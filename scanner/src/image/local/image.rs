use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read as _},
    path::Path,
    sync::Arc,
};

use breakwater_core::{Digest, Inventory, Platform, scan::MAX_MANIFEST};
use sha2::{Digest as _, Sha256};

use super::{
    Blobs, Pick, SourceError, Span,
    archive::Entries,
    blobs::{Piece, Place, check, open},
    docker,
    layout::{self, Picked},
};
use crate::{
    ScanError, ScanOptions,
    image::{
        ImageDescription, PlatformManifest, Progress, Resolved,
        analyse::{analyse, diff_ids},
        manifest::{LayerDescriptor, Manifest},
        origin::Origin,
        resolve::resolve,
    },
    limits::{MAX_CONFIG, MAX_LAYER},
    registry::Fetched,
};

const BLOBS: &str = "blobs/sha256/";
const INCOMPLETE: &str = "the directory is incomplete, copy it again";
const NOT_KEPT: &str = "containerd has not all of this image, as it drops layers with discard_unpacked_layers: scan it from its registry";

/// An image on this machine.
#[derive(Debug)]
pub struct LocalImage {
    /// As the source was named.
    reference: String,
    blobs: Blobs,
    root: Root,
}

#[derive(Debug)]
enum Root {
    Document(Fetched),
    /// An image that has no manifest of its own; platform and digest are its configuration's.
    Image(PlatformManifest),
}

impl LocalImage {
    /// An OCI image layout in a directory.
    ///
    /// # Errors
    /// [`ScanError::Source`].
    pub fn oci_directory(reference: &str, path: &Path, pick: &Pick) -> Result<Self, ScanError> {
        let file = |name: &'static str, remedy| match open(&path.join(name)) {
            Ok((file, size)) => Piece::of(&file, Span { at: 0, size }).whole(name, MAX_MANIFEST),
            Err(_) if path.is_dir() && !path.join(name).exists() => {
                Err(SourceError::NotThere { name: name.into(), remedy })
            }
            Err(error) => Err(error),
        };
        let place = || Place::Directory { path: path.join(BLOBS), if_absent: INCOMPLETE };
        let index = file("oci-layout", "it is no OCI image layout; a directory tree is read as rootfs:DIR")
            .and_then(|_| file("index.json", INCOMPLETE));
        Self::layout(reference, place, index, pick)
    }

    /// An OCI image layout in one tar file.
    ///
    /// # Errors
    /// [`ScanError::Source`].
    pub fn oci_archive(reference: &str, path: &Path, pick: &Pick) -> Result<Self, ScanError> {
        let opened = open_archive(path).map_err(|error| source(reference, error))?;
        let (file, entries) = opened;
        let index = entries.find("index.json").ok_or(SourceError::NotThere {
            name: "index.json".into(),
            remedy: "it is no OCI image layout; what `docker save` writes is read as docker-archive:FILE",
        });
        let index = index.and_then(|span| Piece::of(&file, span).whole("index.json", MAX_MANIFEST));
        let named = entries.below(BLOBS);
        let spans = named.filter_map(|(hex, span)| Some((format!("sha256:{hex}").parse().ok()?, span)));
        let place = || Place::Archive { file: Arc::clone(&file), spans: spans.collect() };
        Self::layout(reference, place, index, pick)
    }

    fn layout(
        reference: &str,
        place: impl FnOnce() -> Place,
        index: Result<Vec<u8>, SourceError>,
        pick: &Pick,
    ) -> Result<Self, ScanError> {
        let index = index.map_err(|error| source(reference, error))?;
        let picked = layout::pick(&index, pick).map_err(|error| source(reference, error))?;
        let blobs = Blobs { source: reference.to_owned(), place: place() };
        let root = match picked {
            Picked::Digest(digest) => blobs.manifest(&digest)?,
            Picked::Index => Fetched { digest: Digest::of(&index), bytes: index, media_type: None },
        };
        Ok(Self { reference: reference.to_owned(), blobs, root: Root::Document(root) })
    }

    /// A manifest or index in containerd's content store; `root` is containerd's directory (`/var/lib/containerd`). Its names are in a
    /// database that is not read.
    ///
    /// # Errors
    /// [`ScanError::Source`].
    pub fn containerd(reference: &str, root: &Path, digest: &Digest) -> Result<Self, ScanError> {
        let store = root.join("io.containerd.content.v1.content");
        if let Err(error) = std::fs::metadata(&store) {
            let error = SourceError::Unreadable(format!(
                "{}: {}: --containerd-root says where containerd keeps its content",
                store.display(),
                SourceError::unreadable(&error)
            ));
            return Err(source(reference, error));
        }
        let place = Place::Directory { path: store.join(BLOBS), if_absent: NOT_KEPT };
        let blobs = Blobs { source: reference.to_owned(), place };
        let root = Root::Document(blobs.manifest(digest)?);
        Ok(Self { reference: reference.to_owned(), blobs, root })
    }

    /// An image of an archive that `docker save` wrote. It has no manifest: its digest is its configuration's, which Docker calls its id.
    ///
    /// # Errors
    /// [`ScanError::Source`], [`ScanError::Config`], [`ScanError::LayerCount`].
    pub fn docker_archive(reference: &str, path: &Path, pick: &Pick) -> Result<Self, ScanError> {
        let failed = |error| source(reference, error);
        let (file, entries) = open_archive(path).map_err(failed)?;
        let whole = |name: &str, what: &str, bound: usize| {
            let remedy = "it is incomplete, save it again";
            let absent =
                || SourceError::NotThere { name: breakwater_core::printable::line(name, 160), remedy };
            entries.find(name).ok_or_else(absent).and_then(|span| Piece::of(&file, span).whole(what, bound))
        };
        if entries.find("manifest.json").is_none() {
            return Err(failed(no_manifest(&entries)));
        }
        let manifest = whole("manifest.json", "manifest.json", MAX_MANIFEST).map_err(failed)?;
        let images = docker::parse(&manifest).map_err(failed)?;
        let image = docker::pick(images, pick).map_err(failed)?;
        let config = whole(&image.config, "configuration", MAX_CONFIG).map_err(failed)?;
        let config_digest = Digest::of(&config);
        if let Some(stated) = docker::stated_digest(&image.config) {
            check("configuration", &stated, &config_digest).map_err(failed)?;
        }
        let description = ImageDescription::parse(&config)?;
        if description.diff_ids.len() != image.layers.len() {
            let (manifest, config) = (image.layers.len(), description.diff_ids.len());
            return Err(ScanError::LayerCount { manifest, config });
        }
        let mut spans = BTreeMap::new();
        let mut layers = Vec::new();
        for (name, diff_id) in image.layers.iter().zip(&description.diff_ids) {
            let remedy = "it is incomplete, save it again";
            let absent =
                || SourceError::NotThere { name: breakwater_core::printable::line(name, 160), remedy };
            let span = entries.find(name).ok_or_else(absent).map_err(failed)?;
            let digest = blob_digest(name, &file, span, diff_id).map_err(failed)?;
            layers.push(LayerDescriptor { digest: digest.clone(), size: span.size });
            spans.insert(digest, span);
        }
        let span = entries.find(&image.config).map(|span| (config_digest.clone(), span));
        spans.extend(span);
        let manifest = Manifest { config: config_digest.clone(), layers, base: None };
        let platform = description.platform;
        let root = PlatformManifest { platform, digest: config_digest, bytes: Vec::new(), manifest };
        let blobs = Blobs { source: reference.to_owned(), place: Place::Archive { file, spans } };
        Ok(Self { reference: reference.to_owned(), blobs, root: Root::Image(root) })
    }

    /// The manifest of each wanted platform that it has.
    ///
    /// # Errors
    /// [`ScanError::Source`], manifests that are invalid, not read, or no image's.
    pub async fn resolve(&self, wanted: &[Platform]) -> Result<Resolved, ScanError> {
        match &self.root {
            Root::Document(document) => resolve(Origin::Local(&self.blobs), document.clone(), wanted).await,
            Root::Image(image) => {
                let (has, absent): (Vec<_>, Vec<_>) =
                    wanted.iter().cloned().partition(|wanted| image.platform.satisfies(wanted));
                let manifests = has.first().map(|_| image.clone()).into_iter().collect();
                Ok(Resolved { index: None, nested: Vec::new(), manifests, absent })
            }
        }
    }

    /// Reads the layers and makes the inventory.
    ///
    /// # Errors
    /// [`ScanError::Source`], digests that do not fit, layers that cannot be read.
    pub async fn analyse(
        &self,
        image: &PlatformManifest,
        options: ScanOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Inventory, ScanError> {
        analyse(Origin::Local(&self.blobs), &self.reference, image, options, progress).await
    }

    /// The diff ids of its layers, bottom first; no layer is read.
    ///
    /// # Errors
    /// As [`Self::analyse`].
    pub async fn diff_ids(&self, image: &PlatformManifest) -> Result<Vec<Digest>, ScanError> {
        diff_ids(Origin::Local(&self.blobs), image).await
    }
}

fn source(reference: &str, error: SourceError) -> ScanError {
    ScanError::Source { path: reference.to_owned(), error }
}

fn open_archive(path: &Path) -> Result<(Arc<File>, Entries), SourceError> {
    let (file, length) = open(path)?;
    let entries = Entries::read(BufReader::new(&*file), length)?;
    Ok((file, entries))
}

fn no_manifest(entries: &Entries) -> SourceError {
    let remedy = if entries.find("index.json").is_some() {
        "it is an OCI image layout, which is read as oci-archive:FILE"
    } else if entries.find("repositories").is_some() {
        "a Docker older than 1.10 wrote it, which told no digests: save the image again with a current one"
    } else {
        "`docker save` did not write it; a root file system is read as rootfs:DIR once it is unpacked"
    };
    SourceError::NotThere { name: "manifest.json".into(), remedy }
}

/// The digest of a layer's file. Uncompressed it is the diff id; a name in `blobs/sha256` states it. Either is checked when the layer is
/// read; else it is computed here.
fn blob_digest(name: &str, file: &Arc<File>, span: Span, diff_id: &Digest) -> Result<Digest, SourceError> {
    if span.size > MAX_LAYER {
        return Err(SourceError::TooLarge { what: "layer".into(), bound: MAX_LAYER });
    }
    if let Some(stated) = docker::stated_digest(name).filter(|_| name.starts_with(BLOBS)) {
        return Ok(stated);
    }
    let mut piece = Piece::of(file, span);
    let mut buffer = vec![0; 128 << 10];
    let mut hash = Sha256::new();
    let mut is_first = true;
    loop {
        let got = piece.read(&mut buffer).map_err(|error| SourceError::unreadable(&error))?;
        let bytes = buffer.get(..got).unwrap_or_default();
        let is_compressed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        if got == 0 && !is_first {
            return Ok(Digest::from_sha256(hash.finalize().into()));
        }
        if is_first && !is_compressed {
            return Ok(diff_id.clone());
        }
        is_first = false;
        hash.update(bytes);
    }
}
