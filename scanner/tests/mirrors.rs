//! Mirrors are asked first, each with what is its own; the registry is asked for what they do not give; proxies carry it all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use breakwater_core::scan::{Mirror, RegistryAccess};
use breakwater_scanner::registry::{Credentials, Options};
use serde_json::json;
use support::*;

fn mirrored(mirrors: &[&Server]) -> Options {
    let access = options().access;
    let mirror = |server: &&Server| Mirror { host: server.address.to_string(), access: access.clone() };
    Options { mirrors: mirrors.iter().map(mirror).collect(), ..options() }
}

#[tokio::test]
async fn a_mirror_that_has_it_serves_it_alone() {
    let (first, second) = (Server::of(small_image()).await, Server::of(small_image()).await);
    let registry = Server::of(small_image()).await;
    let inventories = scan_with(mirrored(&[&first, &second]), &registry.reference()).await.unwrap();
    assert_eq!(
        inventories[0].image.reference,
        registry.reference(),
        "it is the registry's image all the same"
    );
    assert!(!first.asked().is_empty() && second.asked().is_empty() && registry.asked().is_empty());
}

#[tokio::test]
async fn what_a_mirror_does_not_give_the_next_one_gives() {
    let lying = |asked: &Asked| {
        let image = small_image();
        if asked.is_manifest() {
            ordinary(&image, asked)
        } else {
            answer(200, "application/octet-stream", "lies")
        }
    };
    for (name, mirror) in [
        ("has nothing", Server::start(|_| status(404)).await),
        ("asks for credentials", Server::start(|_| challenge("Basic realm=\"m\"")).await),
        ("is no registry", Server::start(|_| answer(200, "text/html", "<html>")).await),
        (
            "limits",
            Server::start(|_| {
                let mut a = status(429);
                a.headers_mut().insert("retry-after", "600".parse().unwrap());
                a
            })
            .await,
        ),
        ("leads inside", Server::start(|_| redirect("http://169.254.169.254/")).await),
        ("lies about every blob", Server::start(lying).await),
    ] {
        let registry = Server::of(small_image()).await;
        let outcome = scan_with(mirrored(&[&mirror]), &registry.reference()).await;
        assert!(outcome.is_ok(), "{name}: {:?}", outcome.err());
        assert!(!mirror.asked().is_empty() && !registry.asked().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_mirror_cannot_pass_another_image_for_a_digest() {
    let (mirror, registry) = (Server::of(bulky_image()).await, Server::of(small_image()).await);
    let pinned =
        format!("{}/test/app@{}", registry.address, breakwater_core::Digest::of(&small_image().manifest));
    let forging = Server::start(|_| answer(200, MANIFEST, bulky_image().manifest)).await;
    let inventories = scan_with(mirrored(&[&forging, &mirror]), &pinned).await.unwrap();
    assert_eq!(inventories[0].image.digest, breakwater_core::Digest::of(&small_image().manifest));
    assert!(!forging.asked().is_empty() && !mirror.asked().is_empty());
}

#[tokio::test]
async fn a_layer_that_breaks_at_a_mirror_goes_on_at_the_registry() {
    let image = bulky_image();
    let serving = image.clone();
    let mirror = Server::start(move |asked| match serving.blobs.get(asked.last()) {
        Some(_) if asked.headers.contains_key("range") => status(404),
        Some(blob) if blob.len() > 100_000 => answer(
            200,
            "application/octet-stream",
            slowly(vec![blob[..100_000].to_vec()], Duration::ZERO, true),
        ),
        _ => ordinary(&serving, asked),
    })
    .await;
    let registry = Server::of(image).await;
    assert!(scan_with(mirrored(&[&mirror]), &registry.reference()).await.is_ok());
    let ranges: Vec<_> =
        registry.asked().iter().map(|asked| asked.headers.get("range").cloned().unwrap()).collect();
    assert_eq!(ranges, ["bytes=100000-"], "of all the image, the registry gave the rest of one layer");
}

#[tokio::test]
async fn each_host_gets_the_credentials_that_are_its_own() {
    let (mirror, registry) = (
        Server::start(|_| challenge("Basic realm=\"m\"")).await,
        Server::start(|_| challenge("Basic realm=\"r\"")).await,
    );
    let both = [(&mirror, "mirror"), (&registry, "registry")];
    let auths: serde_json::Map<_, _> = both
        .iter()
        .map(|(server, name)| (server.address.to_string(), json!({"username": name, "password": "p"})))
        .collect();
    for (file, told) in [
        (json!({"auths": auths}), [Some("Basic bWlycm9yOnA="), Some("Basic cmVnaXN0cnk6cA==")]),
        (
            json!({"auths": {registry.address.to_string(): auths[&registry.address.to_string()]}}),
            [None, Some("Basic cmVnaXN0cnk6cA==")],
        ),
    ] {
        let before = both.map(|(server, _)| server.asked().len());
        let credentials = Credentials::parse(file.to_string().as_bytes()).unwrap();
        let options = Options { credentials, ..mirrored(&[&mirror]) };
        assert!(scan_with(options, &registry.reference()).await.is_err());
        for (((server, name), before), told) in both.iter().zip(before).zip(told) {
            let heard: Vec<_> = server.asked()[before..]
                .iter()
                .filter_map(|asked| asked.authorization().map(str::to_owned))
                .collect();
            assert!(heard.iter().all(|heard| Some(heard.as_str()) == told), "{name}: {heard:?}");
            assert_eq!(heard.is_empty(), told.is_none(), "{name}");
        }
    }
}

#[tokio::test]
async fn each_host_is_spoken_to_by_its_own_rules() {
    let (mirror, registry) = (Server::of(small_image()).await, Server::of(small_image()).await);
    let strict = Mirror {
        host: mirror.address.to_string(),
        access: RegistryAccess { insecure: true, ..RegistryAccess::default() },
    };
    let options = Options { mirrors: vec![strict], ..options() };
    assert!(scan_with(options, &registry.reference()).await.is_ok());
    assert!(mirror.asked().is_empty(), "a mirror at a private address that is not allowed");
}

#[tokio::test]
async fn a_proxy_carries_what_is_not_excepted_from_it() {
    let image = small_image();
    let proxy = Server::of(image.clone()).await;
    let through = |no_proxy: Option<&str>| {
        let mut options = options();
        options.access.proxy = Some(format!("http://user:secret@{}", proxy.address));
        options.access.no_proxy = no_proxy.map(str::to_owned);
        options
    };
    assert!(scan_with(through(None), "registry.invalid/test/app:1").await.is_ok());
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.headers["host"] == "registry.invalid"
        && asked.headers["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQ="));
    for no_proxy in ["127.0.0.1", "127.0.0.0/8", "a.test,127.0.0.1", "*"] {
        let registry = Server::of(image.clone()).await;
        assert!(scan_with(through(Some(no_proxy)), &registry.reference()).await.is_ok(), "{no_proxy}");
        assert!(registry.asked().iter().all(|asked| !asked.headers.contains_key("proxy-authorization")));
    }
    let registry = Server::of(image).await;
    assert!(scan_with(through(Some("other.test")), &registry.reference()).await.is_ok());
    assert!(registry.asked().is_empty(), "the proxy answered in its stead");
}

#[tokio::test]
async fn tls_goes_through_a_proxy_end_to_end() {
    let inner = Server::of(small_image()).await;
    let (address, pem) = terminate_tls(inner.address).await;
    let proxy = tunnel().await;
    let mut options = options();
    options.access.insecure = false;
    options.access.proxy = Some(format!("http://{proxy}"));
    options.trust = options.trust.and_pem(pem.as_bytes()).unwrap();
    assert!(scan_with(options, &format!("localhost:{}/test/app:1", address.port())).await.is_ok());
    assert!(!inner.asked().is_empty());
}

/// A proxy that knows CONNECT alone.
async fn tunnel() -> std::net::SocketAddr {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(stream);
                let mut first = String::new();
                client.read_line(&mut first).await.unwrap();
                let target = first.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let mut line = String::new();
                while client.read_line(&mut line).await.unwrap() > 2 {
                    line.clear();
                }
                let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
