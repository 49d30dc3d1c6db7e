//! Whatever a registry says its tags are, the list ends, is bounded, and is asked for at one place.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{body::Body, http::Response};
use breakwater_core::scan::FailureReason;
use breakwater_scanner::registry::{Connection, Options, RegistryError};
use serde_json::json;
use support::*;

async fn tags_with(options: Options, server: &Server) -> Result<Vec<String>, RegistryError> {
    let repository =
        Connection::new(options).unwrap().repository(&server.reference().parse().unwrap()).unwrap();
    repository.tags().await
}

async fn tags(server: &Server) -> Result<Vec<String>, RegistryError> {
    tags_with(options(), server).await
}

fn page(tags: &[String], next: Option<&str>) -> Response<Body> {
    let mut page = answer(200, "application/json", json!({"name": "test/app", "tags": tags}).to_string());
    if let Some(next) = next {
        page.headers_mut().insert("link", format!("<{next}>; rel=\"next\"").parse().unwrap());
    }
    page
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("v{n:05}")).collect()
}

#[tokio::test]
async fn pages_are_followed_to_the_end_with_the_credentials() {
    let server = Server::start(|asked| {
        if asked.authorization().is_none() {
            let mut challenge = status(401);
            challenge.headers_mut().insert("www-authenticate", "Basic realm=\"r\"".parse().unwrap());
            return challenge;
        }
        assert_eq!(asked.path, "/v2/test/app/tags/list");
        match asked.query.as_str() {
            "n=1000" => page(&names(0..3), Some("/v2/test/app/tags/list?last=v00002&n=1000")),
            "last=v00002&n=1000" => page(&names(3..5), Some("?last=v00004")),
            "last=v00004" => page(&[String::from("latest"), "not a tag".into(), "../x".into()], None),
            other => answer(400, "text/plain", other.to_owned()),
        }
    })
    .await;
    let found = tags_with(with_credentials(server.address), &server).await.unwrap();
    assert_eq!(found, ["latest", "v00000", "v00001", "v00002", "v00003", "v00004"]);
}

#[tokio::test]
async fn a_repository_without_tags_has_none() {
    for body in [json!({"name": "a", "tags": null}), json!({"name": "a"}), json!({"tags": []})] {
        let server = Server::start(move |_| answer(200, "application/json", body.to_string())).await;
        assert_eq!(tags(&server).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn refusals_have_their_reason() {
    for (code, reason) in
        [(404, FailureReason::NotFound), (401, FailureReason::Unauthorized), (403, FailureReason::Forbidden)]
    {
        let server = Server::start(move |_| status(code)).await;
        let error = tags(&server).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert!(error.to_string().contains("repository test/app"), "{error}");
    }
    for (media_type, body) in
        [("text/html", "<html>"), ("application/json", "<html>"), ("application/json", "[]")]
    {
        let server = Server::start(move |_| answer(200, media_type, body)).await;
        assert_eq!(tags(&server).await.unwrap_err().reason(), FailureReason::NotARegistry);
    }
}

#[tokio::test]
async fn a_list_that_goes_on_elsewhere_is_not_followed() {
    let elsewhere = Server::start(|_| page(&names(0..1), None)).await;
    let foreign = format!("http://{}/v2/test/app/tags/list?n=1", elsewhere.address);
    for link in
        [foreign.as_str(), "/v2/other/app/tags/list?n=1", "//elsewhere.test/v2/test/app/tags/list", "http://"]
    {
        let link = link.to_owned();
        let server = Server::start(move |_| page(&names(0..1), Some(&link))).await;
        let error = tags_with(with_credentials(server.address), &server).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::NotARegistry, "{error}");
        assert_eq!(server.asked().len(), 1);
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let same = Server::start(|_| page(&names(0..3), Some("/v2/test/app/tags/list?last=v00002"))).await;
    assert_eq!(tags(&same).await.unwrap_err().reason(), FailureReason::NotARegistry);
    assert_eq!(same.asked().len(), 2, "a page that brings nothing new is the last one asked for");

    let count = Arc::new(AtomicUsize::new(0));
    let new = Server::start(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst) * 1_000;
        page(&names(n..n + 1_000), Some(&format!("/v2/test/app/tags/list?last={n}")))
    })
    .await;
    let error = tags(&new).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::TooLarge);
    assert!(error.to_string().contains("10000"), "{error}");
    assert_eq!(new.asked().len(), 11);
}

#[tokio::test]
async fn a_huge_page_is_cut_off() {
    let server = Server::start(|_| answer(200, "application/json", vec![b' '; (4 << 20) + 1])).await;
    assert_eq!(tags(&server).await.unwrap_err().reason(), FailureReason::TooLarge);
}
