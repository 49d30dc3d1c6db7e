//! Where an image comes from: a registry, or files on this machine; and the base that it was built from.

use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;

use anyhow::Context;
use breakwater_core::inventory::BaseImage;
use breakwater_core::{Digest, Inventory};
use breakwater_scanner::image::{base::base_by_layers, local};
use breakwater_scanner::registry::Connection;
use breakwater_scanner::{LocalImage, Progress, RegistryImage, ScanError, ScanOptions, Source, sbom};

use crate::arguments::Reading;
use crate::connection::option_for;
use crate::db::size;
use crate::terminal::{ProgressLine, count};

pub(super) fn parse(text: &str, argument: &str) -> anyhow::Result<Source> {
    text.parse().map_err(|error: <Source as FromStr>::Err| match is_path(text) {
        true => anyhow::anyhow!("{argument} {text:?} is a path: {PATHS}"),
        false => anyhow::Error::from(error).context(format!("{argument} {text:?}")),
    })
}

/// How to name what is on this machine.
const PATHS: &str =
    "say what is there by rootfs:DIR, oci-dir:DIR, oci-archive:FILE, docker-archive:FILE or sbom:FILE";

/// Whether this means a file or directory, which no reference of an image looks like.
fn is_path(text: &str) -> bool {
    let starts = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    starts || (!text.is_empty() && Path::new(text).exists())
}

pub(super) async fn inventory(
    arguments: &Reading,
    connection: &Connection,
    source: &Source,
) -> anyhow::Result<Inventory> {
    let line = ProgressLine::new();
    line.show(&match source {
        Source::Registry(reference) => format!("asking {}", reference.registry),
        local => format!("reading {local}"),
    });
    let read = Mutex::new((0_usize, 0_usize, 0_u64));
    let progress = |progress: Progress| {
        let Ok(mut state) = read.lock() else { return };
        let (total, done, bytes) = &mut *state;
        match progress {
            Progress::Begun { layers, .. } => *total = layers,
            Progress::LayerRead { bytes: more, .. } => (*done, *bytes) = (*done + 1, *bytes + more),
        }
        line.show(&format!("read {done} of {}, {}", count(*total, "layer"), size(*bytes)));
    };
    let options = ScanOptions { secrets: !arguments.no_secrets };
    let platforms = [arguments.platform.clone()];
    let name = source.to_string();
    let platform = arguments.platform.clone();
    let inventory = match source {
        Source::Registry(reference) => {
            let read = breakwater_scanner::scan(connection, reference, &platforms, options, &progress).await;
            read.map(|inventories| inventories.into_iter().next())
        }
        Source::RootFs(path) => {
            let path = path.clone();
            blocking(move || local::rootfs(&name, &path, &platform, options)).await?.map(Some)
        }
        Source::Sbom(path) => {
            let path = path.clone();
            blocking(move || sbom::read(&name, &path, &platform)).await?.map(Some)
        }
        _ => match open(arguments, source).await? {
            Ok(image) => read_local(&image, &platforms, options, &progress).await,
            Err(error) => Err(error),
        },
    };
    let inventory = inventory.map_err(|error| advise(source, error))?;
    inventory.with_context(|| format!("{source} has no manifest for this platform"))
}

async fn read_local(
    image: &LocalImage,
    platforms: &[breakwater_core::Platform],
    options: ScanOptions,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Option<Inventory>, ScanError> {
    let resolved = image.resolve(platforms).await?;
    match resolved.manifests.first() {
        Some(manifest) => image.analyse(manifest, options, progress).await.map(Some),
        None => Err(ScanError::PlatformMissing { wanted: platforms.to_vec() }),
    }
}

async fn open(arguments: &Reading, source: &Source) -> anyhow::Result<Result<LocalImage, ScanError>> {
    let (source, root) = (source.clone(), arguments.containerd_root.clone());
    let name = source.to_string();
    match blocking(move || local::open(&source, &root)).await? {
        Ok(Some(image)) => Ok(Ok(image)),
        Ok(None) => anyhow::bail!("{name} is no image"),
        Err(error) => Ok(Err(error)),
    }
}

/// Files are read where waiting for them holds up nobody.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(read).await.context("reading ended without a word")
}

/// Says which of the images given as bases is this one's, if one is.
pub(super) async fn recognise_base(
    arguments: &Reading,
    connection: &Connection,
    bases: &[Source],
    inventory: &mut Inventory,
) -> anyhow::Result<()> {
    let mut known = Vec::with_capacity(bases.len());
    for base in bases {
        let layers = layers(arguments, connection, base).await.with_context(|| format!("--base {base}"))?;
        known.push((base.to_string(), layers));
    }
    let by_name: Vec<(&str, &[Digest])> =
        known.iter().map(|(name, (_, layers))| (name.as_str(), layers.as_slice())).collect();
    let layers: Vec<Digest> = inventory.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let found = base_by_layers(&layers, &by_name).and_then(|position| known.get(position));
    match found {
        Some((name, (digest, layers))) => {
            let layers = u32::try_from(layers.len()).unwrap_or(u32::MAX);
            inventory.base = Some(BaseImage { name: name.clone(), digest: Some(digest.clone()), layers });
        }
        None if known.is_empty() => {}
        None => eprintln!(
            "breakwater: the layers of none of the images given by --base are the lowest of this one"
        ),
    }
    Ok(())
}

/// An image's digest, and the diff ids of its layers.
async fn layers(
    arguments: &Reading,
    connection: &Connection,
    source: &Source,
) -> anyhow::Result<(Digest, Vec<Digest>)> {
    let platforms = [arguments.platform.clone()];
    let found = match source {
        Source::Registry(reference) => {
            let image = RegistryImage::open(connection, reference).map_err(|error| advise(source, error))?;
            let resolved = image.resolve(&platforms).await.map_err(|error| advise(source, error))?;
            match resolved.manifests.first() {
                Some(manifest) => Some((manifest.digest.clone(), image.diff_ids(manifest).await)),
                None => None,
            }
        }
        Source::RootFs(_) | Source::Sbom(_) => anyhow::bail!("it has no layers to recognise a base by"),
        _ => {
            let image = open(arguments, source).await?.map_err(|error| advise(source, error))?;
            let resolved = image.resolve(&platforms).await.map_err(|error| advise(source, error))?;
            match resolved.manifests.first() {
                Some(manifest) => Some((manifest.digest.clone(), image.diff_ids(manifest).await)),
                None => None,
            }
        }
    };
    let (digest, layers) =
        found.ok_or_else(|| advise(source, ScanError::PlatformMissing { wanted: platforms.to_vec() }))?;
    Ok((digest, layers.map_err(|error| advise(source, error))?))
}

/// Names the source, and the option that mends it, where there is one.
fn advise(source: &Source, error: ScanError) -> anyhow::Error {
    let advice = match &error {
        ScanError::Source { .. } => return error.into(),
        ScanError::Registry { error, .. } => option_for(error),
        ScanError::PlatformMissing { .. } => "; --platform chooses another one",
        _ => "",
    };
    anyhow::anyhow!("{source}: {error:#}{advice}")
}
