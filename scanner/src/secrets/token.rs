//! Tokens whose issuer gave them a form: a prefix, an alphabet, a length.

use std::ops::RangeInclusive;

use super::{Candidate, Certainty, Spot, placeholder::is_sample_token, randomness::bits};

/// Bits a letter below which a token of 16 letters or more was not generated. Of a million random tokens of 16 letters of 32, none is.
const MIN_BITS: f64 = 2.5;

/// A form of token.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) rule: &'static str,
    pub(super) prefix: &'static str,
    /// Letters of what follows the prefix; the first that is none ends it.
    pub(super) alphabet: fn(u8) -> bool,
    /// Length of what follows the prefix.
    pub(super) length: RangeInclusive<usize>,
    /// What else is known of what follows the prefix.
    pub(super) check: fn(&[u8]) -> bool,
}

impl Token {
    pub(super) const fn new(
        rule: &'static str,
        prefix: &'static str,
        alphabet: fn(u8) -> bool,
        length: RangeInclusive<usize>,
    ) -> Self {
        Self { rule, prefix, alphabet, length, check: |_| true }
    }

    pub(super) const fn only_if(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = check;
        self
    }

    pub(super) fn at(&self, spot: &Spot<'_>) -> Option<Candidate> {
        // A run of the alphabet is looked at once, at its beginning: whatever a text is made of, the search stays linear.
        let continues = spot.before().last().is_some_and(|last| (self.alphabet)(*last) && *last != b'/');
        if !spot.begins_word() || continues && !spot.follows_escape() {
            return None;
        }
        let body = run(spot.after(), self.alphabet, *self.length.end() + 1);
        let is_one = self.length.contains(&body.len())
            && (self.check)(body)
            && bits(body) >= MIN_BITS
            && !is_sample_token(body);
        is_one.then(|| Candidate {
            rule: self.rule,
            value: spot.at..spot.end() + body.len(),
            certainty: Certainty::Random,
        })
    }
}

/// The longest beginning of `text` in `alphabet`, up to `most` bytes.
pub(super) fn run(text: &[u8], alphabet: fn(u8) -> bool, most: usize) -> &[u8] {
    let length = text.iter().take(most).take_while(|byte| alphabet(**byte)).count();
    text.get(..length).unwrap_or_default()
}

pub(super) fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

pub(super) fn letters(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

pub(super) fn hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Letters, digits and `_`.
pub(super) fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// RFC 4648, "URL and Filename safe" base64.
pub(super) fn base64url(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

/// The same, and the dots between parts.
pub(super) fn dotted(byte: u8) -> bool {
    base64url(byte) || byte == b'.'
}

/// RFC 4648 base64 with its padding.
pub(super) fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
