//! Reviews of access and of tokens: questions that are answered at once.

use serde_json::json;

use crate::{
    call::Call,
    state::{Answer, Reviewer},
};

pub(crate) fn answer(reviewer: &Reviewer, call: &Call) -> Answer {
    let plural = call.target.as_ref().map_or("", |target| target.kind.plural);
    let mut review = call.request.body.clone();
    review["status"] = reviewer(plural, &review);
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    (201, review)
}
