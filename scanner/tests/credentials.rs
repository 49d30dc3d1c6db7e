//! Credentials are seen by the registry they are for, and by nobody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use breakwater_core::scan::FailureReason;
use breakwater_scanner::registry::{Credentials, Options};
use serde_json::json;
use support::*;

const BASIC: &str = "Basic dXNlcjpjYW5hcnk=";

/// Whether a server was told any secret, in whatever disguise.
fn was_told(server: &Server) -> bool {
    server.asked().iter().any(|asked| {
        let seen = format!("{asked:?}");
        ["canary", "dXNlcjpjYW5hcnk", "granted"].iter().any(|secret| seen.contains(secret))
            || asked.headers.contains_key("authorization")
    })
}

async fn thief() -> Server {
    Server::start(|asked| match asked.query.as_str() {
        "token" => answer(200, "application/json", r#"{"token":"stolen"}"#),
        _ => challenge("Basic realm=\"give\""),
    })
    .await
}

#[tokio::test]
async fn a_redirect_leaves_them_behind() {
    for code in [301, 302, 303, 307, 308] {
        for spelling in ["127.0.0.1", "localhost", "127.1"] {
            let thief = thief().await;
            let target = format!("http://{spelling}:{}", thief.address.port());
            let server = Server::start(move |asked| match asked.authorization() {
                Some(BASIC) => redirect_by(code, &format!("{target}{}", asked.path)),
                _ => challenge("Basic realm=\"x\""),
            })
            .await;
            let failure =
                scan_with(with_credentials(server.address), &server.reference()).await.unwrap_err().failure();
            assert_eq!(failure.reason, FailureReason::Unauthorized, "{code} {spelling}");
            assert!(!thief.asked().is_empty() && !was_told(&thief), "{code} {spelling}");
            assert!(!failure.message.contains("canary"));
        }
    }
}

#[tokio::test]
async fn a_token_endpoint_elsewhere_gets_none_unless_it_is_named() {
    let tokens = Server::start(|_| answer(200, "application/json", r#"{"token":"granted"}"#)).await;
    let place = format!("localhost:{}", tokens.address.port());
    let realm = format!("http://{place}/token");
    let image = small_image();
    let server = Server::start(move |asked| match asked.authorization() {
        Some("Bearer granted") => ordinary(&image, asked),
        _ => bearer(&realm),
    })
    .await;
    let failure =
        scan_with(with_credentials(server.address), &server.reference()).await.unwrap_err().failure();
    assert_eq!(failure.reason, FailureReason::CredentialsWithheld);
    assert!(failure.message.contains(&place), "{}", failure.message);
    assert!(tokens.asked().is_empty(), "nothing went out");

    // There is nothing to withhold from an anonymous question.
    assert!(scan(&server).await.is_ok());
    assert!(tokens.asked().iter().all(|asked| asked.authorization().is_none()));
    let before = tokens.asked().len();
    let mut allowing = with_credentials(server.address);
    allowing.access.token_hosts = vec![place];
    assert!(scan_with(allowing, &server.reference()).await.is_ok());
    assert!(tokens.asked()[before..].iter().all(|asked| asked.authorization() == Some(BASIC)));
}

#[tokio::test]
async fn a_token_endpoint_that_redirects_is_not_followed() {
    let thief = thief().await;
    let target = format!("http://{}/?token", thief.address);
    for credentials in [json!({"username": "user", "password": "canary"}), json!({"identitytoken": "canary"})]
    {
        let named = target.clone();
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/token" => redirect(&named),
            _ => bearer(&format!("http://{}/token", asked.headers["host"].to_str().unwrap())),
        })
        .await;
        let file = json!({"auths": {server.address.to_string(): credentials}}).to_string();
        let options = Options { credentials: Credentials::parse(file.as_bytes()).unwrap(), ..options() };
        let failure = scan_with(options, &server.reference()).await.unwrap_err().failure();
        assert_eq!(failure.reason, FailureReason::NotARegistry);
    }
    assert!(thief.asked().is_empty(), "nothing went out");
}

#[tokio::test]
async fn an_identity_token_is_posted_to_the_endpoint_alone() {
    let image = small_image();
    let server = Server::start(move |asked| match (asked.path.as_str(), asked.authorization()) {
        ("/token", _) => answer(200, "application/json", r#"{"access_token":"granted"}"#),
        (_, Some("Bearer granted")) => ordinary(&image, asked),
        _ => bearer(&format!("http://{}/token", asked.headers["host"].to_str().unwrap())),
    })
    .await;
    let file = json!({"auths": {server.address.to_string(): {"identitytoken": "canary"}}}).to_string();
    let options = Options { credentials: Credentials::parse(file.as_bytes()).unwrap(), ..options() };
    assert!(scan_with(options, &server.reference()).await.is_ok());
    assert!(
        !format!("{:?}", server.asked()).contains("canary"),
        "it is in a body, never in an address or header"
    );
    assert!(server.asked().iter().any(|asked| asked.path == "/token"));
}

#[tokio::test]
async fn challenges_that_cannot_be_answered_are_refusals() {
    for header in [
        "Negotiate",
        "NTLM TlRMTVNTUAAC",
        "Digest realm=\"d\", nonce=\"n\"",
        "Bearer service=\"no realm\"",
        "=\"",
        "",
        &format!("Bearer {}", "x,".repeat(20_000)),
    ] {
        let text = header.to_owned();
        let server = Server::start(move |_| challenge(&text)).await;
        let failure =
            scan_with(with_credentials(server.address), &server.reference()).await.unwrap_err().failure();
        assert_eq!(failure.reason, FailureReason::Unauthorized, "{header:.60}");
        assert!(!was_told(&server), "{header:.60}");
    }
}

#[tokio::test]
async fn a_quoted_challenge_is_none() {
    let thief = thief().await;
    let header = format!("Basic realm=\"x, Bearer realm=http://{}/?token\"", thief.address);
    let image = small_image();
    let server = Server::start(move |asked| match asked.authorization() {
        Some(BASIC) => ordinary(&image, asked),
        _ => challenge(&header),
    })
    .await;
    assert!(scan_with(with_credentials(server.address), &server.reference()).await.is_ok());
    assert!(thief.asked().is_empty(), "nothing went out");
}

#[tokio::test]
async fn nothing_is_remembered_for_another_request_or_told_about_the_last_one() {
    let image = small_image();
    let server = Server::start(move |asked| {
        let mut answer = ordinary(&image, asked);
        answer.headers_mut().insert("set-cookie", "session=1; Path=/".parse().unwrap());
        answer
    })
    .await;
    let address = server.address;
    let front = Server::start(move |asked| {
        let mut answer = redirect(&format!("http://{address}{}", asked.path));
        answer.headers_mut().insert("set-cookie", "session=2; Path=/".parse().unwrap());
        answer
    })
    .await;
    assert!(scan(&front).await.is_ok());
    for asked in front.asked().iter().chain(&server.asked()) {
        assert!(!asked.headers.contains_key("cookie") && !asked.headers.contains_key("referer"), "{asked:?}");
    }
}
