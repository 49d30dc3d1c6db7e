//! A directory tree as it would be unpacked: no manifest, no configuration, one layer.

use std::path::Path;

use breakwater_core::{
    Digest, Inventory, Platform,
    inventory::{CONFIGURATION, ImageConfig, Unanalysed},
};

use super::SourceError;
use crate::{
    ScanError, ScanOptions,
    image::{
        ImageDescription,
        assemble::{Identity, assemble},
    },
    layer::directory::read_directory,
};

/// The inventory of the tree below `path`. Its digest is that of the inventory itself, as JSON without digests and reference: two trees
/// in which the same was found are one. It lists no layers.
///
/// # Errors
/// [`ScanError::Source`] if `path` is no directory that can be opened.
pub fn rootfs(
    reference: &str,
    path: &Path,
    platform: &Platform,
    options: ScanOptions,
) -> Result<Inventory, ScanError> {
    let nothing = Digest::of(b"");
    let facts = read_directory(path, nothing.clone(), options).map_err(|error| ScanError::Source {
        path: reference.to_owned(),
        error: match error.kind() {
            std::io::ErrorKind::NotADirectory => SourceError::Unreadable("it is no directory".into()),
            _ => SourceError::unreadable(&error),
        },
    })?;
    let identity = Identity {
        reference: String::new(),
        digest: nothing.clone(),
        config_digest: nothing,
        layers: Vec::new(),
    };
    let description = ImageDescription {
        platform: platform.clone(),
        created: None,
        config: ImageConfig::default(),
        diff_ids: Vec::new(),
        instructions: Vec::new(),
        secrets: Vec::new(),
    };
    let mut inventory = assemble(&identity, &description, &[facts]);
    for package in &mut inventory.packages {
        package.layer = None;
    }
    for file in &mut inventory.files {
        file.layer = None;
    }
    for secret in &mut inventory.secrets {
        secret.layer = None;
    }
    inventory.unanalysed.push(no_configuration());
    Ok(named_by_content(inventory, reference))
}

/// What is said of a source that has no image configuration.
pub(crate) fn no_configuration() -> Unanalysed {
    Unanalysed {
        path: CONFIGURATION.into(),
        reason: "there is no image configuration: user, environment and entrypoint are not known".into(),
    }
}

/// The inventory under its reference and the digest of its content.
fn named_by_content(mut inventory: Inventory, reference: &str) -> Inventory {
    // An inventory always serialises; an empty document would only make two of them look alike.
    let digest = Digest::of(&serde_json::to_vec(&inventory).unwrap_or_default());
    inventory.image.reference = reference.to_owned();
    inventory.image.digest = digest.clone();
    inventory.image.config_digest = digest;
    inventory
}
