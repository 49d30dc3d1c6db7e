//! Small images and a registry that does as the test says.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test binary uses its part"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::HashMap,
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Response},
};
use breakwater_core::{Digest, Inventory, Platform, scan::RegistryAccess};
use breakwater_scanner::{
    ScanError,
    registry::{Connection, Credentials, Options, Pace, Trust},
};
use serde_json::{Value, json};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A tar of these entries; a path with `->` is a symbolic link, with `=>` a hard link.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        let link = path.split_once("->").map(|l| (l, tar::EntryType::Symlink));
        let link = link.or_else(|| path.split_once("=>").map(|l| (l, tar::EntryType::Link)));
        if let Some(((path, target), kind)) = link {
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, path, target).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// An image: its manifest, and everything its registry serves by digest.
#[derive(Clone)]
pub struct Image {
    pub manifest: Vec<u8>,
    pub blobs: HashMap<String, Vec<u8>>,
}

/// `layers`: uncompressed tar, and the bytes that stand for it in the registry.
pub fn image_of(layers: &[(Vec<u8>, Vec<u8>)], architecture: &str) -> Image {
    image_with(layers, architecture, &json!({"Env": ["CANARY=s3cr3t"]}), &json!([]))
}

/// The same, with this to run and this history.
pub fn image_with(
    layers: &[(Vec<u8>, Vec<u8>)],
    architecture: &str,
    execution: &Value,
    history: &Value,
) -> Image {
    let diff_ids: Vec<String> = layers.iter().map(|(tar, _)| Digest::of(tar).to_string()).collect();
    let config = json!({"architecture": architecture, "os": "linux", "config": execution,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history});
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config),
        "layers": layers.iter().map(|(_, blob)| descriptor(LAYER, blob)).collect::<Vec<_>>()});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let blobs = layers.iter().map(|(_, blob)| blob.clone()).chain([config, manifest.clone()]);
    Image { manifest, blobs: blobs.map(|blob| (Digest::of(&blob).to_string(), blob)).collect() }
}

pub fn image(tars: &[Vec<u8>]) -> Image {
    image_of(&tars.iter().map(|tar| (tar.clone(), gzip(tar))).collect::<Vec<_>>(), "amd64")
}

pub fn small_image() -> Image {
    image(&[tar(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=12\n"),
        (
            "var/lib/dpkg/status",
            b"Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n",
        ),
        ("bin/bash", b"\x7fELF"),
    ])])
}

/// A layer of about 400 KB that does not compress.
pub fn bulky_image() -> Image {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(400_000)
    .collect();
    image(&[tar(&[("noise", &noise), ("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.1\n")])])
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").and_then(|value| value.to_str().ok())
    }

    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }

    pub fn last(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }
}

type Behaviour = Arc<dyn Fn(&Asked) -> Response<Body> + Send + Sync>;

/// A server on loopback that remembers what it was asked.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(behaviour: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let behaviour: Behaviour = Arc::new(behaviour);
        let asked = server.asked.clone();
        let handler = move |request: Request| {
            let question = Asked {
                path: request.uri().path().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                headers: request.headers().clone(),
            };
            asked.lock().unwrap().push(question.clone());
            let answer = behaviour(&question);
            async move { answer }
        };
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        server
    }

    /// An ordinary registry of one image.
    pub async fn of(image: Image) -> Self {
        Self::start(move |asked| ordinary(&image, asked)).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn reference(&self) -> String {
        format!("{}/test/app:1", self.address)
    }
}

pub fn answer(status: u16, media_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap()
}

pub fn status(status: u16) -> Response<Body> {
    answer(status, "application/json", r#"{"errors":[]}"#)
}

pub fn redirect(location: &str) -> Response<Body> {
    redirect_by(307, location)
}

pub fn redirect_by(status: u16, location: &str) -> Response<Body> {
    Response::builder().status(status).header("location", location).body(Body::empty()).unwrap()
}

pub fn challenge(header: &str) -> Response<Body> {
    let mut answer = status(401);
    answer.headers_mut().insert("www-authenticate", header.parse().unwrap());
    answer
}

pub fn bearer(realm: &str) -> Response<Body> {
    challenge(&format!(r#"Bearer realm="{realm}",service="registry""#))
}

/// Answers as a registry should; ranges included.
pub fn ordinary(image: &Image, asked: &Asked) -> Response<Body> {
    if asked.is_manifest() && !asked.last().starts_with("sha256:") {
        return answer(200, MANIFEST, image.manifest.clone());
    }
    let Some(blob) = image.blobs.get(asked.last()) else { return status(404) };
    let media_type = if asked.is_manifest() { MANIFEST } else { "application/octet-stream" };
    let range = asked
        .headers
        .get("range")
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-'));
    match range.and_then(|from| from.parse::<usize>().ok()) {
        Some(from) => Response::builder()
            .status(206)
            .header("content-range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()))
            .body(Body::from(blob[from..].to_vec()))
            .unwrap(),
        None => answer(200, media_type, blob.clone()),
    }
}

/// `pieces`, `pause` apart; then the end, or (`cut`) a broken connection.
pub fn slowly(pieces: Vec<Vec<u8>>, pause: Duration, cut: bool) -> Body {
    let end = cut.then(|| Err(std::io::Error::other("cut")));
    let items: Vec<Result<Vec<u8>, std::io::Error>> = pieces.into_iter().map(Ok).chain(end).collect();
    Body::from_stream(futures::stream::unfold(items.into_iter(), move |mut items| async move {
        let item = items.next()?;
        tokio::time::sleep(pause).await;
        Some((item, items))
    }))
}

pub fn options() -> Options {
    Options {
        access: RegistryAccess { insecure: true, allow_private_addresses: true, ..RegistryAccess::default() },
        mirrors: Vec::new(),
        credentials: Credentials::none(),
        trust: Trust::nobody(),
        pace: Pace {
            window: Duration::from_millis(600),
            least: 64 << 10,
            answer: Duration::from_millis(1_500),
        },
    }
}

pub fn with_credentials(address: SocketAddr) -> Options {
    let file = json!({"auths": {address.to_string(): {"username": "user", "password": "canary"}}});
    Options { credentials: Credentials::parse(&serde_json::to_vec(&file).unwrap()).unwrap(), ..options() }
}

pub async fn scan_with(options: Options, reference: &str) -> Result<Vec<Inventory>, ScanError> {
    let connection = Connection::new(options).unwrap();
    breakwater_scanner::scan(
        &connection,
        &reference.parse().unwrap(),
        &[Platform::linux("amd64")],
        breakwater_scanner::ScanOptions::default(),
        &|_| {},
    )
    .await
}

pub async fn scan(server: &Server) -> Result<Vec<Inventory>, ScanError> {
    scan_with(options(), &server.reference()).await
}

/// A listener that nobody is to connect to, on both loopback addresses.
pub struct Trap {
    pub port: u16,
    touched: Arc<std::sync::atomic::AtomicUsize>,
}

impl Trap {
    pub async fn set() -> Self {
        let touched = Arc::<std::sync::atomic::AtomicUsize>::default();
        let first = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        // Machines without IPv6 have the one only.
        let second = tokio::net::TcpListener::bind(("::1", port)).await.ok();
        for listener in std::iter::once(first).chain(second) {
            let touched = touched.clone();
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    touched.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        Self { port, touched }
    }

    /// Connections so far. A connection that was begun is counted by then: the task that counts runs while this one waits.
    pub async fn touched(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.touched.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// A server that answers each request with these bytes, whatever they are, `pause` apart, and then closes (`hold`: never).
pub async fn raw(pieces: Vec<Vec<u8>>, pause: Duration, hold: bool) -> SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let _ = stream.read(&mut request).await;
                for piece in &pieces {
                    if stream.write_all(piece).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
                if hold {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        }
    });
    address
}

/// Puts TLS for `localhost` in front of a server; its address and its own certificate as PEM.
pub async fn terminate_tls(inner: SocketAddr) -> (SocketAddr, String) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = tokio::net::TcpStream::connect(inner).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (address, signed.cert.pem())
}
