//! Layers that break off and are taken up again, and registries that lie about which part they send.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{body::Body, http::Response};
use breakwater_core::scan::{FailureReason, ScanStage};
use support::*;

#[tokio::test]
async fn a_cut_layer_is_taken_up_where_it_broke() {
    let image = bulky_image();
    let cuts = AtomicUsize::new(0);
    let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
        Some(blob) if blob.len() > 100_000 && cuts.fetch_add(1, Ordering::SeqCst) < 2 => {
            let whole = ordinary(&image, asked);
            let from = whole.headers().get("content-range").map_or(0, |_| 100_000);
            let part = blob[from..from + 100_000].to_vec();
            let (parts, _) = whole.into_parts();
            let mut answer = Response::from_parts(parts, slowly(vec![part], Duration::ZERO, true));
            answer.headers_mut().remove("content-length");
            answer
        }
        _ => ordinary(&image, asked),
    })
    .await;
    let inventories = scan(&server).await.unwrap();
    assert_eq!(inventories[0].os.as_ref().unwrap().id, "alpine");
    let ranges: Vec<_> =
        server.asked().iter().filter_map(|asked| asked.headers.get("range").cloned()).collect();
    assert_eq!(ranges, ["bytes=100000-", "bytes=200000-"]);
}

#[tokio::test]
async fn a_connection_that_always_breaks_and_one_that_crawls() {
    for (cut, reason) in [(true, FailureReason::ConnectionFailed), (false, FailureReason::TimedOut)] {
        let image = bulky_image();
        let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
            Some(blob) if blob.len() > 100_000 => {
                let pause = if cut { Duration::ZERO } else { Duration::from_millis(50) };
                answer(
                    200,
                    "application/octet-stream",
                    slowly(blob[..10_000].chunks(100).map(<[u8]>::to_vec).collect(), pause, cut),
                )
            }
            _ => ordinary(&image, asked),
        })
        .await;
        let failure = scan(&server).await.unwrap_err().failure();
        assert_eq!((failure.stage, failure.reason), (ScanStage::Pull, reason), "{}", failure.message);
    }
}

/// A part of the layer, with a `Content-Range` of the test's own.
fn part(bytes: &[u8], range: Option<&str>) -> Response<Body> {
    let mut answer = answer(206, "application/octet-stream", bytes.to_vec());
    if let Some(range) = range {
        answer.headers_mut().insert("content-range", range.parse().unwrap());
    }
    answer
}

type Resumed = fn(&[u8]) -> Response<Body>;

#[tokio::test]
async fn the_second_part_is_what_was_asked_for_or_is_refused() {
    use FailureReason::*;
    const AT: usize = 100_000;
    let table: Vec<(&str, Option<FailureReason>, Resumed)> = vec![
        ("the rest", None, |blob| {
            part(&blob[AT..], Some(&format!("bytes {AT}-{}/{}", blob.len() - 1, blob.len())))
        }),
        ("the rest of what has no stated size", None, |blob| {
            part(&blob[AT..], Some(&format!("bytes {AT}-{}/*", blob.len() - 1)))
        }),
        ("all, as a registry without ranges does it", None, |blob| {
            answer(200, "application/octet-stream", blob.to_vec())
        }),
        ("an earlier part, and said so", None, |blob| {
            part(&blob[AT - 500..], Some(&format!("bytes {}-{}/{}", AT - 500, blob.len() - 1, blob.len())))
        }),
        ("a short part, and the rest when asked again", None, |blob| {
            part(&blob[AT..AT + 9], Some(&format!("bytes {AT}-{}/{}", AT + 8, blob.len())))
        }),
        ("an earlier part, not said", Some(DigestMismatch), |blob| {
            part(&blob[AT - 500..], Some(&format!("bytes {AT}-{}/{}", blob.len() - 1, blob.len())))
        }),
        ("a later part", Some(NotARegistry), |blob| {
            part(&blob[AT + 1..], Some(&format!("bytes {}-{}/{}", AT + 1, blob.len() - 1, blob.len())))
        }),
        ("another size", Some(NotARegistry), |blob| {
            part(&blob[AT..], Some(&format!("bytes {AT}-{}/{}", blob.len() - 1, blob.len() + 5)))
        }),
        ("beyond the end", Some(NotARegistry), |blob| {
            part(&blob[AT..], Some(&format!("bytes {AT}-{}/{}", blob.len(), blob.len())))
        }),
        ("no range", Some(NotARegistry), |blob| part(&blob[AT..], None)),
        ("a range without sense", Some(NotARegistry), |blob| part(&blob[AT..], Some("bytes a-b/c"))),
        ("another unit", Some(NotARegistry), |blob| {
            part(&blob[AT..], Some(&format!("items {AT}-{}/{}", blob.len() - 1, blob.len())))
        }),
        ("more than there is", Some(DigestMismatch), |blob| {
            part(
                &[&blob[AT..], b"more"].concat(),
                Some(&format!("bytes {AT}-{}/{}", blob.len() - 1, blob.len())),
            )
        }),
        ("other bytes", Some(DigestMismatch), |blob| {
            part(&vec![0; blob.len() - AT], Some(&format!("bytes {AT}-{}/{}", blob.len() - 1, blob.len())))
        }),
        ("unsatisfiable", Some(NotARegistry), |_| status(416)),
        ("gone", Some(NotFound), |_| status(404)),
    ];
    for (name, expected, resumed) in table {
        let image = bulky_image();
        let requests = AtomicUsize::new(0);
        let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
            Some(blob) if blob.len() > AT => match requests.fetch_add(1, Ordering::SeqCst) {
                0 => answer(
                    200,
                    "application/octet-stream",
                    slowly(vec![blob[..AT].to_vec()], Duration::ZERO, true),
                ),
                1 => {
                    assert_eq!(asked.headers["range"], format!("bytes={AT}-"));
                    resumed(blob)
                }
                _ => ordinary(&image, asked),
            },
            _ => ordinary(&image, asked),
        })
        .await;
        let reason = scan(&server).await.err().map(|error| error.failure().reason);
        assert_eq!(reason, expected, "{name}");
    }
}

#[tokio::test]
async fn a_range_that_nobody_asked_for_is_checked_too() {
    for (range, expected) in
        [("bytes 0-{last}/{size}", None), ("bytes 1-{last}/{size}", Some(FailureReason::NotARegistry))]
    {
        let image = bulky_image();
        let server = Server::start(move |asked| match image.blobs.get(asked.last()) {
            Some(blob) if blob.len() > 100_000 => {
                let range = range.replace("{last}", &(blob.len() - 1).to_string());
                part(blob, Some(&range.replace("{size}", &blob.len().to_string())))
            }
            _ => ordinary(&image, asked),
        })
        .await;
        assert_eq!(scan(&server).await.err().map(|error| error.failure().reason), expected, "{range}");
    }
}
