//! `breakwater db sync`, as the advisories Deployment runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop where they cannot go on"
)]
#![allow(clippy::disallowed_methods, reason = "tests measure how long things take")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use breakwater_advisories::Index;
use reqwest::StatusCode;
use sha2::{Digest, Sha256};

struct Server {
    child: Child,
    address: String,
    log: mpsc::Receiver<String>,
}

impl Server {
    fn start(source: &str, directory: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_breakwater"))
            .args(["db", "sync", "--listen", "127.0.0.1:0", "--interval", "1s", "--source", source, "--dir"])
            .arg(directory)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut server = Self { child, address: String::new(), log };
        let line: serde_json::Value = serde_json::from_str(&server.says("listening")).unwrap();
        server.address = line["fields"]["address"].as_str().unwrap().to_owned();
        server
    }

    /// Waits for a line of the log.
    fn says(&self, words: &str) -> String {
        let begun = Instant::now();
        let mut said = Vec::new();
        while let Ok(line) = self.log.recv_timeout(Duration::from_secs(20).saturating_sub(begun.elapsed())) {
            if line.contains(words) {
                return line;
            }
            said.push(line);
        }
        panic!("never said {words:?}: {said:#?}");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn terminate(mut self) -> Duration {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        begun.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(id: &str, package: &str) -> String {
    serde_json::json!({"id": id, "affected": [{"package": {"ecosystem": "npm", "name": package},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]})
    .to_string()
}

fn source_of(directory: &Path, records: usize) -> PathBuf {
    let source = directory.join("osv");
    std::fs::create_dir_all(&source).unwrap();
    for number in 0..records {
        std::fs::write(source.join(format!("{number}.json")), record(&format!("CVE-2024-{number}"), "a"))
            .unwrap();
    }
    source
}

fn revision(answer: &reqwest::Response) -> u64 {
    answer.headers()["x-breakwater-revision"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_advisories_are_numbered_upwards_and_handed_out_at_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let source = source_of(directory.path(), 40);
    let kept = directory.path().join("kept");
    let server = Server::start(source.to_str().unwrap(), &kept, &[]);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();

    let first = http.get(server.url("/v1/index?after=0&wait=20")).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let one = revision(&first);
    let announced = first.headers()["x-breakwater-sha256"].to_str().unwrap().to_owned();
    let body = first.bytes().await.unwrap();
    assert_eq!(hex::encode(Sha256::digest(&body)), announced);
    let file = directory.path().join("fetched");
    std::fs::write(&file, &body).unwrap();
    assert_eq!(Index::open(&file).unwrap().revision(), one);
    assert_eq!(http.get(server.url("/readyz")).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(http.get(server.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);

    // Nothing newer: at once without waiting, later with it.
    let none = http.get(server.url(&format!("/v1/index?after={one}&wait=0"))).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_MODIFIED);

    // A poll that waits gets the next one as soon as it is there.
    let poll = tokio::spawn(http.get(server.url(&format!("/v1/index?after={one}&wait=30"))).send());
    std::fs::write(source.join("new.json"), record("CVE-2025-1", "b")).unwrap();
    let second = poll.await.unwrap().unwrap();
    assert_eq!(second.status(), StatusCode::OK);
    let two = revision(&second);
    assert!(two > one, "{two} {one}");
    let exactly = http.get(server.url(&format!("/v1/index/{two}"))).send().await.unwrap();
    assert_eq!((exactly.status(), revision(&exactly)), (StatusCode::OK, two));

    // A source that lost a third is not believed, and the old index is served on.
    for number in 0..14 {
        std::fs::remove_file(source.join(format!("{number}.json"))).unwrap();
    }
    assert!(server.says("shrank").contains("npm: 41 to 27"));
    assert_eq!(http.get(server.url("/readyz")).send().await.unwrap().status(), StatusCode::OK);
    let still = http.get(server.url("/v1/index?after=0")).send().await.unwrap();
    assert_eq!(revision(&still), two);

    // A source that is gone neither.
    std::fs::rename(&source, directory.path().join("away")).unwrap();
    server.says("the old one stays");
    assert_eq!(revision(&http.get(server.url("/v1/index")).send().await.unwrap()), two);

    // An open poll does not hold up the end.
    let poll = tokio::spawn(http.get(server.url(&format!("/v1/index?after={two}&wait=30"))).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let took = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(poll.await.unwrap().is_ok_and(|answer| answer.status() == StatusCode::NOT_MODIFIED));

    // The next run serves the same at once, and counts on; `--force` takes what shrank.
    std::fs::rename(directory.path().join("away"), &source).unwrap();
    std::fs::write(source.join("another.json"), record("CVE-2025-2", "b")).unwrap();
    let server = Server::start(source.to_str().unwrap(), &kept, &["--force"]);
    let forced = http.get(server.url(&format!("/v1/index?after={two}&wait=20"))).send().await.unwrap();
    assert_eq!(forced.status(), StatusCode::OK);
    assert!(revision(&forced) > two);
    let indexes = std::fs::read_dir(&kept).unwrap().filter_map(Result::ok);
    let indexes = indexes.filter(|entry| entry.path().extension().is_some_and(|e| e == "index")).count();
    assert_eq!(indexes, 2);
}

/// A bulk export over HTTP, as OSV publishes it: conditional requests, an ecosystem we cannot order.
#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_export_is_fetched_again_only_when_it_changed() {
    use axum::{Router, http::HeaderMap, response::IntoResponse, routing::get};
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    let _ = rustls::crypto::ring::default_provider().install_default();
    let zip = |ids: &[&str]| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for id in ids {
            archive.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(record(id, "a").as_bytes()).unwrap();
        }
        archive.finish().unwrap().into_inner()
    };
    let body = Arc::new(Mutex::new(("\"1\"".to_owned(), zip(&["CVE-2024-1"]))));
    let sent = Arc::new(AtomicUsize::new(0));
    let (body_of, sent_of) = (Arc::clone(&body), Arc::clone(&sent));
    let routes = Router::new().route("/osv/ecosystems.txt", get(|| async { "npm\nLinux\n" })).route(
        "/osv/npm/all.zip",
        get(move |headers: HeaderMap| async move {
            let (etag, bytes) = body_of.lock().unwrap().clone();
            if headers.get("if-none-match").is_some_and(|known| known.to_str().unwrap() == etag) {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            sent_of.fetch_add(1, Ordering::SeqCst);
            ([("etag", etag)], bytes).into_response()
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("http://{}/osv", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());

    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&source, directory.path(), &[]);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let first = http.get(server.url("/v1/index?after=0&wait=20")).send().await.unwrap();
    let one = revision(&first);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(sent.load(Ordering::SeqCst), 1, "fetched again although nothing changed");
    *body.lock().unwrap() = ("\"2\"".to_owned(), zip(&["CVE-2024-1", "CVE-2024-2"]));
    let second = http.get(server.url(&format!("/v1/index?after={one}&wait=20"))).send().await.unwrap();
    assert!(revision(&second) > one);
    assert_eq!(sent.load(Ordering::SeqCst), 2);

    // A damaged archive is no new state of knowledge.
    *body.lock().unwrap() = ("\"3\"".to_owned(), b"PK nothing".to_vec());
    server.says("is not a whole zip archive");
    assert_eq!(http.get(server.url("/readyz")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_used_and_read_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let source = source_of(directory.path(), 1);
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let issue = || {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        std::fs::write(&certificate, issued.cert.pem()).unwrap();
        let trusted = reqwest::Certificate::from_pem(issued.cert.pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap()
    };
    let old = issue();
    let paths = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::start(source.to_str().unwrap(), &directory.path().join("kept"), &paths);
    let port = server.address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/v1/index?after=0&wait=20");
    assert_eq!(old.get(&url).send().await.unwrap().status(), StatusCode::OK);
    let new = issue();
    server.says("the certificate changed");
    assert_eq!(new.get(&url).send().await.unwrap().status(), StatusCode::OK);
}
