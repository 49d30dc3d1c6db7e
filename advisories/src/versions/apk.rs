//! apk-tools: `digits{.digits}[letter]{_suffix[digits]}[~hash][-rN]`.

use std::cmp::Ordering;

use super::numbers;

pub(super) fn is_version(version: &str) -> bool {
    let mut tokens = Tokens::new(version);
    loop {
        match tokens.next_token() {
            Token::End => return true,
            Token::Invalid(_) => return false,
            _ => {}
        }
    }
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (mut left_tokens, mut right_tokens) = (Tokens::new(left), Tokens::new(right));
    loop {
        let (left, right) = (left_tokens.next_token(), right_tokens.next_token());
        if left.kind() == right.kind() {
            let order = left.compare_value(&right);
            if order != Ordering::Equal || matches!(left, Token::End | Token::Invalid(_)) {
                return order;
            }
            continue;
        }
        // Where the kinds part, a pre-release suffix is less than anything; else the kind that comes earlier is more.
        return match (left.is_pre_release(), right.is_pre_release()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => right.kind().cmp(&left.kind()),
        };
    }
}

/// In the order of their place in a version.
enum Token<'a> {
    First(&'a str),
    Digits(&'a str),
    Letter(u8),
    Suffix(i8),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
    Invalid(&'a str),
}

/// Below zero: before the release; above: after it.
const SUFFIXES: [(&str, i8); 9] = [
    ("alpha", -4),
    ("beta", -3),
    ("pre", -2),
    ("rc", -1),
    ("cvs", 1),
    ("svn", 2),
    ("git", 3),
    ("hg", 4),
    ("p", 5),
];

impl Token<'_> {
    fn kind(&self) -> u8 {
        match self {
            Token::First(_) => 0,
            Token::Digits(_) => 1,
            Token::Letter(_) => 2,
            Token::Suffix(_) => 3,
            Token::SuffixNumber(_) => 4,
            Token::Hash(_) => 5,
            Token::Revision(_) => 6,
            Token::End => 7,
            Token::Invalid(_) => 8,
        }
    }

    fn is_pre_release(&self) -> bool {
        matches!(self, Token::Suffix(rank) if *rank < 0)
    }

    fn compare_value(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Gentoo's rule, which apk follows: with a leading zero, digits after a dot are a fraction.
            (Token::Digits(left), Token::Digits(right))
                if left.starts_with('0') || right.starts_with('0') =>
            {
                left.cmp(right)
            }
            (Token::First(left), Token::First(right))
            | (Token::Digits(left), Token::Digits(right))
            | (Token::SuffixNumber(left), Token::SuffixNumber(right))
            | (Token::Revision(left), Token::Revision(right)) => numbers::compare(left, right),
            (Token::Letter(left), Token::Letter(right)) => left.cmp(right),
            (Token::Suffix(left), Token::Suffix(right)) => left.cmp(right),
            (Token::Hash(left), Token::Hash(right)) | (Token::Invalid(left), Token::Invalid(right)) => {
                left.cmp(right)
            }
            _ => Ordering::Equal,
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
    /// The kind of the token before; `None` at the start.
    previous: Option<u8>,
}

impl<'a> Tokens<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version, previous: None }
    }

    fn next_token(&mut self) -> Token<'a> {
        let token = self.read();
        self.previous = Some(token.kind());
        token
    }

    fn read(&mut self) -> Token<'a> {
        let Some(previous) = self.previous else {
            return self.digits("").map_or(Token::Invalid(self.rest), Token::First);
        };
        if self.rest.is_empty() {
            return Token::End;
        }
        if previous <= 1 {
            if let Some(digits) = self.digits(".") {
                return Token::Digits(digits);
            }
            if let Some(letter) = self.rest.bytes().next().filter(u8::is_ascii_lowercase) {
                self.rest = self.rest.get(1..).unwrap_or_default();
                return Token::Letter(letter);
            }
        }
        if previous == 3
            && let Some(digits) = self.digits("")
        {
            return Token::SuffixNumber(digits);
        }
        if previous <= 4 {
            if let Some(suffix) = self.rest.strip_prefix('_')
                && let Some((name, rank)) = SUFFIXES.iter().find(|(name, _)| word(suffix) == *name)
            {
                self.rest = suffix.get(name.len()..).unwrap_or_default();
                return Token::Suffix(*rank);
            }
            if let Some(hash) = self.rest.strip_prefix('~') {
                let end = hash.bytes().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(hash.len());
                if let Some((hash, rest)) = hash.split_at_checked(end).filter(|(hash, _)| !hash.is_empty()) {
                    self.rest = rest;
                    return Token::Hash(hash);
                }
            }
        }
        if previous <= 5
            && let Some(digits) = self.digits("-r")
        {
            return Token::Revision(digits);
        }
        Token::Invalid(self.rest)
    }

    fn digits(&mut self, prefix: &str) -> Option<&'a str> {
        let (digits, rest) = numbers::leading(self.rest.strip_prefix(prefix)?);
        if digits.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(digits)
    }
}

fn word(text: &str) -> &str {
    let end = text.bytes().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}
