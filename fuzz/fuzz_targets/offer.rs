#![no_main]
//! What a Job offers: as JSON; or one document a line: an index, those within it, a manifest. `@` stands for the next line's digest.
use std::sync::LazyLock;

use breakwater_core::{
    Digest, printable,
    scan::{Offer, OfferedIndex, OfferedManifest, Question},
};
use breakwater_operator::{
    intake::{Offered, offer},
    store::MAX_PLATFORMS,
};

static QUESTION: LazyLock<Question> =
    LazyLock::new(|| serde_json::from_str(include_str!("../seeds/offer.question.json")).unwrap());

fn lines(text: &str) -> Offer {
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for line in text.lines().rev() {
        let next = documents.last().map_or_else(String::new, |next| Digest::of(next).to_string());
        documents.push(line.replace('@', &next).into_bytes());
    }
    let bytes = if documents.is_empty() { Vec::new() } else { documents.remove(0) };
    let nested = |bytes| OfferedIndex { bytes };
    Offer {
        image: QUESTION.images[0].clone(),
        index: documents.pop(),
        nested: documents.into_iter().rev().map(nested).collect(),
        manifests: vec![OfferedManifest { platform: QUESTION.platforms[0].clone(), bytes }],
        absent: QUESTION.platforms[1..].to_vec(),
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    for offer in serde_json::from_str(text).ok().into_iter().chain([lines(text)]) {
        match offer::accept(&QUESTION, &QUESTION.images, &offer) {
            Ok(accepted) => {
                let Offered { manifests, absent, .. } = &accepted.offered;
                assert!(manifests.len() + absent.len() <= QUESTION.platforms.len());
                assert!(manifests.iter().all(|known| {
                    offer.manifests.iter().any(|manifest| Digest::of(&manifest.bytes) == known.digest)
                }));
                assert!(accepted.resolution.is_none_or(|(_, found)| found.platforms.len() <= MAX_PLATFORMS));
            }
            Err(refusal) => {
                let said = refusal.to_string();
                assert_eq!(printable::line(&said, 1_000), said, "it is logged");
            }
        }
    }
});
