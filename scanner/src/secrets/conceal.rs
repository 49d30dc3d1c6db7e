//! Texts that are shown (build instructions, labels, arguments, paths), without the secrets in them.

use std::ops::Range;

use super::{Certainty, FoundSecret, Scope, fingerprint, search::candidates};

/// What stands for a secret.
const CONCEALED: &str = "…";

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concealed {
    pub text: String,
    /// What was found in it, as if it were line 0 of a file.
    pub secrets: Vec<FoundSecret>,
}

/// Puts `…` for every secret in `text`, and for everything that stands where a secret stands, be it a placeholder. `place` is where the
/// text is from; it goes into fingerprints.
#[must_use]
pub fn conceal(place: &str, text: &str) -> Concealed {
    let mut secrets = Vec::new();
    let mut values: Vec<Range<usize>> = Vec::new();
    let bytes = text.as_bytes();
    candidates(bytes, 0, bytes.len(), Scope::configuration(), |spot, at, candidate| {
        let start = at - spot.at;
        let value = spot.text.get(candidate.value.clone()).unwrap_or_default();
        let fingerprint = match candidate.certainty {
            Certainty::Suspicious => None,
            Certainty::Guessable => Some(fingerprint::of_place(candidate.rule, place, 0)),
            Certainty::Random => Some(fingerprint::of_value(candidate.rule, value)),
        };
        let found = |fingerprint| FoundSecret { line: 0, rule: candidate.rule, fingerprint };
        secrets.extend(fingerprint.map(found));
        values.push(start + candidate.value.start..start + candidate.value.end);
        true
    });
    secrets.sort();
    secrets.dedup();
    if secrets.iter().any(|one| !one.rule.ends_with("-assignment")) {
        secrets.retain(|one| !one.rule.ends_with("-assignment"));
    }
    Concealed { text: without(text, values), secrets }
}

fn without(text: &str, mut values: Vec<Range<usize>>) -> String {
    values.sort_by_key(|value| value.start);
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for value in values {
        if value.end <= at {
            continue;
        }
        // Rules end values at ASCII bytes or at their own bounds: never in the middle of a character that is then shown.
        let start = (at..=value.start.max(at)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(at);
        shown.push_str(text.get(at..start).unwrap_or_default());
        shown.push_str(CONCEALED);
        at = (value.end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}
