//! The Job as a process: offers, posts and outcomes over TLS to an intake of the test's own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod support;

use std::{
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::IntoResponse as _,
};
use breakwater_core::{
    Digest, Inventory, Platform,
    glob::Glob,
    scan::{
        FailureReason, Listing, Offer, OfferAnswer, Outcome, PostedInventory, Question, RegistryAccess,
        RepositoryQuestion, ScanStage, TagAnswer,
    },
};
use support::*;

struct Posted {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An intake that answers `status` to its first `refusals` requests and does its work afterwards.
struct TestIntake {
    address: std::net::SocketAddr,
    directory: tempfile::TempDir,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl TestIntake {
    async fn start(refusals: usize, refusal: StatusCode, needs: bool) -> Self {
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let seen = posted.clone();
        let handler = move |request: Request| {
            let seen = seen.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
                let path = parts.uri.path().to_owned();
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Posted { path: path.clone(), headers: parts.headers, body: body.clone() });
                    seen.len()
                };
                if count <= refusals {
                    return (refusal, "not now").into_response();
                }
                match path.as_str() {
                    // The first word stands, and is the answer.
                    breakwater_core::scan::LISTING_PATH => return body.into_response(),
                    breakwater_core::scan::TAG_PATH => {
                        return axum::Json(TagAnswer { current: !needs }).into_response();
                    }
                    breakwater_core::scan::OFFER_PATH => {}
                    _ => return StatusCode::NO_CONTENT.into_response(),
                }
                let offer: Offer = serde_json::from_slice(&body).unwrap();
                let digests = offer.manifests.iter().map(|manifest| Digest::of(&manifest.bytes)).collect();
                let answer = if needs {
                    OfferAnswer { needed: digests, ..OfferAnswer::default() }
                } else {
                    OfferAnswer { current: digests, ..OfferAnswer::default() }
                };
                axum::Json(answer).into_response()
            }
        };
        let inner = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner_address = inner.local_addr().unwrap();
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(inner, app).await.unwrap() });
        let (address, pem) = terminate_tls(inner_address).await;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.crt"), pem).unwrap();
        std::fs::write(directory.path().join("token"), "projected-canary\n").unwrap();
        Self { address, directory, posted }
    }

    fn question(&self, images: &[String], timeout_seconds: u32) -> String {
        let question = Question {
            scan_job: "uid".into(),
            images: images.iter().map(|image| image.parse().unwrap()).collect(),
            repositories: vec![],
            max_images: 0,
            shards: 1,
            platforms: vec![Platform::linux("amd64")],
            registry: RegistryAccess {
                insecure: true,
                allow_private_addresses: true,
                ..RegistryAccess::default()
            },
            mirrors: Vec::new(),
            intake: format!("https://localhost:{}", self.address.port()),
            timeout_seconds,
        };
        serde_json::to_string(&question).unwrap()
    }

    fn command(&self, question: String, more: &[&str]) -> Command {
        let file = |name: &str| self.directory.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_breakwater-scanner"));
        command.env("BREAKWATER_QUESTION", question).arg("--intake-ca").arg(file("ca.crt"));
        command.arg("--token-file").arg(file("token")).args(more);
        command
    }

    async fn run(&self, question: String, more: &[&str]) -> Output {
        let mut command = self.command(question, more);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let posted = self.posted.lock().unwrap();
        let outcomes = posted.iter().filter(|posted| posted.path == breakwater_core::scan::OUTCOME_PATH);
        outcomes.map(|posted| serde_json::from_slice(&posted.body).unwrap()).collect()
    }

    fn inventories(&self) -> Vec<Inventory> {
        let posted = self.posted.lock().unwrap();
        let inventories = posted.iter().filter(|posted| posted.path == breakwater_core::scan::INVENTORY_PATH);
        inventories
            .map(|posted| {
                assert_eq!(posted.headers["content-encoding"], "zstd");
                let json = zstd::bulk::decompress(&posted.body, 64 << 20).unwrap();
                serde_json::from_slice::<PostedInventory>(&json).unwrap().inventory
            })
            .collect()
    }
}

#[tokio::test]
async fn every_image_is_offered_posted_and_has_an_outcome() {
    let (registry, intake) =
        (Server::of(small_image()).await, TestIntake::start(2, StatusCode::SERVICE_UNAVAILABLE, true).await);
    let missing = format!("{}/test/app@{}", registry.address, Digest::of(b"missing"));
    let output = intake.run(intake.question(&[registry.reference(), missing], 60), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(intake.inventories().len(), 1);
    assert_eq!(intake.inventories()[0].packages[0].name, "bash");
    let failures: Vec<_> =
        intake.outcomes().into_iter().map(|outcome| outcome.failure.map(|f| f.reason)).collect();
    assert_eq!(failures, [None, Some(FailureReason::NotFound)]);
    for posted in intake.posted.lock().unwrap().iter() {
        assert_eq!(posted.headers["authorization"], "Bearer projected-canary");
    }
    let logs = String::from_utf8(output.stderr).unwrap();
    assert!(logs.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{logs}");
    assert!(!logs.contains("canary") && !logs.contains("s3cr3t"));
}

#[tokio::test]
async fn repositories_are_listed_and_their_images_scanned() {
    let image = small_image();
    let registry = Server::start(move |asked| match asked.path.as_str() {
        "/v2/test/app/tags/list" => {
            answer(200, "application/json", r#"{"tags": ["1.0", "1.1", "1.1.sig", "0.9", "main"]}"#)
        }
        path if path.starts_with("/v2/test/app/") => ordinary(&image, asked),
        _ => status(404),
    })
    .await;
    let intake = TestIntake::start(0, StatusCode::OK, true).await;
    let repository = |name: &str, include: &[&str], newest| RepositoryQuestion {
        registry: registry.address.to_string(),
        name: name.into(),
        include: include.iter().map(|glob| Glob::new(glob).unwrap()).collect(),
        exclude: vec![Glob::new("*.sig").unwrap()],
        versions: None,
        newest,
    };
    let mut question: Question = serde_json::from_str(&intake.question(&[], 60)).unwrap();
    question.repositories = vec![
        repository("test/app", &["1.*"], None),
        repository("missing", &[], None),
        repository("test/app", &["0.9"], None),
    ];
    question.max_images = 2;
    let output = intake.run(serde_json::to_string(&question).unwrap(), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let first = intake.posted.lock().unwrap().remove(0);
    assert_eq!(first.path, breakwater_core::scan::LISTING_PATH);
    let listing: Listing = serde_json::from_slice(&first.body).unwrap();
    let tags: Vec<_> = listing.images.iter().filter_map(|image| image.tag.clone()).collect();
    assert_eq!((tags, listing.left_out), (vec!["1.1".to_owned(), "0.9".to_owned()], 1));
    let failed = &listing.failures[0];
    assert_eq!((failed.repository, failed.failure.reason), (1, FailureReason::NotFound));
    let outcomes = intake.outcomes();
    assert!(outcomes.len() == 2 && outcomes.iter().all(|outcome| outcome.failure.is_none()));
    let lists = registry.asked().iter().filter(|asked| asked.path.ends_with("/tags/list")).count();
    assert_eq!(lists, 2, "a tag that is written out is not listed");
}

#[tokio::test]
async fn a_current_inventory_is_not_made_again() {
    let (registry, intake) =
        (Server::of(small_image()).await, TestIntake::start(0, StatusCode::OK, false).await);
    let output = intake.run(intake.question(&[registry.reference()], 60), &[]).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((intake.inventories().len(), intake.outcomes().len()), (0, 1));
    assert!(registry.asked().iter().all(|asked| asked.is_manifest() || asked.path.contains("/blobs/")));
}

#[tokio::test]
async fn what_intake_refuses_is_an_outcome() {
    let (registry, intake) =
        (Server::of(small_image()).await, TestIntake::start(1, StatusCode::FORBIDDEN, true).await);
    let output = intake.run(intake.question(&[registry.reference()], 60), &[]).await;
    assert_eq!(output.status.code(), Some(0));
    let failure = intake.outcomes().remove(0).failure.unwrap();
    assert_eq!((failure.stage, failure.reason), (ScanStage::Report, FailureReason::Refused));
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_an_outcome() {
    let (registry, intake) =
        (Server::of(small_image()).await, TestIntake::start(0, StatusCode::OK, true).await);
    let file = intake.directory.path().join("config.json");
    std::fs::write(&file, "{\"auths\": canary").unwrap();
    let output = intake
        .run(intake.question(&[registry.reference()], 60), &["--credentials", file.to_str().unwrap()])
        .await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(intake.outcomes().remove(0).failure.unwrap().reason, FailureReason::CredentialsInvalid);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("canary"));
    assert!(registry.asked().is_empty());
}

#[tokio::test]
async fn the_deadline_leaves_time_for_an_outcome_of_every_image() {
    let intake = TestIntake::start(0, StatusCode::OK, true).await;
    let registry = Server::start(|_| {
        answer(200, MANIFEST, slowly(vec![b" ".to_vec(); 100], std::time::Duration::from_secs(1), false))
    })
    .await;
    let output = intake.run(intake.question(&[registry.reference(), registry.reference()], 2), &[]).await;
    assert_eq!(output.status.code(), Some(0));
    let reasons: Vec<_> =
        intake.outcomes().into_iter().map(|outcome| outcome.failure.unwrap().reason).collect();
    assert_eq!(reasons, [FailureReason::TimedOut, FailureReason::TimedOut]);
}

#[tokio::test]
async fn an_intake_of_other_authorities_gets_nothing() {
    let (registry, intake) =
        (Server::of(small_image()).await, TestIntake::start(0, StatusCode::OK, true).await);
    let (_, other) = terminate_tls(intake.address).await;
    std::fs::write(intake.directory.path().join("ca.crt"), other).unwrap();
    let question = intake.question(&[registry.reference()], 3);
    let output = intake.run(question, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(intake.posted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_question_that_is_none_is_a_wrong_start() {
    let intake = TestIntake::start(0, StatusCode::OK, true).await;
    for question in ["", "{}", &intake.question(&[], 5)] {
        assert_eq!(intake.run(question.to_owned(), &[]).await.status.code(), Some(2), "{question}");
    }
}

#[tokio::test]
async fn a_stopped_job_ends_at_once_and_says_so() {
    let intake = TestIntake::start(0, StatusCode::OK, true).await;
    let registry = Server::start(|_| {
        answer(200, MANIFEST, slowly(vec![b" ".to_vec(); 100], std::time::Duration::from_secs(1), false))
    })
    .await;
    let mut job = intake.command(intake.question(&[registry.reference()], 60), &[]).spawn().unwrap();
    while registry.asked().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Command::new("kill").args(["-TERM", &job.id().to_string()]).status().unwrap();
    let status = tokio::task::spawn_blocking(move || job.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(143));
    assert!(intake.outcomes().is_empty());
}
