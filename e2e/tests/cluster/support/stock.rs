//! A registry full of small images over shared bases, and what its access log says of who read them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Seek, SeekFrom},
};

use breakwater_core::Digest;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

/// Images that are pushed at the same time.
const PUSHES: usize = 16;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Repositories `PREFIX/0`, `PREFIX/1`, … with tags `0.0`, `1.0`, …
pub struct Stock {
    pub prefix: String,
    pub repositories: usize,
    pub tags: usize,
    /// Architectures of Linux. All images of one share its base layer, a Debian of a few packages.
    pub architectures: &'static [&'static str],
}

/// What is in the registry.
#[derive(Default)]
pub struct Stocked {
    /// Digest of each index by `PREFIX/REPOSITORY:TAG`.
    pub images: BTreeMap<String, Digest>,
    pub bases: BTreeSet<Digest>,
    /// Layers that one image has alone.
    pub own: BTreeSet<Digest>,
}

impl Stock {
    /// Pushes all of it to the open registry at `address`.
    pub async fn push(&self, address: &str) -> Stocked {
        let http = reqwest::Client::new();
        let numbers =
            (0..self.repositories).flat_map(|repository| (0..self.tags).map(move |tag| (repository, tag)));
        let pushed: Vec<_> = stream::iter(numbers)
            .map(|(repository, tag)| {
                let pusher =
                    Pusher { http: &http, base: format!("http://{address}/v2/{}/{repository}", self.prefix) };
                async move {
                    let (digest, own) = self.image(&pusher, repository, tag).await?;
                    Ok::<_, reqwest::Error>((format!("{}/{repository}:{tag}.0", self.prefix), digest, own))
                }
            })
            .buffer_unordered(PUSHES)
            .try_collect()
            .await
            .expect("the registry takes them");
        let bases = self.architectures.iter().map(|architecture| Digest::of(&base(architecture)));
        let mut stocked = Stocked { bases: bases.collect(), ..Stocked::default() };
        for (name, digest, own) in pushed {
            stocked.images.insert(name, digest);
            stocked.own.extend(own);
        }
        stocked
    }

    async fn image(
        &self,
        pusher: &Pusher<'_>,
        repository: usize,
        tag: usize,
    ) -> Result<(Digest, Vec<Digest>), reqwest::Error> {
        let (mut entries, mut owns) = (Vec::new(), Vec::new());
        for architecture in self.architectures {
            let text = format!("{}/{repository}:{tag} {architecture}", self.prefix);
            let layers = [base(architecture), archive(&[("app/content", &text)])];
            let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
            owns.push(Digest::of(&layers[1]));
            let mut listed = Vec::new();
            for layer in layers {
                listed.push(pusher.blob(LAYER, layer).await?);
            }
            let config = json!({"os": "linux", "architecture": architecture, "config": {"User": "1"},
                "rootfs": {"type": "layers", "diff_ids": diff_ids}});
            let config =
                pusher.blob("application/vnd.oci.image.config.v1+json", config.to_string().into()).await?;
            let manifest =
                json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": listed});
            let manifest = manifest.to_string().into_bytes();
            let digest = Digest::of(&manifest);
            let size = manifest.len();
            pusher.manifest(&digest.to_string(), MANIFEST, manifest).await?;
            entries.push(json!({"mediaType": MANIFEST, "digest": digest, "size": size,
                "platform": {"os": "linux", "architecture": architecture}}));
        }
        let index =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes();
        let digest = Digest::of(&index);
        pusher.manifest(&format!("{tag}.0"), INDEX, index).await?;
        Ok((digest, owns))
    }
}

struct Pusher<'a> {
    http: &'a reqwest::Client,
    base: String,
}

impl Pusher<'_> {
    /// Its descriptor.
    async fn blob(&self, media_type: &str, bytes: Vec<u8>) -> Result<Value, reqwest::Error> {
        let digest = Digest::of(&bytes).to_string();
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        let known = self.http.head(format!("{}/blobs/{digest}", self.base)).send().await?;
        if known.status().is_success() {
            return Ok(descriptor);
        }
        let begun =
            self.http.post(format!("{}/blobs/uploads/", self.base)).send().await?.error_for_status()?;
        let location = begun.headers()["location"].to_str().expect("a place").to_owned();
        let location = begun.url().join(&location).expect("an address");
        let separator = if location.query().is_some() { '&' } else { '?' };
        let place = format!("{location}{separator}digest={digest}");
        self.http.put(place).body(bytes).send().await?.error_for_status()?;
        Ok(descriptor)
    }

    async fn manifest(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> Result<(), reqwest::Error> {
        let request =
            self.http.put(format!("{}/manifests/{name}", self.base)).header("content-type", media_type);
        request.body(bytes).send().await?.error_for_status().map(drop)
    }
}

fn base(architecture: &str) -> Vec<u8> {
    let package = |n: usize| {
        format!(
            "Package: package{n}\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: 1.{n}-1\n\n"
        )
    };
    let status: String = (0..100).map(package).collect();
    archive(&[("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), ("var/lib/dpkg/status", &status)])
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, content.as_bytes()).expect("memory takes it");
    }
    archive.into_inner().expect("memory takes it")
}

/// The open registry's access log from now on.
pub struct AccessLog {
    path: String,
    from: u64,
}

/// What was asked of the repositories below one prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// How often each blob was fetched.
    pub blobs: BTreeMap<Digest, usize>,
    /// How many manifests were fetched.
    pub manifests: usize,
}

impl AccessLog {
    pub fn begin(path: String) -> Self {
        let from = std::fs::metadata(&path).expect("the registry writes a log").len();
        Self { path, from }
    }

    pub fn reads(&self, prefix: &str) -> Reads {
        let mut file = std::fs::File::open(&self.path).expect("the registry writes a log");
        file.seek(SeekFrom::Start(self.from)).expect("a file");
        let mut reads = Reads::default();
        for line in BufReader::new(file).split(b'\n') {
            let line = String::from_utf8_lossy(&line.expect("a line")).into_owned();
            let Some((_, path)) = line.split_once(&format!("\"GET /v2/{prefix}/")) else { continue };
            let path = path.split([' ', '"']).next().unwrap_or_default();
            if let Some((_, digest)) = path.split_once("/blobs/") {
                *reads.blobs.entry(digest.parse().expect("a digest")).or_default() += 1;
            } else if path.contains("/manifests/") {
                reads.manifests += 1;
            }
        }
        reads
    }
}
