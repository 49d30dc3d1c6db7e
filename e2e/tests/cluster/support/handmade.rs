//! Images made of the files that a test names, pushed without any build.

use std::io::Write as _;

use breakwater_core::Digest;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One layer: gzip-compressed tar.
#[derive(Clone)]
pub struct Layer {
    blob: Vec<u8>,
    diff_id: Digest,
}

impl Layer {
    pub fn of<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, content).expect("memory can be written");
        }
        let tar = archive.into_inner().expect("memory can be written");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).expect("memory can be written");
        Self { blob: gzip.finish().expect("memory can be written"), diff_id: Digest::of(&tar) }
    }
}

/// A repository of a registry that speaks plain HTTP and asks for nothing.
pub struct Repository {
    http: reqwest::Client,
    base: String,
}

impl Repository {
    /// `address`: host and port as this process reaches them.
    pub fn new(address: &str, name: &str) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{address}/v2/{name}") }
    }

    /// Pushes an image of one platform; `note` becomes a label, so that equal layers make another digest. Returns its descriptor.
    pub async fn push(&self, tag: &str, architecture: &str, layers: &[Layer], note: &str) -> Value {
        let mut listed = Vec::new();
        for layer in layers {
            let digest = self.blob(layer.blob.clone()).await;
            listed.push(json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": layer.blob.len()}));
        }
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {"User": "65532", "Labels": {"note": note}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = serde_json::to_vec(&config).expect("JSON");
        let size = config.len();
        let digest = self.blob(config).await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": listed,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": size},
        });
        let mut descriptor = self.manifest(tag, MANIFEST, &manifest).await;
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    /// Pushes an index of what [`Self::push`] returned.
    pub async fn index(&self, tag: &str, manifests: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.manifest(tag, INDEX, &index).await
    }

    async fn manifest(&self, tag: &str, media_type: &str, document: &Value) -> Value {
        let bytes = serde_json::to_vec(document).expect("JSON");
        let descriptor = json!({"mediaType": media_type, "digest": Digest::of(&bytes), "size": bytes.len()});
        let put = self.http.put(format!("{}/manifests/{tag}", self.base)).header("content-type", media_type);
        let stored = put.body(bytes).send().await.expect("the registry answers");
        assert!(stored.status().is_success(), "{}", stored.status());
        descriptor
    }

    async fn blob(&self, content: Vec<u8>) -> Digest {
        let digest = Digest::of(&content);
        let known = self.http.head(format!("{}/blobs/{digest}", self.base)).send().await;
        if known.expect("the registry answers").status().is_success() {
            return digest;
        }
        let upload = self.http.post(format!("{}/blobs/uploads/", self.base)).send().await;
        let upload = upload.expect("the registry answers");
        let place = upload.headers()["location"].to_str().expect("a place");
        let place = upload.url().join(place).expect("a URL");
        let mark = if place.query().is_some() { '&' } else { '?' };
        let stored = self.http.put(format!("{place}{mark}digest={digest}")).body(content).send().await;
        let stored = stored.expect("the registry answers");
        assert!(stored.status().is_success(), "{}", stored.status());
        digest
    }
}
