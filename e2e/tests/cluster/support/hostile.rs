//! A registry that misbehaves: each repository in its own way. It listens on the host's side of the cluster's link, where pods know
//! it as `hostile.test:5600`.

use std::{
    convert::Infallible,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use breakwater_core::Digest;
use serde_json::{Value, json};

pub const HOST: &str = "hostile.test:5600";
const PORT: u16 = 5600;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Serves until dropped. Records every `Authorization` header it is shown.
#[derive(Debug)]
pub struct Hostile {
    task: tokio::task::JoinHandle<()>,
    pub authorizations: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    pub async fn start() -> Self {
        Self::start_at(PORT).await
    }

    /// At another port, so that tests do not meet.
    pub async fn start_at(port: u16) -> Self {
        let authorizations = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind((crate::support::variable("HOST_ADDRESS"), port))
            .await
            .expect("the address is free");
        let app = Router::new()
            .route("/v2/", any(ping))
            .route("/v2/{*path}", any(answer))
            .with_state(authorizations.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { task, authorizations }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ping() -> StatusCode {
    StatusCode::OK
}

async fn answer(
    State(seen): State<Arc<Mutex<Vec<String>>>>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        seen.lock().expect("no poison").push(value.to_str().unwrap_or_default().to_owned());
    }
    let Some((repository, rest)) = path.split_once('/') else { return StatusCode::NOT_FOUND.into_response() };
    match repository {
        "forbidden" => StatusCode::FORBIDDEN.into_response(),
        "unauthorized" => StatusCode::UNAUTHORIZED.into_response(),
        "limited" => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "3600")]).into_response(),
        "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "html" => {
            ([(header::CONTENT_TYPE, "text/html")], "<html><body>Please log in</body></html>").into_response()
        }
        "huge" if rest.starts_with("manifests/") => huge(),
        _ => match rest.split_once('/') {
            Some(("manifests", _)) => manifest(repository),
            Some(("blobs", digest)) => blob(repository, digest, request.headers()),
            _ => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

/// 100 MB of manifest.
fn huge() -> Response {
    let megabyte = Bytes::from(vec![b' '; 1 << 20]);
    let body = futures::stream::iter((0..100).map(move |_| Ok::<_, Infallible>(megabyte.clone())));
    ([(header::CONTENT_TYPE, MANIFEST)], Body::from_stream(body)).into_response()
}

fn manifest(repository: &str) -> Response {
    let (media_type, body) = match repository {
        "chart" => (MANIFEST, artifact("application/vnd.cncf.helm.config.v1+json")),
        "sbom" => {
            let mut body = artifact("application/vnd.oci.empty.v1+json");
            body["artifactType"] = json!("application/vnd.cyclonedx+json");
            (MANIFEST, body)
        }
        "platformless" => (
            INDEX,
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{
                "mediaType": MANIFEST, "digest": Digest::of(b"other").to_string(), "size": 500,
                "platform": {"os": "linux", "architecture": "s390x"},
            }]}),
        ),
        "schema1" => (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            json!({"schemaVersion": 1, "name": "schema1", "tag": "1", "fsLayers": [], "history": []}),
        ),
        "foreign" => {
            let mut body = image(&[layer(repository)]);
            body["layers"][0]["mediaType"] =
                json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
            (MANIFEST, body)
        }
        "layerless" => (MANIFEST, image(&[])),
        "nonsense" => (MANIFEST, json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": "none"})),
        _ => (MANIFEST, image(&[layer(repository)])),
    };
    ([(header::CONTENT_TYPE, media_type)], serde_json::to_vec(&body).expect("JSON")).into_response()
}

fn blob(repository: &str, digest: &str, _headers: &HeaderMap) -> Response {
    let config = serde_json::to_vec(&config(repository)).expect("JSON");
    if digest == Digest::of(&config).to_string() {
        return config.into_response();
    }
    let bytes = layer(repository);
    match repository {
        "lying" => Bytes::from(vec![b'x'; bytes.len()]).into_response(),
        "cut" => {
            let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
            let body = futures::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
            ([(header::CONTENT_LENGTH, bytes.len().to_string())], Body::from_stream(body)).into_response()
        }
        "slow" => {
            let body = futures::stream::unfold(0_usize, move |sent| {
                let byte = bytes.get(sent).copied();
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    byte.map(|byte| (Ok::<_, Infallible>(Bytes::copy_from_slice(&[byte])), sent + 1))
                }
            });
            Body::from_stream(body).into_response()
        }
        _ => bytes.into_response(),
    }
}

/// The one layer of each repository; deterministic.
fn layer(repository: &str) -> Vec<u8> {
    let text = b"hello".repeat(2_000);
    let mut header = [0_u8; 512];
    header[..5].copy_from_slice(b"hello");
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
    header[156] = b'0';
    header[257..262].copy_from_slice(b"ustar");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(&text);
    match repository {
        "truncated" => tar.truncate(3_000),
        _ => tar.resize(tar.len().next_multiple_of(512) + 1_024, 0),
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("memory");
    let mut gzip = gzip.finish().expect("memory");
    if repository == "corrupt" {
        let middle = gzip.len() / 2;
        gzip[middle..].fill(0xff);
    }
    gzip
}

fn image(layers: &[Vec<u8>]) -> Value {
    let repository = if layers.is_empty() { "layerless" } else { "any" };
    let config = serde_json::to_vec(&config(repository)).expect("JSON");
    let layers: Vec<Value> = layers
        .iter()
        .map(
            |bytes| json!({"mediaType": LAYER, "digest": Digest::of(bytes).to_string(), "size": bytes.len()}),
        )
        .collect();
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
        "config": {"mediaType": CONFIG, "digest": Digest::of(&config).to_string(), "size": config.len()},
    })
}

fn config(repository: &str) -> Value {
    let layers = if repository == "layerless" { 0 } else { 1 };
    let diff_ids: Vec<String> = (0..layers).map(|_| Digest::of(b"unknown").to_string()).collect();
    json!({"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
}

fn artifact(config_type: &str) -> Value {
    let chart = b"not an image";
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": config_type, "digest": Digest::of(b"{}").to_string(), "size": 2},
        "layers": [{"mediaType": "application/octet-stream", "digest": Digest::of(chart).to_string(), "size": chart.len()}],
    })
}
