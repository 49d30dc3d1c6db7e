#![no_main]
//! What intake remembers on a Job: an annotation that says anything is read as what it would be written as, or not at all.
use breakwater_core::{
    ImageReference, printable,
    scan::{Listing, Outcome},
};
use breakwater_operator::intake::{Ended, Offered, outcome, record};
use chrono::DateTime;
use k8s_openapi::api::batch::v1::Job;
use serde_json::Value;

/// A Job annotated by `patch`, with `text` for what it says.
fn job(patch: &Value, text: Option<&str>) -> Job {
    let all = patch.pointer("/metadata/annotations").and_then(Value::as_object).unwrap();
    let said = all.iter().filter_map(|(key, said)| Some((key.clone(), text.or(said.as_str())?.to_owned())));
    let mut job = Job::default();
    job.metadata.annotations = Some(said.collect());
    job
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let image: ImageReference = "registry.example.com/app:1".parse().unwrap();
    let anything = Offered { index: None, manifests: Vec::new(), absent: Vec::new() };
    let offers = job(&record::offer_patch(&image, &anything), Some(text));
    if let Some(offered) = record::offered(&offers, &image) {
        let again = job(&record::offer_patch(&image, &offered), None);
        assert_eq!(record::in_work(&again, &image).len(), 0, "one's own offer is in nobody's way");
        assert_eq!(record::offered(&again, &image), Some(offered));
    }
    let anything = Ended { at: DateTime::UNIX_EPOCH, scanned: None, failure: None };
    let ends = job(&record::outcome_patch(&image, &anything), Some(text));
    if let Some(ended) = record::ended(&ends, &image) {
        let again = job(&record::outcome_patch(&image, &ended), None);
        assert_eq!(record::ended(&again, &image), Some(ended));
    }
    let lists = job(&record::listing_patch(&Listing::default()), Some(text));
    if let Some(listing) = record::listing(&lists) {
        assert_eq!(record::listing(&job(&record::listing_patch(&listing), None)), Some(listing));
    }
    if let Ok(said) = serde_json::from_str::<Outcome>(text) {
        let ended = outcome::record(said, 1, None, DateTime::UNIX_EPOCH);
        assert!(
            ended.failure.is_none_or(|failure| printable::line(&failure.message, 512) == failure.message)
        );
    }
});
