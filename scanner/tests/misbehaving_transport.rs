//! Answers that are slow, endless or not what HTTP is: each ends in time, in bounded memory, with its reason.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{net::SocketAddr, time::Duration};

use axum::{body::Body, http::Response};
use breakwater_core::scan::FailureReason::{self, *};
use breakwater_scanner::registry::{Connection, RegistryError};
use support::*;

async fn manifest_of(address: SocketAddr) -> RegistryError {
    let reference = format!("{address}/test/app:1").parse().unwrap();
    let connection = Connection::new(options()).unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        connection.repository(&reference).unwrap().manifest("1").await
    });
    asked.await.unwrap().unwrap_err()
}

fn bytes(text: &str) -> Vec<Vec<u8>> {
    text.bytes().map(|byte| vec![byte]).collect()
}

/// Its name, its pieces, the pause between them, whether the connection is held afterwards, and the reason it ends with.
type Answer = (&'static str, Vec<Vec<u8>>, Duration, bool, FailureReason);

#[tokio::test]
async fn bytes_that_are_no_good_answer() {
    let slow = Duration::from_millis(60);
    let once = |text: String| vec![text.into_bytes()];
    let many: String = (0..5_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let table: Vec<Answer> = vec![
        ("headers byte by byte", bytes(&"HTTP/1.1 200 OK\r\nx: y\r\n".repeat(3)), slow, true, TimedOut),
        ("silence", vec![], slow, true, TimedOut),
        (
            "an endless informational answer",
            vec![b"HTTP/1.1 102 Processing\r\n\r\n".to_vec(); 60],
            slow,
            true,
            TimedOut,
        ),
        ("closed at once", vec![], Duration::ZERO, false, ConnectionFailed),
        ("another protocol", once("SSH-2.0-OpenSSH_9.9\r\n".into()), Duration::ZERO, false, NotARegistry),
        ("no status", once("HTTP/1.1 ABC\r\n\r\n".into()), Duration::ZERO, false, NotARegistry),
        (
            "5,000 headers",
            once(format!("HTTP/1.1 200 OK\r\n{many}\r\n")),
            Duration::ZERO,
            false,
            NotARegistry,
        ),
        (
            "a header of 8 MB",
            once(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(8 << 20))),
            Duration::ZERO,
            false,
            NotARegistry,
        ),
        (
            "a length below zero",
            once("HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}".into()),
            Duration::ZERO,
            false,
            NotARegistry,
        ),
        (
            "two lengths",
            once("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".into()),
            Duration::ZERO,
            false,
            NotARegistry,
        ),
        (
            "a length beyond all bounds",
            once(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX - 5)),
            Duration::ZERO,
            true,
            TooLarge,
        ),
        (
            "a length that is not kept",
            once("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}".into()),
            Duration::ZERO,
            false,
            ConnectionFailed,
        ),
        (
            "a chunk that is not kept",
            once("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\n{}".into()),
            Duration::ZERO,
            false,
            ConnectionFailed,
        ),
        (
            "a body byte by byte",
            [vec![b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n".to_vec()], bytes(&" ".repeat(40))]
                .concat(),
            slow,
            true,
            TimedOut,
        ),
    ];
    for (name, pieces, pause, hold, reason) in table {
        let error = manifest_of(raw(pieces, pause, hold).await).await;
        assert_eq!(error.reason(), reason, "{name}: {error}");
    }
}

fn endless() -> Body {
    Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])))
}

#[tokio::test]
async fn bodies_without_end() {
    for (status, reason) in [
        (200, TooLarge),
        (401, Unauthorized),
        (404, NotFound),
        (400, NotARegistry),
        (503, RegistryUnavailable),
    ] {
        let server = Server::start(move |_| answer(status, MANIFEST, endless())).await;
        assert_eq!(manifest_of(server.address).await.reason(), reason, "{status}");
    }
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/token" => answer(200, "application/json", endless()),
        _ => bearer(&format!("http://{}/token", asked.headers["host"].to_str().unwrap())),
    })
    .await;
    assert_eq!(manifest_of(server.address).await.reason(), TooLarge);
    let server = Server::start(|_| answer(200, "application/json", endless())).await;
    let repository =
        Connection::new(options()).unwrap().repository(&server.reference().parse().unwrap()).unwrap();
    assert_eq!(repository.tags().await.unwrap_err().reason(), TooLarge);
    // The layer and the configuration have a stated size and a bound.
    let image = small_image();
    let server = Server::start(move |asked| {
        if asked.is_manifest() {
            ordinary(&image, asked)
        } else {
            answer(200, "application/octet-stream", endless())
        }
    })
    .await;
    assert_eq!(scan(&server).await.unwrap_err().failure().reason, TooLarge);
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_not_undone() {
    let bomb = gzip(&gzip(&vec![b' '; 64 << 20]));
    assert!(bomb.len() < 4 << 20);
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let bytes = bomb.clone();
        let server = Server::start(move |asked| {
            assert_eq!(asked.headers["accept-encoding"], "identity");
            let mut answer = answer(200, MANIFEST, bytes.clone());
            answer.headers_mut().insert("content-encoding", encoding.parse().unwrap());
            answer
        })
        .await;
        assert_eq!(scan(&server).await.unwrap_err().failure().reason, ManifestInvalid, "{encoding}");
    }
}

fn refusing(
    code: u16,
    retry_after: &'static str,
) -> impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static {
    move |_| {
        let mut answer = status(code);
        answer.headers_mut().insert("date", "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        answer.headers_mut().insert("retry-after", retry_after.parse().unwrap());
        answer
    }
}

#[tokio::test]
async fn retry_after_is_reported_and_waited_for_within_reason() {
    for (code, retry_after, seconds, requests) in [
        (429, "3600", Some(3_600), 1),
        (503, "3600", Some(3_600), 1),
        (429, "99999999999999999999", Some(86_400), 1),
        (429, "Sun, 06 Nov 1994 09:49:37 GMT", Some(3_600), 1),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400), 1),
        (429, "0", Some(0), 3),
        (429, "-1", None, 3),
        (503, "eventually", None, 3),
    ] {
        let server = Server::start(refusing(code, retry_after)).await;
        let error = manifest_of(server.address).await;
        assert_eq!(error.reason(), if code == 429 { RateLimited } else { RegistryUnavailable });
        assert_eq!(error.retry_after_seconds(), seconds, "{code} {retry_after}");
        assert_eq!(server.asked().len(), requests, "{code} {retry_after}");
    }
}
