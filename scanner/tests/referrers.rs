//! What refers to an image is listed, by either way that registries have, and within bounds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use axum::{body::Body, http::Response};
use breakwater_core::{Digest, scan::FailureReason};
use breakwater_scanner::{
    limits::MAX_REFERRERS,
    registry::{Connection, Referrer, RegistryError},
};
use serde_json::{Value, json};
use support::*;

const SPDX: &str = "application/spdx+json";

async fn referrers(server: &Server) -> Result<Vec<Referrer>, RegistryError> {
    let repository =
        Connection::new(options()).unwrap().repository(&server.reference().parse().unwrap()).unwrap();
    repository.referrers(&Digest::of(b"image")).await
}

fn index(manifests: Vec<Value>) -> Response<Body> {
    answer(200, INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string())
}

fn sbom(of: &str) -> Value {
    let mut entry = descriptor(MANIFEST, of.as_bytes());
    entry["artifactType"] = SPDX.into();
    entry
}

fn names(found: &[Referrer]) -> Vec<(&str, u64)> {
    found.iter().map(|referrer| (referrer.artifact_type.as_str(), referrer.size)).collect()
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let server = Server::start(|asked| match (asked.path.as_str(), asked.query.as_str()) {
        (path, "") if path == format!("/v2/test/app/referrers/{}", Digest::of(b"image")) => {
            let mut page = index(vec![sbom("first"), descriptor("application/x\u{1b}[31m", b"plain")]);
            page.headers_mut().insert("link", "<?page=2>; rel=\"next\"".parse().unwrap());
            page
        }
        (_, "page=2") => index(vec![sbom("first"), sbom("second")]),
        _ => status(404),
    })
    .await;
    let mut found = referrers(&server).await.unwrap();
    found.sort_by_key(|referrer| (!referrer.artifact_type.starts_with("application/x"), referrer.size));
    assert_eq!(found.len(), 3, "one is listed twice");
    assert!(!found[0].artifact_type.contains('\u{1b}'));
    assert_eq!(names(&found)[1..], [(SPDX, 5), (SPDX, 6)]);
}

#[tokio::test]
async fn registries_without_the_list_keep_it_under_a_tag() {
    let tag = Digest::of(b"image").to_string().replace(':', "-");
    for refusal in [404, 400, 405] {
        let tag = tag.clone();
        let server = Server::start(move |asked| {
            if asked.is_manifest() && asked.last() == tag {
                index(vec![sbom("one")])
            } else {
                status(refusal)
            }
        })
        .await;
        assert_eq!(names(&referrers(&server).await.unwrap()), [(SPDX, 3)], "{refusal}");
    }
    assert_eq!(referrers(&Server::start(|_| status(404)).await).await.unwrap(), []);
    // An image that somebody tagged so is no list.
    let image = small_image();
    let server =
        Server::start(move |asked| if asked.is_manifest() { ordinary(&image, asked) } else { status(404) })
            .await;
    assert_eq!(referrers(&server).await.unwrap(), []);
}

#[tokio::test]
async fn refusals_and_endless_lists_have_their_reason_and_their_end() {
    for (code, reason) in [
        (401, FailureReason::Unauthorized),
        (403, FailureReason::Forbidden),
        (500, FailureReason::RegistryUnavailable),
    ] {
        assert_eq!(
            referrers(&Server::start(move |_| status(code)).await).await.unwrap_err().reason(),
            reason
        );
    }
    let large = Server::start(|_| answer(200, INDEX, vec![b' '; (4 << 20) + 1])).await;
    assert_eq!(referrers(&large).await.unwrap_err().reason(), FailureReason::TooLarge);

    let endless = Server::start(|asked| {
        let n: usize = asked.query.strip_prefix("page=").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut page = index((0..30).map(|entry| sbom(&format!("{n} {entry}"))).collect());
        page.headers_mut().insert("link", format!("<?page={}>; rel=\"next\"", n + 1).parse().unwrap());
        page
    })
    .await;
    assert_eq!(referrers(&endless).await.unwrap().len(), MAX_REFERRERS);
    assert!(endless.asked().len() <= 10, "{}", endless.asked().len());

    let elsewhere = Trap::set().await;
    let target = format!("http://127.0.0.1:{}/v2/test/app/referrers/x", elsewhere.port);
    let leading = Server::start(move |_| {
        let mut page = index(vec![sbom("one")]);
        page.headers_mut().insert("link", format!("<{target}>; rel=\"next\"").parse().unwrap());
        page
    })
    .await;
    assert!(referrers(&leading).await.is_ok_and(|found| found.len() == 1), "what is under the tag counts");
    assert_eq!(elsewhere.touched().await, 0);
}
