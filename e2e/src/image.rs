//! Images from ordinary Containerfiles, built by buildah, kept as OCI layouts in the cache under the hash of all that
//! goes into them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::command::{command, output};
use crate::error::AtPath;
use crate::{Error, Layout, Progress, Registry, Result, cache, ingredient};

/// Builds and pushes images.
#[derive(Debug, Clone)]
pub struct Images {
    layout: Layout,
}

/// An image in the cache.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Its OCI layout; the tag in there is `image`.
    pub path: PathBuf,
}

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct PushedImage {
    /// `host:port/name`.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// `sha256:…` of its manifest; the same as that of the built image.
    pub digest: String,
}

impl PushedImage {
    /// `repository:tag`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// `repository@digest`: what this names cannot change.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}

impl Images {
    /// Of this layout's cache.
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Builds the Containerfile in `directory` unless the cache holds its result. Beside the directory's own files
    /// the Containerfile finds what [`ingredient`] makes of some of them.
    ///
    /// # Errors
    /// What buildah, or the program that makes an ingredient, said.
    pub fn build(&self, directory: &Path, progress: &Progress) -> Result<BuiltImage> {
        self.build_with(directory, &[], progress)
    }

    /// As [`Images::build`], with further files from elsewhere: the name the Containerfile knows, and the file.
    ///
    /// # Errors
    /// As for [`Images::build`].
    pub fn build_with(
        &self,
        directory: &Path,
        further: &[(&str, &Path)],
        progress: &Progress,
    ) -> Result<BuiltImage> {
        let mut files: Vec<(String, PathBuf)> = Vec::new();
        for entry in fs::read_dir(directory).at(directory)? {
            let entry = entry.at(directory)?;
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
        files.extend(further.iter().map(|(name, path)| ((*name).to_owned(), path.to_path_buf())));
        files.sort();
        let key = key(&files)?;
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let path = self.layout.cache.join("images").join(format!("{name}-{key:.16}"));
        if !path.exists() {
            let _lock = cache::lock(&self.layout.cache, "build")?;
            // Another may have built it while we waited.
            if !path.exists() {
                progress.step(&format!("build image {name}"), || self.make(&files, &path))?;
                cache::prune(&path.with_file_name(""), &name)?;
            }
        }
        Ok(BuiltImage { digest: digest(&path)?, path })
    }

    /// Pushes a built image to `name:tag`.
    ///
    /// # Errors
    /// If the name is malformed or the registry refuses.
    pub fn push(&self, image: &BuiltImage, registry: Registry, name: &str) -> Result<PushedImage> {
        let malformed = || Error::ImageName { name: name.to_owned() };
        let (repository, tag) = name.split_once(':').ok_or_else(malformed)?;
        output(&mut registry.copy(&self.layout, &image.path, name))?;
        Ok(PushedImage {
            repository: format!("{}/{repository}", registry.host()),
            tag: tag.to_owned(),
            digest: image.digest.clone(),
        })
    }

    fn make(&self, files: &[(String, PathBuf)], result: &Path) -> Result<()> {
        let place = self.layout.cache.join("build");
        if place.exists() {
            // What an interrupted build has left.
            fs::remove_dir_all(&place).at(&place)?;
        }
        let made = self.make_in(&place, files, result);
        fs::remove_dir_all(&place).at(&place)?;
        made
    }

    fn make_in(&self, place: &Path, files: &[(String, PathBuf)], result: &Path) -> Result<()> {
        let context = place.join("context");
        fs::create_dir_all(&context).at(&context)?;
        for (name, path) in files {
            let to = context.join(name);
            fs::copy(path, &to).at(path)?;
        }
        ingredient::make(&context, &self.layout)?;
        let buildah = || {
            let mut buildah = command(["buildah", "--storage-driver", "overlay", "--root"]);
            buildah.arg(place.join("storage")).arg("--runroot").arg(place.join("run"));
            buildah
        };
        // Layers as in any registry, one per instruction; a fixed time makes the digest depend on content alone.
        let mut build = buildah();
        build.args(["bud", "--isolation", "chroot", "--format", "oci", "--layers", "--timestamp", "0"]);
        output(build.args(["--quiet", "--tag", "image"]).arg(&context))?;
        let half = place.join("image");
        output(buildah().args(["push", "--quiet", "image"]).arg(format!("oci:{}:image", half.display())))?;
        let parent = result.with_file_name("");
        fs::create_dir_all(&parent).at(&parent)?;
        fs::rename(&half, result).at(result)
    }
}

/// SHA-256 over names, permissions and contents.
fn key(files: &[(String, PathBuf)]) -> Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut hash = Sha256::new();
    for (name, path) in files {
        let mode = fs::metadata(path).at(path)?.permissions().mode();
        let content = Sha256::digest(fs::read(path).at(path)?);
        hash.update(format!("{name}\0{mode:o}\0{}\n", hex::encode(content)));
    }
    Ok(hex::encode(hash.finalize()))
}

fn digest(layout: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Index {
        manifests: [Descriptor; 1],
    }
    #[derive(Deserialize)]
    struct Descriptor {
        digest: String,
    }
    let path = layout.join("index.json");
    let index = serde_json::from_slice(&fs::read(&path).at(&path)?);
    let Index { manifests: [manifest] } = index.map_err(|source| Error::Unreadable { path, source })?;
    Ok(manifest.digest)
}
