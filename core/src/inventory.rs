//! The inventory: what is inside one image of one platform. A scan Job posts it; the report store keeps it; matching reads it.
//!
//! The JSON names are part of the product's interface (`breakwater scan -o json`). An inventory never carries a secret's value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// The version of this document's shape. Readers refuse a newer one.
pub const SCHEMA_VERSION: u32 = 1;
/// The largest inventory accepted, as raw JSON, in bytes. More is `incomplete`, never dropped silently.
pub const MAX_INVENTORY: usize = 16 << 20;
/// The most packages one inventory lists; the rest is reported in `unanalysed`.
pub const MAX_PACKAGES: usize = 50_000;
/// The longest name of a base image, in characters.
pub const MAX_BASE_NAME: usize = 512;
/// The most entries of `software`, `files`, `secrets` and `unanalysed` each.
pub const MAX_ENTRIES: usize = 2_000;

/// Where [`Inventory::unanalysed`] says that there is no image configuration: root file systems and SBOMs have none.
pub const CONFIGURATION: &str = "configuration";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    pub schema_version: u32,
    pub image: ImageIdentity,
    pub scanner: ScannerIdentity,
    /// The distribution, from os-release. Absent in images without one (`FROM scratch`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<OperatingSystem>,
    /// The image that this one was built from, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseImage>,
    pub layers: Vec<Layer>,
    pub packages: Vec<Package>,
    pub software: Vec<Software>,
    /// Files that grant or hold more than a file should.
    #[serde(default)]
    pub files: Vec<SpecialFile>,
    #[serde(default)]
    pub secrets: Vec<Secret>,
    pub config: ImageConfig,
    pub unanalysed: Vec<Unanalysed>,
}

impl Inventory {
    /// The image's configuration; `None` where there is none, so that nothing is known of the user and the environment.
    #[must_use]
    pub fn known_config(&self) -> Option<&ImageConfig> {
        // A file of an image may be called anything; but an image has layers.
        let is_absent =
            self.layers.is_empty() && self.unanalysed.iter().any(|item| item.path == CONFIGURATION);
        (!is_absent).then_some(&self.config)
    }

    /// Names of the image's environment variables that hold secrets, sorted.
    #[must_use]
    pub fn secret_env(&self) -> Vec<String> {
        let names = self.secrets.iter().filter_map(|secret| secret.path.strip_prefix("config:env:"));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How many files run with the rights of their owner.
    #[must_use]
    pub fn setuid_files(&self) -> u32 {
        let files = self.files.iter().filter(|file| file.kind == SpecialFileKind::Setuid).count();
        u32::try_from(files).unwrap_or(u32::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIdentity {
    /// As it was asked for: a canonical reference, or a source such as `rootfs:/x`.
    pub reference: String,
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// Digest of the image configuration: some nodes report only this one.
    pub config_digest: Digest,
    pub platform: Platform,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerIdentity {
    pub name: String,
    pub version: String,
}

/// A base image: stated by annotations or labels (`org.opencontainers.image.base.name`, `….digest`), or recognised by its layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseImage {
    /// As stated: no more trustworthy than the image itself. Empty if only the digest is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How many of the lowest layers are the base's; 0 if that is not known.
    #[serde(default)]
    pub layers: u32,
}

/// os-release(5): `ID`, `VERSION_ID`, `PRETTY_NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatingSystem {
    pub id: String,
    pub version: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Digest of the compressed blob, as the manifest names it.
    pub digest: Digest,
    /// Digest of the uncompressed tar (`rootfs.diff_ids`).
    pub diff_id: Digest,
    /// Compressed size in bytes.
    pub size: u64,
    /// The build instruction that made it, from the image's history, bounded and printable.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub name: String,
    pub version: String,
    /// The OSV ecosystem with its release where it has one: `Debian:12`, `Alpine:v3.20`, `npm`, `PyPI`, `Go`.
    pub ecosystem: String,
    pub purl: String,
    /// The source package, where it is not the package itself: distributions' advisories speak of sources (Debian) or origins (Alpine).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
    /// Of a Go module: the import paths of its packages that are linked into the program, sorted. Empty if that is not known: then
    /// the module counts as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// Digest of the layer that brought this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    /// The file that says so, without leading slash.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePackage {
    pub name: String,
    pub version: String,
}

/// Software that a running application rarely needs and an intruder likes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Software {
    pub set: SoftwareSet,
    pub name: String,
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SoftwareSet {
    PackageManagers,
    NetworkTools,
    Shells,
    Compilers,
    Debuggers,
}

/// A file that is to be seen in the image and grants or holds more than a file should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpecialFile {
    pub kind: SpecialFileKind,
    /// With leading slash.
    pub path: String,
    /// What makes it so, for people: `mode 4755, owner 0`, `cap_net_raw=ep`.
    pub detail: String,
    /// Digest of the layer that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpecialFileKind {
    /// Runs with the rights of its owner, whoever starts it (chmod(2), S_ISUID).
    Setuid,
    /// Runs with the rights of its group (S_ISGID with group execute permission).
    Setgid,
    /// Runs with capabilities of its own (capabilities(7), "File capabilities").
    Capabilities,
    /// A file, or a directory without sticky bit, that everybody may write to.
    WorldWritable,
    /// A private key or a store of such.
    PrivateKey,
    /// A program that mines cryptocurrency.
    Miner,
}

/// A secret in a file or in the image's configuration: where, and by which rule. The value is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret {
    pub rule: String,
    /// A file, without leading slash; or a place in the image configuration: `config:env:NAME`, `config:label:KEY`,
    /// `config:history:STEP` (counted from 0), `config:entrypoint`, `config:cmd`.
    pub path: String,
    /// From 1; 0 in the image configuration, which has no lines.
    pub line: u32,
    /// Tells two secrets apart. Of secrets that cannot be guessed it depends on the value alone, so that the same key is known again in
    /// another image; of passwords it depends on rule and place alone, because a password could be guessed from its digest.
    pub fingerprint: String,
    /// Digest of the layer whose copy of the file holds it. Absent in the image configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    /// A layer above removes or replaces the file: no container sees the secret, but whoever can pull the image can read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// The image's configuration (OCI image-spec, "Image Configuration"), as far as policies ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageConfig {
    /// As written in the image: name or number, optionally `:group`. Empty means root.
    #[serde(default)]
    pub user: String,
    /// Names of environment variables. Values stay in the image: they are where secrets are.
    #[serde(default)]
    pub env: Vec<String>,
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub cmd: Vec<String>,
    #[serde(default)]
    pub exposed_ports: Vec<String>,
    #[serde(default)]
    pub volumes: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// Whether the image runs as root unless the pod says otherwise: no user, `root` or uid 0, whatever the group.
    #[must_use]
    pub fn runs_as_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        user.is_empty() || user == "root" || user.parse::<u64>().is_ok_and(|uid| uid == 0)
    }
}

/// Something that could not be read, and why. Policies decide whether that matters; it is never silent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unanalysed {
    pub path: String,
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::ImageConfig;

    #[test]
    fn root_has_many_spellings() {
        for (user, root) in [
            ("", true),
            ("root", true),
            ("0", true),
            ("00", true),
            ("0:5", true),
            ("root:x", true),
            ("1", false),
            ("app", false),
            ("65532:0", false),
        ] {
            let config = ImageConfig { user: user.into(), ..ImageConfig::default() };
            assert_eq!(config.runs_as_root(), root, "{user:?}");
        }
    }
}
