#![no_main]
//! What a Job found in repositories stays within the question, and is recorded as it was accepted.
use std::{collections::BTreeSet, sync::LazyLock};

use breakwater_core::scan::{Listing, MAX_LISTING, Question};
use breakwater_operator::intake::listing;

static QUESTION: LazyLock<Question> =
    LazyLock::new(|| serde_json::from_str(include_str!("../seeds/listing.question.json")).unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(said) = serde_json::from_slice::<Listing>(bytes) else { return };
    let Ok(accepted) = listing::accept(&QUESTION, said) else { return };
    assert!(serde_json::to_vec(&accepted).unwrap().len() <= MAX_LISTING);
    assert!(accepted.images.len() <= QUESTION.image_bound());
    assert_eq!(accepted.images.iter().collect::<BTreeSet<_>>().len(), accepted.images.len());
    assert_eq!(listing::accept(&QUESTION, accepted.clone()).unwrap(), accepted);
});
