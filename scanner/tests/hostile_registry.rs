//! Whatever a registry does, a scan ends with a reason that people understand, and credentials stay where they belong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{body::Body, http::Response};
use breakwater_core::{
    Digest,
    scan::{FailureReason, ScanStage},
};
use breakwater_scanner::registry::{Options, Trust};
use serde_json::json;
use support::*;

async fn expect(server: &Server, stage: ScanStage, reason: FailureReason) -> String {
    let failure = scan(server).await.unwrap_err().failure();
    assert_eq!((failure.stage, failure.reason), (stage, reason), "{}", failure.message);
    assert!(!failure.message.is_empty() && failure.message.chars().count() <= 512);
    failure.message
}

fn is_layer(blob: &[u8]) -> bool {
    blob.starts_with(&[0x1f, 0x8b])
}

/// A registry whose manifest request is answered by `answer`.
async fn manifest_answers(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Server {
    Server::start(move |_| answer()).await
}

async fn manifest_is(manifest: serde_json::Value) -> Server {
    let image = small_image();
    let manifest = serde_json::to_vec(&manifest).unwrap();
    Server::of(Image { manifest, ..image }).await
}

/// A registry whose one layer consists of these bytes, whatever the tar should have been.
async fn layer_is(tar: Vec<u8>, blob: Vec<u8>) -> Server {
    Server::of(image_of(&[(tar, blob)], "amd64")).await
}

#[tokio::test]
async fn an_ordinary_image_is_read() {
    let inventories = scan(&Server::of(small_image()).await).await.unwrap();
    assert_eq!(inventories[0].packages[0].purl, "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12");
    assert_eq!(inventories[0].software[0].path, "/bin/bash");
    assert_eq!(inventories[0].config.env, ["CANARY"]);
}

#[tokio::test]
async fn refusals_by_status() {
    use FailureReason::*;
    for (code, reason) in [
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (429, RateLimited),
        (500, RegistryUnavailable),
        (503, RegistryUnavailable),
        (400, NotARegistry),
    ] {
        expect(&manifest_answers(move || status(code)).await, ScanStage::Resolve, reason).await;
    }
}

#[tokio::test]
async fn unknown_digests_and_missing_layers_are_not_found() {
    let server = Server::of(small_image()).await;
    let reference = format!("{}/test/app@{}", server.address, Digest::of(b"nobody"));
    let failure = scan_with(options(), &reference).await.unwrap_err().failure();
    assert_eq!(failure.reason, FailureReason::NotFound);
    let image = small_image();
    let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
        Some(blob) if is_layer(blob) => status(404),
        _ => ordinary(&image, asked),
    })
    .await;
    assert_eq!(scan(&server).await.unwrap_err().failure().reason, FailureReason::NotFound);
}

#[tokio::test]
async fn a_momentary_failure_is_tried_again_and_retry_after_is_reported() {
    let tries = AtomicUsize::new(0);
    let image = small_image();
    let server = Server::start(move |asked| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => status(503),
        1 => status(429),
        _ => ordinary(&image, asked),
    })
    .await;
    assert!(scan(&server).await.is_ok());

    let limited = || {
        let mut answer = status(429);
        answer.headers_mut().insert("retry-after", "3600".parse().unwrap());
        answer
    };
    let server = manifest_answers(limited).await;
    let failure = scan(&server).await.unwrap_err().failure();
    assert_eq!((failure.reason, failure.retry_after_seconds), (FailureReason::RateLimited, Some(3600)));
    assert_eq!(server.asked().len(), 1, "an hour is not waited for");
}

#[tokio::test]
async fn hosts_that_are_no_registry() {
    let page = || answer(200, "text/html; charset=utf-8", "<!doctype html><p>Welcome");
    expect(&manifest_answers(page).await, ScanStage::Resolve, FailureReason::NotARegistry).await;
    let unmarked = || answer(200, "application/octet-stream", "<html>");
    expect(&manifest_answers(unmarked).await, ScanStage::Resolve, FailureReason::NotARegistry).await;
    let text = || answer(200, MANIFEST, "welcome");
    expect(&manifest_answers(text).await, ScanStage::Resolve, FailureReason::ManifestInvalid).await;
}

#[tokio::test]
async fn hosts_that_are_not_there() {
    let unknown = scan_with(options(), "no-such-host.invalid/app").await.unwrap_err().failure();
    assert_eq!(unknown.reason, FailureReason::HostUnknown, "{}", unknown.message);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let closed = scan_with(options(), &format!("{address}/app")).await.unwrap_err().failure();
    assert_eq!(closed.reason, FailureReason::ConnectionFailed, "{}", closed.message);
}

#[tokio::test]
async fn certificates_that_nobody_vouches_for() {
    let server = Server::of(small_image()).await;
    let mut secure = options();
    secure.access.insecure = false;
    let plain = scan_with(secure.clone(), &server.reference()).await.unwrap_err().failure();
    assert_eq!(plain.reason, FailureReason::TlsFailed, "{}", plain.message);

    let (address, pem) = terminate_tls(Server::of(small_image()).await.address).await;
    let reference = format!("localhost:{}/test/app:1", address.port());
    let unknown = scan_with(secure.clone(), &reference).await.unwrap_err().failure();
    assert_eq!(unknown.reason, FailureReason::TlsFailed, "{}", unknown.message);
    let trusting = Options { trust: Trust::nobody().and_pem(pem.as_bytes()).unwrap(), ..secure };
    assert!(scan_with(trusting, &reference).await.is_ok());
}

#[tokio::test]
async fn inside_addresses_are_refused_by_name_literal_redirect_and_realm() {
    let server = Server::of(small_image()).await;
    let mut strict = options();
    strict.access.allow_private_addresses = false;
    for host in ["127.0.0.1", "localhost"] {
        let reference = format!("{host}:{}/test/app:1", server.address.port());
        let failure = scan_with(strict.clone(), &reference).await.unwrap_err().failure();
        assert_eq!(failure.reason, FailureReason::AddressRefused, "{}", failure.message);
    }
    assert!(server.asked().is_empty(), "nothing went out");

    let redirecting = manifest_answers(|| redirect("http://169.254.169.254/latest/meta-data")).await;
    expect(&redirecting, ScanStage::Resolve, FailureReason::AddressRefused).await;
    let realm = manifest_answers(|| bearer("http://[fd00:ec2::254]/token")).await;
    expect(&realm, ScanStage::Resolve, FailureReason::AddressRefused).await;
}

#[tokio::test]
async fn redirects_end() {
    let server = manifest_answers(|| redirect("/v2/test/app/manifests/1")).await;
    expect(&server, ScanStage::Resolve, FailureReason::NotARegistry).await;
    assert_eq!(server.asked().len(), 6);
    let file = manifest_answers(|| redirect("file:///etc/passwd")).await;
    expect(&file, ScanStage::Resolve, FailureReason::NotARegistry).await;
}

#[tokio::test]
async fn bearer_tokens_are_fetched_for_pulling_and_used() {
    let image = small_image();
    let tokens = Server::start(|asked| match asked.authorization() {
        Some("Basic dXNlcjpjYW5hcnk=") => answer(200, "application/json", r#"{"token":"granted"}"#),
        _ => status(401),
    })
    .await;
    let realm = format!("http://{}/token", tokens.address);
    let server = Server::start(move |asked| match asked.authorization() {
        Some("Bearer granted") => ordinary(&image, asked),
        _ => bearer(&realm),
    })
    .await;
    assert!(scan_with(with_credentials(server.address), &server.reference()).await.is_ok());
    assert_eq!(tokens.asked().len(), 1, "one token serves the whole image");
    assert!(tokens.asked()[0].query.contains("scope=repository%3Atest%2Fapp%3Apull"));
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.authorization().is_none_or(|value| value == "Bearer granted"))
    );

    let anonymous = expect(&server, ScanStage::Resolve, FailureReason::Unauthorized).await;
    assert!(anonymous.contains("credentials"), "{anonymous}");
}

#[tokio::test]
async fn an_endless_token_is_cut() {
    let tokens = Server::start(|_| answer(200, "application/json", vec![b' '; 1 << 20])).await;
    let realm = format!("http://{}/token", tokens.address);
    let server = manifest_answers(move || bearer(&realm)).await;
    expect(&server, ScanStage::Resolve, FailureReason::TooLarge).await;
}

#[tokio::test]
async fn basic_credentials_stay_with_the_registry() {
    let image = small_image();
    let store = Server::of(image.clone()).await;
    let elsewhere = store.address;
    let server = Server::start(move |asked| match asked.authorization() {
        Some("Basic dXNlcjpjYW5hcnk=") if asked.is_manifest() => ordinary(&image, asked),
        Some("Basic dXNlcjpjYW5hcnk=") => redirect(&format!("http://{elsewhere}{}", asked.path)),
        _ => {
            let mut answer = status(401);
            answer.headers_mut().insert("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
            answer
        }
    })
    .await;
    assert!(scan_with(with_credentials(server.address), &server.reference()).await.is_ok());
    assert_eq!(store.asked().len(), 2 + 1, "configuration twice, the layer once");
    assert!(
        store
            .asked()
            .iter()
            .all(|asked| asked.authorization().is_none() && !format!("{asked:?}").contains("canary"))
    );

    // Another host asks for credentials after a redirect: it gets none.
    let thief = Server::start(|_| {
        let mut answer = status(401);
        answer.headers_mut().insert("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
        answer
    })
    .await;
    let address = thief.address;
    let server = Server::start(move |asked| redirect(&format!("http://{address}{}", asked.path))).await;
    let failure =
        scan_with(with_credentials(server.address), &server.reference()).await.unwrap_err().failure();
    assert_eq!(failure.reason, FailureReason::Unauthorized);
    assert!(!thief.asked().is_empty() && thief.asked().iter().all(|asked| asked.authorization().is_none()));
    assert!(!failure.message.contains("canary"));
}

#[tokio::test]
async fn manifests_are_bounded_and_checked() {
    let large = || answer(200, MANIFEST, vec![b' '; 100 << 20]);
    expect(&manifest_answers(large).await, ScanStage::Resolve, FailureReason::TooLarge).await;
    let endless = || answer(200, MANIFEST, slowly(vec![vec![b' '; 1 << 20]; 100], Duration::ZERO, false));
    expect(&manifest_answers(endless).await, ScanStage::Resolve, FailureReason::TooLarge).await;

    let server = Server::start(|_| answer(200, MANIFEST, "{}")).await;
    let reference = format!("{}/test/app@{}", server.address, Digest::of(b"another"));
    let failure = scan_with(options(), &reference).await.unwrap_err().failure();
    assert_eq!(failure.reason, FailureReason::DigestMismatch);
}

#[tokio::test]
async fn what_is_no_image_and_what_is_not_read() {
    use FailureReason::*;
    let image = |config: &str, layers: Vec<serde_json::Value>| json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config, b"{}"), "layers": layers});
    for (manifest, reason) in [
        (image(CONFIG, vec![]), ManifestInvalid),
        (
            image(
                "application/vnd.cncf.helm.config.v1+json",
                vec![descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x")],
            ),
            NotAnImage,
        ),
        (
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/spdx+json",
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": [descriptor("application/spdx+json", b"{}")]}),
            NotAnImage,
        ),
        (
            image(CONFIG, vec![descriptor("application/vnd.oci.image.layer.v1.tar+lz4", b"x")]),
            UnsupportedMediaType,
        ),
        (
            image(
                CONFIG,
                vec![descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"x")],
            ),
            UnsupportedMediaType,
        ),
        (
            json!({"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": []}),
            UnsupportedMediaType,
        ),
        (json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}), PlatformMissing),
    ] {
        expect(&manifest_is(manifest).await, ScanStage::Resolve, reason).await;
    }
    let arm = Server::of(image_of(&[(tar(&[]), gzip(&tar(&[])))], "arm64")).await;
    expect(&arm, ScanStage::Resolve, PlatformMissing).await;
}

#[tokio::test]
async fn an_index_leads_to_the_platform_and_never_in_circles() {
    let image = small_image();
    let entry = |architecture: &str, media_type: &str| {
        let mut entry = descriptor(media_type, &image.manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry("arm64", MANIFEST), entry("amd64", MANIFEST)]});
    let server = Server::of(Image { manifest: serde_json::to_vec(&index).unwrap(), ..image.clone() }).await;
    assert_eq!(scan(&server).await.unwrap()[0].image.digest, Digest::of(&image.manifest));

    // An index that claims to be a manifest of the platform.
    let inner = serde_json::to_vec(&index).unwrap();
    let mut pointer = descriptor(MANIFEST, &inner);
    pointer["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let outer = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [pointer]});
    let mut circular = Image { manifest: serde_json::to_vec(&outer).unwrap(), ..image };
    circular.blobs.insert(Digest::of(&inner).to_string(), inner);
    expect(&Server::of(circular).await, ScanStage::Resolve, FailureReason::ManifestInvalid).await;
}

#[tokio::test]
async fn layers_that_are_broken() {
    use FailureReason::*;
    let good = tar(&[("a", &[7; 4000]), ("b", &[8; 4000])]);
    let mut corrupt = gzip(&good);
    let middle = corrupt.len() / 2;
    corrupt[middle..].fill(0xff);
    expect(&layer_is(good.clone(), corrupt).await, ScanStage::Analyse, LayerCorrupt).await;
    let mut short = gzip(&good);
    short.truncate(short.len() / 2);
    expect(&layer_is(good.clone(), short).await, ScanStage::Analyse, LayerCorrupt).await;
    let truncated = good[..5000].to_vec();
    expect(&layer_is(truncated.clone(), gzip(&truncated)).await, ScanStage::Analyse, LayerCorrupt).await;
    let rubbish = b"BZh91AY&SY and so on".repeat(100);
    expect(&layer_is(rubbish.clone(), rubbish).await, ScanStage::Analyse, LayerCorrupt).await;
    // Bytes that are fine but are not those of the configuration.
    expect(&layer_is(tar(&[("c", b"")]), gzip(&good)).await, ScanStage::Analyse, DigestMismatch).await;
}

#[tokio::test]
async fn layers_that_are_not_what_their_digest_names() {
    let image = small_image();
    let serving = image.clone();
    let server = Server::start(move |asked| match serving.blobs.get(asked.last()) {
        Some(blob) if is_layer(blob) => {
            let wrong: Vec<u8> = blob.iter().map(|byte| byte ^ 1).collect();
            answer(200, "application/octet-stream", wrong)
        }
        _ => ordinary(&serving, asked),
    })
    .await;
    expect(&server, ScanStage::Analyse, FailureReason::DigestMismatch).await;
    // A layer that goes on beyond its stated size.
    let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
        Some(blob) if is_layer(blob) => {
            answer(200, "application/octet-stream", [blob.as_slice(), &[0; 9]].concat())
        }
        _ => ordinary(&image, asked),
    })
    .await;
    assert_eq!(scan(&server).await.unwrap_err().failure().reason, FailureReason::DigestMismatch);
}
