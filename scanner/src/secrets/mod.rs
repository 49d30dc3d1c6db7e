//! Secrets in texts: keywords are searched for in everything, rules look only at what stands around a hit. A secret's value never leaves
//! this module: what goes on is the rule, the line and a fingerprint.
//!
//! Rules that know a token's form (most) are tables of prefix, alphabet and length; they ask for boundaries on both sides, for
//! randomness, and refuse placeholders. Rules that know a secret by its name (`password = …`) or place (`user:…@host`) look only where
//! people write files, not where package managers put them: see [`scope`].

mod assignment;
mod clouds;
mod conceal;
mod fingerprint;
mod forges;
mod keys;
mod placeholder;
mod places;
mod randomness;
mod scope;
mod search;
mod services;
mod token;

pub use conceal::{Concealed, conceal};
pub use scope::Scope;
pub use search::{FoundSecret, SecretSearch};

use std::ops::Range;

/// Bytes before a keyword that rules look at: the name of an assignment, a PEM header's start.
const BEFORE: usize = 128;
/// Bytes from a keyword's start on that rules look at, on one line or on many. Together with [`BEFORE`] this is what a line of any
/// length costs.
const AFTER: usize = 4_096;

/// The text around a keyword: at most [`BEFORE`] and [`AFTER`] bytes of it, cut wherever that falls.
#[derive(Debug, Clone, Copy)]
struct Spot<'a> {
    text: &'a [u8],
    /// Where the keyword begins.
    at: usize,
    keyword: &'static str,
    scope: Scope,
}

impl<'a> Spot<'a> {
    fn before(&self) -> &'a [u8] {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What follows the keyword.
    fn after(&self) -> &'a [u8] {
        self.text.get(self.end()..).unwrap_or_default()
    }

    /// Where the keyword ends.
    fn end(&self) -> usize {
        self.at.saturating_add(self.keyword.len())
    }

    /// Whether a word may begin at the keyword: what stands before it belongs to no word, or is an escaped line end.
    fn begins_word(&self) -> bool {
        let continues =
            self.before().last().is_some_and(|last| last.is_ascii_alphanumeric() || *last == b'_');
        !continues || self.follows_escape()
    }

    /// Whether `\n` and the like, as they stand in quoted texts, are in front.
    fn follows_escape(&self) -> bool {
        matches!(self.before(), [.., b'\\', b'n' | b't' | b'r'])
    }
}

/// What a rule says of a spot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    rule: &'static str,
    /// Of the spot's text.
    value: Range<usize>,
    certainty: Certainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// It stands where a secret stands, but looks like a placeholder, a reference or a word. Never reported; concealed where the text
    /// itself is shown.
    Suspicious,
    /// A secret that people may have made up: its digest would let it be guessed.
    Guessable,
    /// A secret that was generated.
    Random,
}

/// What looks at the text around a keyword.
type Rule = fn(&Spot<'_>) -> Option<Candidate>;
