//! Reports as they come over HTTP, against an API server in memory.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use breakwater_core::{
    Digest, Platform,
    inventory::MAX_INVENTORY,
    scan::{
        FailureReason, INVENTORY_PATH, LISTING_PATH, Listing, MAX_MANIFEST, OFFER_PATH, OUTCOME_PATH, Offer,
        OfferAnswer, Outcome, Question, ScanFailure, ScanStage, TAG_PATH, Tag,
    },
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    MAX_OFFER, MAX_WORD,
    fixtures::{self, IMAGE},
    record, router,
};
use crate::{
    config::Config,
    context::Context,
    store::{Domain, Key, Store, fake_api::FakeApi},
};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const POD: &str = "/api/v1/namespaces/breakwater-system/pods/scan-1-abcde";
const JOB: &str = "/apis/batch/v1/namespaces/breakwater-system/jobs/scan-1";
const SCAN_JOB: &str = "/apis/breakwater.dev/v1alpha1/namespaces/shop/scanjobs/web";

/// An API server in which one scan Job runs.
fn cluster() -> FakeApi {
    let api = FakeApi::default();
    api.review(REVIEWS, fixtures::review());
    api.hold(POD, fixtures::pod());
    api.hold(JOB, fixtures::job());
    api.hold(SCAN_JOB, fixtures::scan_job());
    api
}

async fn post(api: &FakeApi, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
    let context = Context::new(api.client(), "breakwater-system", "test", Config::default());
    let request = Request::post(path).header("authorization", "Bearer t0k3n").body(Body::from(body)).unwrap();
    let answer = router(context, Store::of_config_maps(api)).oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn offer(what: &str) -> Vec<u8> {
    serde_json::to_vec(&fixtures::offer(&fixtures::manifest(what))).unwrap()
}

fn inventory(what: &str) -> Vec<u8> {
    zstd::bulk::compress(&serde_json::to_vec(&fixtures::posted(what)).unwrap(), 3).unwrap()
}

fn outcome(failure: Option<ScanFailure>) -> Vec<u8> {
    serde_json::to_vec(&Outcome { image: IMAGE.parse().unwrap(), failure }).unwrap()
}

fn job(api: &FakeApi) -> k8s_openapi::api::batch::v1::Job {
    serde_json::from_value(api.object(JOB).unwrap()).unwrap()
}

#[tokio::test]
async fn an_image_is_offered_posted_and_ended() {
    let api = cluster();
    let (status, answer) = post(&api, OFFER_PATH, offer("app")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let digest = Digest::of(&fixtures::manifest("app"));
    let answer: OfferAnswer = serde_json::from_value(answer).unwrap();
    assert_eq!((answer.needed, answer.current), (vec![digest.clone()], vec![]));

    assert_eq!(post(&api, OUTCOME_PATH, outcome(None)).await.1["reason"], "NotPosted");
    assert_eq!(post(&api, INVENTORY_PATH, inventory("app")).await.0, StatusCode::OK);
    assert_eq!(post(&api, OUTCOME_PATH, outcome(None)).await.0, StatusCode::OK);

    let store = Store::of_config_maps(&api);
    assert_eq!(
        store.inventory(&Domain::Everyone, &digest).await.unwrap().unwrap(),
        fixtures::inventory("app")
    );
    let by_config = store.resolution(&fixtures::config_of("app")).await.unwrap().unwrap();
    assert_eq!(by_config.platforms, [(breakwater_core::Platform::linux("amd64"), digest.clone())]);
    assert_eq!(
        api.object(SCAN_JOB).unwrap()["status"]["target"],
        json!({"reference": IMAGE, "indexDigest": digest, "platforms": [
            {"platform": "linux/amd64", "digest": digest, "size": 7, "layers": 1},
            {"platform": "linux/arm64"},
        ]})
    );
    assert_eq!(record::ended(&job(&api), &IMAGE.parse().unwrap()).unwrap().failure, None);

    // The same again: known already, and nothing is written.
    api.take_writes();
    let (_, answer) = post(&api, OFFER_PATH, offer("app")).await;
    assert_eq!(answer, json!({"needed": [], "current": [digest], "pending": []}));
    assert_eq!(post(&api, OUTCOME_PATH, outcome(None)).await.0, StatusCode::OK);
    assert_eq!(api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn only_what_this_job_offered_may_be_posted() {
    let api = cluster();
    let (status, answer) = post(&api, INVENTORY_PATH, inventory("app")).await;
    assert_eq!((status, &answer["reason"]), (StatusCode::FORBIDDEN, &json!("NotOffered")));
    post(&api, OFFER_PATH, offer("app")).await;
    let (status, answer) = post(&api, INVENTORY_PATH, inventory("somebody else's")).await;
    assert_eq!((status, &answer["reason"]), (StatusCode::FORBIDDEN, &json!("NotOffered")));
    let foreign = Outcome { image: "registry.test:5000/other:1".parse().unwrap(), failure: None };
    let (status, answer) = post(&api, OUTCOME_PATH, serde_json::to_vec(&foreign).unwrap()).await;
    assert_eq!((status, &answer["reason"]), (StatusCode::FORBIDDEN, &json!("NotAsked")));
}

#[tokio::test]
async fn a_job_about_repositories_lists_before_it_offers() {
    let api = cluster();
    api.hold(JOB, fixtures::job_about(fixtures::registry_question()));
    assert_eq!(post(&api, OFFER_PATH, offer("app")).await.1["reason"], "NotAsked");
    let listing = |image: &str| {
        let listing = Listing { images: vec![image.parse().unwrap()], ..Listing::default() };
        serde_json::to_vec(&listing).unwrap()
    };
    let (status, answer) = post(&api, LISTING_PATH, listing("elsewhere.test/app:1")).await;
    assert_eq!((status, &answer["reason"]), (StatusCode::FORBIDDEN, &json!("NotAsked")));
    assert_eq!(post(&api, LISTING_PATH, listing(IMAGE)).await.0, StatusCode::OK);
    assert_eq!(post(&api, OFFER_PATH, offer("app")).await.0, StatusCode::OK);
    assert_eq!(post(&api, INVENTORY_PATH, inventory("app")).await.0, StatusCode::OK);
    assert_eq!(post(&api, OUTCOME_PATH, outcome(None)).await.0, StatusCode::OK);
    assert!(api.object(SCAN_JOB).unwrap()["status"]["target"].is_null(), "status.images tells");

    // The first word stands.
    api.take_writes();
    let (status, answer) = post(&api, LISTING_PATH, listing("registry.test:5000/other:1")).await;
    assert_eq!((status, &answer["images"]), (StatusCode::OK, &json!([IMAGE])), "and is the answer");
    assert!(api.take_writes().is_empty());
    assert_eq!(record::listing(&job(&api)).unwrap().images, [IMAGE.parse().unwrap()]);
}

#[tokio::test]
async fn a_stored_inventory_is_not_replaced_by_another_job() {
    let api = cluster();
    post(&api, OFFER_PATH, offer("app")).await;
    post(&api, INVENTORY_PATH, inventory("app")).await;
    let mut forged = fixtures::posted("app");
    forged.inventory.packages.clear();
    let body = zstd::bulk::compress(&serde_json::to_vec(&forged).unwrap(), 3).unwrap();
    assert_eq!(post(&api, INVENTORY_PATH, body).await.0, StatusCode::OK);
    let digest = Digest::of(&fixtures::manifest("app"));
    let stored = Store::of_config_maps(&api).inventory(&Domain::Everyone, &digest).await.unwrap();
    assert_eq!(stored.unwrap().packages.len(), 1);
}

#[tokio::test]
async fn what_a_pod_with_many_images_says_stays_in_the_namespace_that_asked() {
    let api = cluster();
    api.hold(JOB, fixtures::job_about(fixtures::registry_question()));
    let listing = Listing { images: vec![IMAGE.parse().unwrap()], ..Listing::default() };
    post(&api, LISTING_PATH, serde_json::to_vec(&listing).unwrap()).await;
    post(&api, OFFER_PATH, offer("app")).await;
    assert_eq!(post(&api, INVENTORY_PATH, inventory("app")).await.0, StatusCode::OK);

    let (store, digest) = (Store::of_config_maps(&api), Digest::of(&fixtures::manifest("app")));
    for (domain, is_known) in
        [(Domain::Everyone, false), (Domain::namespace("team"), false), (Domain::namespace("shop"), true)]
    {
        let stored = store.inventory(&domain, &digest).await.unwrap();
        assert_eq!(stored.is_some(), is_known, "{domain}");
    }
    let (_, answer) = post(&api, OFFER_PATH, offer("app")).await;
    assert_eq!(
        answer,
        json!({"needed": [], "current": [digest], "pending": []}),
        "the same namespace need not read it again"
    );

    // A pod that reads this one image and no other says it to everybody.
    api.hold(JOB, fixtures::job());
    let (_, answer) = post(&api, OFFER_PATH, offer("app")).await;
    assert_eq!(answer, json!({"needed": [digest], "current": [], "pending": []}));
}

fn listed(images: &[&str]) -> Vec<u8> {
    let images = images.iter().map(|image| image.parse().unwrap()).collect();
    serde_json::to_vec(&Listing { images, ..Listing::default() }).unwrap()
}

const SECOND: &str = "registry.test:5000/app:2";

#[tokio::test]
async fn of_two_pods_with_one_manifest_one_reads_it_and_the_other_comes_back() {
    let api = cluster();
    api.hold(JOB, fixtures::job_about(fixtures::registry_question()));
    post(&api, LISTING_PATH, listed(&[IMAGE, SECOND])).await;
    let digest = Digest::of(&fixtures::manifest("app"));
    let second = || {
        let offer = Offer { image: SECOND.parse().unwrap(), ..fixtures::offer(&fixtures::manifest("app")) };
        serde_json::to_vec(&offer).unwrap()
    };
    let answer =
        async |body| -> OfferAnswer { serde_json::from_value(post(&api, OFFER_PATH, body).await.1).unwrap() };
    assert_eq!(answer(offer("app")).await.needed, std::slice::from_ref(&digest));
    api.take_writes();
    assert_eq!(answer(second()).await.pending, std::slice::from_ref(&digest));
    assert!(api.take_writes().is_empty(), "an offer that does not count hinders nobody");
    assert_eq!(
        answer(offer("app")).await.needed,
        std::slice::from_ref(&digest),
        "its own word is no hindrance"
    );

    post(&api, INVENTORY_PATH, inventory("app")).await;
    post(&api, OUTCOME_PATH, outcome(None)).await;
    let again = answer(second()).await;
    assert_eq!((again.current, again.pending), (vec![digest], vec![]));
}

#[tokio::test]
async fn what_a_tag_names_is_known_to_the_namespace_that_had_it_read() {
    let api = cluster();
    let tag = |digest: &Digest| {
        serde_json::to_vec(&Tag { image: IMAGE.parse().unwrap(), digest: digest.clone() }).unwrap()
    };
    let mut question = fixtures::registry_question();
    question.platforms.truncate(1);
    let hold = |question: &Question| api.hold(JOB, fixtures::job_about(question.clone()));
    let digest = Digest::of(&fixtures::manifest("app"));
    assert_eq!(post(&api, TAG_PATH, tag(&digest)).await.1["reason"], "NotAsked", "a Job about one image");
    hold(&question);
    assert_eq!(post(&api, TAG_PATH, tag(&digest)).await.1["reason"], "NotAsked", "nothing is listed yet");
    post(&api, LISTING_PATH, listed(&[IMAGE])).await;
    assert_eq!(post(&api, TAG_PATH, tag(&digest)).await.1, json!({"current": false}));

    // Everyone's word is not enough: who says a digest has not shown that he may read the image.
    let store = Store::of_config_maps(&api);
    let document = serde_json::to_vec(&fixtures::inventory("app")).unwrap();
    store.put(&Key::Inventory(Domain::Everyone, digest.clone()), &document).await.unwrap();
    store.put(&Key::Inventory(Domain::namespace("team"), digest.clone()), &document).await.unwrap();
    assert_eq!(post(&api, TAG_PATH, tag(&digest)).await.1, json!({"current": false}));

    store.put(&Key::Inventory(Domain::namespace("shop"), digest.clone()), &document).await.unwrap();
    assert_eq!(post(&api, TAG_PATH, tag(&Digest::of(b"moved"))).await.1, json!({"current": false}));
    assert!(record::ended(&job(&api), &IMAGE.parse().unwrap()).is_none());
    assert_eq!(post(&api, TAG_PATH, tag(&digest)).await.1, json!({"current": true}));
    let scanned = record::ended(&job(&api), &IMAGE.parse().unwrap()).unwrap().scanned.unwrap();
    assert_eq!((scanned.digest, scanned.manifests), (digest.clone(), vec![digest.clone()]));

    // An index is known if every wanted platform that it has is.
    question.platforms = vec![Platform::linux("amd64"), Platform::linux("arm64")];
    hold(&question);
    post(&api, LISTING_PATH, listed(&[IMAGE])).await;
    let index = Digest::of(b"index");
    let mut resolution = crate::store::Resolution::default();
    resolution.add(&Platform::linux("amd64"), &digest);
    resolution.add(&Platform::linux("arm64"), &Digest::of(b"not read"));
    store.put(&Key::Resolution(index.clone()), &serde_json::to_vec(&resolution).unwrap()).await.unwrap();
    assert_eq!(post(&api, TAG_PATH, tag(&index)).await.1, json!({"current": false}));
    question.platforms = vec![Platform::linux("amd64"), Platform::linux("s390x")];
    for digest in [&index, &digest] {
        hold(&question);
        post(&api, LISTING_PATH, listed(&[IMAGE])).await;
        assert_eq!(post(&api, TAG_PATH, tag(digest)).await.1, json!({"current": true}));
        let scanned = record::ended(&job(&api), &IMAGE.parse().unwrap()).unwrap().scanned.unwrap();
        assert_eq!(scanned.absent, [Platform::linux("s390x")], "no index has it, and no manifest is of it");
    }
}

#[tokio::test]
async fn a_failure_is_recorded_bounded_and_printable() {
    let api = cluster();
    let failure = ScanFailure {
        stage: ScanStage::Resolve,
        reason: FailureReason::RateLimited,
        message: format!("\x1b[31m{}", "x".repeat(5_000)),
        retry_after_seconds: Some(u32::MAX),
    };
    assert_eq!(post(&api, OUTCOME_PATH, outcome(Some(failure))).await.0, StatusCode::OK);
    let recorded = record::ended(&job(&api), &IMAGE.parse().unwrap()).unwrap().failure.unwrap();
    assert_eq!((recorded.reason, recorded.retry_after_seconds), (FailureReason::RateLimited, Some(86_400)));
    assert!(recorded.message.chars().count() == 512 && !recorded.message.contains('\x1b'));
    assert!(api.object(SCAN_JOB).unwrap()["status"]["target"].is_null());
}

#[tokio::test]
async fn who_may_not_speak_is_told_why() {
    async fn reason(change: impl Fn(&FakeApi)) -> (u16, String) {
        let api = cluster();
        change(&api);
        let (status, answer) = post(&api, OFFER_PATH, offer("app")).await;
        assert!(api.take_writes().is_empty());
        (status.as_u16(), answer["reason"].as_str().unwrap().to_owned())
    }
    let denied = json!({"status": {"authenticated": false}, "spec": {}, "metadata": {}});
    assert_eq!(reason(|api| api.review(REVIEWS, denied.clone())).await, (401, "TokenInvalid".into()));
    assert_eq!(reason(|api| api.forget(POD)).await, (403, "PodGone".into()));
    assert_eq!(reason(|api| api.forget(JOB)).await, (403, "JobUnknown".into()));
    assert_eq!(reason(|api| api.forget(SCAN_JOB)).await, (403, "ScanJobGone".into()));
    let finished = |api: &FakeApi| {
        let mut scan_job = fixtures::scan_job();
        scan_job.status.as_mut().unwrap().completion_time = Some(chrono::DateTime::UNIX_EPOCH.into());
        api.hold(SCAN_JOB, scan_job);
    };
    assert_eq!(reason(finished).await, (403, "ScanJobFinished".into()));
    let starting = |api: &FakeApi| {
        let mut scan_job = fixtures::scan_job();
        scan_job.status = None;
        api.hold(SCAN_JOB, scan_job);
    };
    assert_eq!(reason(starting).await, (503, "Busy".into()));
}

#[tokio::test]
async fn no_token_no_api_call() {
    let api = FakeApi::default();
    let context = Context::new(api.client(), "breakwater-system", "test", Config::default());
    let request = Request::post(OFFER_PATH).body(Body::empty()).unwrap();
    let answer = router(context, Store::of_config_maps(&api)).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(api.take_writes().is_empty());
}

#[tokio::test]
async fn oversize_and_malformed_bodies_are_refused() {
    let api = cluster();
    for (path, body, status) in [
        (OFFER_PATH, vec![b' '; MAX_OFFER + 1], 413),
        (OFFER_PATH, b"<html>".to_vec(), 400),
        (OFFER_PATH, serde_json::to_vec(&fixtures::offer(&vec![b' '; MAX_MANIFEST + 1])).unwrap(), 413),
        (INVENTORY_PATH, vec![0; MAX_INVENTORY + 1], 413),
        (INVENTORY_PATH, b"no frame".to_vec(), 400),
        (INVENTORY_PATH, zstd::bulk::compress(&vec![b' '; MAX_INVENTORY + 1], 1).unwrap(), 413),
        (OUTCOME_PATH, vec![b' '; MAX_WORD + 1], 413),
        (OUTCOME_PATH, b"{}".to_vec(), 400),
    ] {
        let (got, answer) = post(&api, path, body).await;
        assert_eq!(got.as_u16(), status, "{path}: {answer}");
    }
    assert!(api.take_writes().is_empty());
}
