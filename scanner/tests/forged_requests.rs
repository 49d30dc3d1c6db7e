//! A registry cannot make the scanner speak to the inside of a network: a listener there proves that nothing came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use axum::{body::Body, http::Response};
use breakwater_core::scan::{FailureReason, RegistryAccess};
use breakwater_scanner::registry::{Connection, Options, RegistryError};
use serde_json::json;
use support::*;

/// Spellings of addresses that are refused even where private ones are allowed, and that reach a listener on loopback all the same.
fn never_allowed(port: u16) -> Vec<String> {
    let hosts = ["0.0.0.0", "0", "0x0", "00.0", "[::]", "[::ffff:0.0.0.0]", "[64:ff9b::]", "0.0.0.0."];
    hosts.iter().map(|host| format!("http://{host}:{port}/x")).collect()
}

/// Addresses that no listener of a test can have.
const METADATA: [&str; 14] = [
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
];

/// Spellings of loopback, for where private addresses are not allowed.
fn loopback(port: u16) -> Vec<String> {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "1%327.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ];
    hosts.iter().map(|host| format!("http://{host}:{port}/x")).collect()
}

/// The ways in which a registry names another place, each with what asks it.
#[derive(Debug, Clone, Copy)]
enum Way {
    Redirect(u16),
    BlobRedirect,
    Realm,
    NextTags,
}

const WAYS: [Way; 8] = [
    Way::Redirect(301),
    Way::Redirect(302),
    Way::Redirect(303),
    Way::Redirect(307),
    Way::Redirect(308),
    Way::BlobRedirect,
    Way::Realm,
    Way::NextTags,
];

fn leading(way: Way, asked: &Asked, target: &str) -> Response<Body> {
    match way {
        Way::Redirect(status) => redirect_by(status, target),
        Way::BlobRedirect if asked.is_manifest() => ordinary(&small_image(), asked),
        Way::BlobRedirect => redirect(target),
        Way::Realm => bearer(target),
        Way::NextTags => {
            let mut page = answer(200, "application/json", json!({"tags": ["a"]}).to_string());
            page.headers_mut().insert("link", format!("<{target}>; rel=\"next\"").parse().unwrap());
            page
        }
    }
}

async fn ask(way: Way, options: Options, reference: &str) -> FailureReason {
    if matches!(way, Way::NextTags) {
        let repository = Connection::new(options).unwrap().repository(&reference.parse().unwrap()).unwrap();
        return repository.tags().await.unwrap_err().reason();
    }
    scan_with(options, reference).await.unwrap_err().failure().reason
}

fn expected(way: Way) -> FailureReason {
    // A list goes on at its own place or not at all.
    if matches!(way, Way::NextTags) { FailureReason::NotARegistry } else { FailureReason::AddressRefused }
}

#[tokio::test]
async fn addresses_that_are_never_allowed_are_not_connected_to() {
    let trap = Trap::set().await;
    let targets: Vec<String> =
        never_allowed(trap.port).into_iter().chain(METADATA.map(str::to_owned)).collect();
    for way in WAYS {
        for target in targets.clone() {
            let named = target.clone();
            let server = Server::start(move |asked| leading(way, asked, &named)).await;
            let reason = ask(way, options(), &server.reference()).await;
            assert_eq!(reason, expected(way), "{way:?} {target}");
        }
    }
    assert_eq!(trap.touched().await, 0);
}

/// A registry beyond a proxy: the only way for a test to have one that is not at a private address itself.
fn beyond_proxy(proxy: &Server) -> Options {
    let proxy = Some(format!("http://{}", proxy.address));
    Options { access: RegistryAccess { insecure: true, proxy, ..RegistryAccess::default() }, ..options() }
}

#[tokio::test]
async fn private_addresses_that_are_not_allowed_are_not_connected_to() {
    let trap = Trap::set().await;
    for way in WAYS {
        for target in loopback(trap.port) {
            let named = target.clone();
            let server = Server::start(move |asked| leading(way, asked, &named)).await;
            let reason = ask(way, beyond_proxy(&server), "registry.invalid/test/app:1").await;
            assert_eq!(reason, expected(way), "{way:?} {target}");
            let hosts = server.asked().into_iter().map(|asked| asked.headers["host"].clone());
            assert!(
                hosts.into_iter().all(|host| host == "registry.invalid"),
                "the proxy was asked for {target}"
            );
        }
    }
    assert_eq!(trap.touched().await, 0);
}

#[tokio::test]
async fn a_registry_at_such_an_address_is_refused_before_it_is_asked() {
    let trap = Trap::set().await;
    for host in ["127.0.0.1", "localhost", "127.0.0.1.nothing.invalid"] {
        let strict =
            Options { access: RegistryAccess { insecure: true, ..RegistryAccess::default() }, ..options() };
        let reason = scan_with(strict, &format!("{host}:{}/test/app:1", trap.port))
            .await
            .unwrap_err()
            .failure()
            .reason;
        let expected = if host.ends_with(".invalid") {
            FailureReason::HostUnknown
        } else {
            FailureReason::AddressRefused
        };
        assert_eq!(reason, expected, "{host}");
    }
    assert_eq!(trap.touched().await, 0);
}

#[tokio::test]
async fn the_proxys_own_host_is_no_way_in() {
    let trap = Trap::set().await;
    let server = Server::start(|_| status(500)).await;
    let named = format!("http://localhost:{}/x", trap.port);
    let proxy = Server::start(move |_| redirect(&named)).await;
    let mut options = beyond_proxy(&proxy);
    options.access.proxy = Some(format!("http://localhost:{}", proxy.address.port()));
    options.access.no_proxy = Some("127.0.0.1".into());
    let reason = scan_with(options, "registry.invalid/test/app:1").await.unwrap_err().failure().reason;
    assert_eq!(reason, FailureReason::AddressRefused);
    assert_eq!((trap.touched().await, server.asked().len(), proxy.asked().len()), (0, 0, 1));
}

#[tokio::test]
async fn what_a_foreign_layers_urls_name_is_not_asked() {
    let trap = Trap::set().await;
    let urls = json!([format!("http://127.0.0.1:{}/layer", trap.port)]);
    for (media_type, expected) in [
        (LAYER, None),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            Some(FailureReason::UnsupportedMediaType),
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            Some(FailureReason::UnsupportedMediaType),
        ),
    ] {
        let image = small_image();
        let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        manifest["layers"][0]["urls"] = urls.clone();
        manifest["layers"][0]["mediaType"] = media_type.into();
        let server = Server::of(Image { manifest: serde_json::to_vec(&manifest).unwrap(), ..image }).await;
        let reason = scan(&server).await.err().map(|error| error.failure().reason);
        assert_eq!(reason, expected, "{media_type}");
    }
    assert_eq!(trap.touched().await, 0);
}

#[tokio::test]
async fn only_http_is_spoken_and_only_where_it_is_allowed() {
    let trap = Trap::set().await;
    for target in [
        "file:///etc/passwd".to_owned(),
        format!("ftp://127.0.0.1:{}/", trap.port),
        format!("gopher://127.0.0.1:{}/", trap.port),
        format!("http://user:password@127.0.0.1:{}/", trap.port),
        "data:,x".to_owned(),
        "http://".to_owned(),
        "http://[::1".to_owned(),
    ] {
        for way in [Way::Redirect(302), Way::BlobRedirect, Way::Realm] {
            let named = target.clone();
            let server = Server::start(move |asked| leading(way, asked, &named)).await;
            let reason = ask(way, options(), &server.reference()).await;
            assert_eq!(reason, FailureReason::NotARegistry, "{way:?} {target}");
        }
    }
    // From https down to http.
    for way in [Way::Redirect(302), Way::BlobRedirect, Way::Realm] {
        let named = format!("http://127.0.0.1:{}/", trap.port);
        let inner = Server::start(move |asked| leading(way, asked, &named)).await;
        let (address, pem) = terminate_tls(inner.address).await;
        let mut secure = options();
        secure.access.insecure = false;
        secure.trust = secure.trust.and_pem(pem.as_bytes()).unwrap();
        let reason = ask(way, secure, &format!("localhost:{}/test/app:1", address.port())).await;
        assert_eq!(reason, FailureReason::NotARegistry, "{way:?}");
    }
    assert_eq!(trap.touched().await, 0);
}

#[tokio::test]
async fn a_redirect_without_a_place_is_no_answer() {
    for code in [300, 301, 304, 307, 399] {
        let server = Server::start(move |_| status(code)).await;
        let repository = Connection::new(options()).unwrap().repository(&server.reference().parse().unwrap());
        let error = repository.unwrap().manifest("1").await.unwrap_err();
        assert!(matches!(error, RegistryError::NotARegistry { .. }), "{code}: {error}");
    }
}
