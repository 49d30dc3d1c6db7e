//! The seeds of the fuzz targets about what the operator is told and reads back, in every test run: nothing panics, and those named
//! `good-…` are understood.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use breakwater_core::{
    Digest, ImageReference,
    history::RepositoryHistory,
    mitigation::{WorkloadRecord, record_name},
    printable,
    scan::{
        Listing, Offer, OfferedIndex, OfferedManifest as OfferedBytes, Outcome, PostedInventory, Question,
    },
};
use breakwater_operator::{
    config,
    controllers::scanjob::credentials::config_for,
    intake::{Ended, Offered, OfferedManifest, Refusal, listing, offer, outcome, posted, record},
    kube::nesting::Cutter,
    mitigation::{breaker, records},
    store::{Collection, Resolution},
};
use bytes::Bytes;
use chrono::DateTime;
use k8s_openapi::{
    ByteString,
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

/// Runs each seed of `target` through `is_understood`.
fn seeds(target: &str, is_understood: impl Fn(&[u8]) -> bool) {
    let directory = directory().join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_good = path.file_name().unwrap().to_str().unwrap().starts_with("good-");
        assert!(is_understood(&fs::read(&path).unwrap()) || !is_good, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{}", directory.display());
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn question(target: &str) -> Question {
    serde_json::from_slice(&fs::read(directory().join(format!("{target}.question.json"))).unwrap()).unwrap()
}

/// What is refused is logged: in a line that is printable and not long.
fn accepted<T>(answer: Result<T, Refusal>) -> Option<T> {
    answer
        .map_err(|refusal| {
            let said = refusal.to_string();
            assert_eq!(printable::line(&said, 1_000), said);
        })
        .ok()
}

/// One document a line: an index, those within it, a manifest. `@` stands for the next line's digest.
fn offer_of(text: &str, question: &Question) -> Offer {
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for line in text.lines().rev() {
        let next = documents.last().map_or_else(String::new, |next| Digest::of(next).to_string());
        documents.push(line.replace('@', &next).into_bytes());
    }
    let bytes = documents.remove(0);
    Offer {
        image: question.images[0].clone(),
        index: documents.pop(),
        nested: documents.into_iter().rev().map(|bytes| OfferedIndex { bytes }).collect(),
        manifests: vec![OfferedBytes { platform: question.platforms[0].clone(), bytes }],
        absent: question.platforms[1..].to_vec(),
    }
}

#[test]
fn offers() {
    let question = question("offer");
    seeds("offer", |seed| {
        let offer = serde_json::from_slice(seed).unwrap_or_else(|_| offer_of(text(seed), &question));
        let accepted = accepted(offer::accept(&question, &question.images, &offer));
        accepted.is_some_and(|accepted| !accepted.offered.manifests.is_empty())
    });
}

#[test]
fn inventories() {
    let is_accepted = |posted: PostedInventory| {
        let about = posted.inventory.image.clone();
        let manifest =
            OfferedManifest { platform: about.platform, digest: about.digest, config: about.config_digest };
        let offered = Offered { index: None, manifests: vec![manifest], absent: vec![] };
        accepted(posted::accept(&offered, posted)).is_some()
    };
    seeds("posted", |seed| {
        let frame = zstd::bulk::compress(seed, 1).unwrap();
        let read = [posted::read(seed), posted::read(&frame)];
        read.into_iter().filter_map(accepted).any(is_accepted)
    });
}

#[test]
fn listings() {
    let question = question("listing");
    seeds("listing", |seed| {
        let said = serde_json::from_slice::<Listing>(seed);
        said.is_ok_and(|said| accepted(listing::accept(&question, said)).is_some())
    });
}

#[test]
fn records_of_jobs() {
    let image: ImageReference = "registry.example.com/app:1".parse().unwrap();
    let job = |patch: Value, seed: &[u8]| {
        let keys = patch["metadata"]["annotations"].as_object().unwrap().keys();
        let mut job = Job::default();
        job.metadata.annotations = Some(keys.map(|key| (key.clone(), text(seed).to_owned())).collect());
        job
    };
    seeds("job_records", |seed| {
        let offered = Offered { index: None, manifests: vec![], absent: vec![] };
        let ended = Ended { at: DateTime::UNIX_EPOCH, scanned: None, failure: None };
        let said = serde_json::from_slice::<Outcome>(seed);
        said.is_ok_and(|said| outcome::record(said, 1, None, DateTime::UNIX_EPOCH).failure.is_some())
            || record::offered(&job(record::offer_patch(&image, &offered), seed), &image).is_some()
            || record::ended(&job(record::outcome_patch(&image, &ended), seed), &image).is_some()
            || record::listing(&job(record::listing_patch(&Listing::default()), seed)).is_some()
    });
}

#[test]
fn documents_of_the_store() {
    seeds("store", |seed| {
        let leaf = std::str::from_utf8(seed).unwrap_or_default();
        serde_json::from_slice::<Resolution>(seed).is_ok()
            || serde_json::from_slice::<RepositoryHistory>(seed).is_ok()
            || Collection::Inventory.key(leaf).is_some_and(|key| key.leaf() == leaf)
    });
}

#[test]
fn records_of_mitigation() {
    seeds("mitigation_records", |seed| {
        let name = serde_json::from_slice::<WorkloadRecord>(seed)
            .map(|record| record_name(&record.target, record.cause));
        let metadata = ObjectMeta { name: name.ok(), ..ObjectMeta::default() };
        let data = Some(BTreeMap::from([("record".to_owned(), text(seed).to_owned())]));
        let breaker = serde_json::from_slice(seed).map(breaker::read);
        records::read(ConfigMap { metadata, data, ..ConfigMap::default() }).is_ok()
            || breaker.is_ok_and(|read| read.is_ok())
    });
}

#[test]
fn configurations() {
    seeds("config", |seed| config::parse(text(seed)).is_ok());
}

#[test]
fn pull_secrets() {
    seeds("pull_secrets", |seed| {
        [".dockerconfigjson", ".dockercfg"].into_iter().any(|key| {
            let data = Some(BTreeMap::from([(key.to_owned(), ByteString(seed.to_vec()))]));
            let secret = Secret { data, ..Secret::default() };
            config_for([&secret], &BTreeSet::from(["registry.example.com"])).is_some()
        })
    });
}

#[test]
fn answers_of_the_api_server() {
    seeds("nesting", |seed| {
        let (piece, answer) = seed.split_first().unwrap();
        let mut cutter = Cutter::default();
        let pieces = answer.chunks(usize::from(*piece)).map(Bytes::copy_from_slice);
        let kept: Vec<u8> = pieces.flat_map(|piece| cutter.cut(piece)).collect();
        serde_json::Deserializer::from_slice(&kept).into_iter::<Value>().all(|document| document.is_ok())
    });
}
