//! Maven (POM reference, "Version Order Specification"): dots, hyphens and changes between digits and letters divide; what is null
//! (0, `final`, `ga`, `release`) is trimmed before each hyphen and at the end.

use std::cmp::Ordering;

use super::numbers;

/// Maven accepts any string as a version; those that start with a number are the ones whose order means something.
pub(super) fn is_version(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let (left, right) = (tokens(&left), tokens(&right));
    for place in 0..left.len().max(right.len()) {
        let order = match (left.get(place), right.get(place)) {
            (Some(left), Some(right)) => left.cmp(right),
            (Some(left), None) => left.cmp(&left.padding()),
            (None, Some(right)) => right.padding().cmp(right),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// In order: a qualifier, whatever divides it off, is less than a number after a hyphen, and that less than one after a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// Rank among the known qualifiers (unknown ones are above all of them) and the word.
    Qualifier(u8, &'a str),
    HyphenNumber(Number<'a>),
    DotNumber(Number<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number<'a>(&'a str);

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        numbers::compare(self.0, other.0)
    }
}
impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const RELEASE: Token<'_> = Token::Qualifier(5, "");

impl<'a> Token<'a> {
    fn number(digits: &'a str, hyphen: bool) -> Self {
        let number = Number(numbers::significant(digits));
        if hyphen { Token::HyphenNumber(number) } else { Token::DotNumber(number) }
    }

    fn qualifier(word: &'a str, before_digit: bool) -> Self {
        match word {
            "a" if before_digit => Token::Qualifier(0, ""),
            "b" if before_digit => Token::Qualifier(1, ""),
            "m" if before_digit => Token::Qualifier(2, ""),
            "alpha" => Token::Qualifier(0, ""),
            "beta" => Token::Qualifier(1, ""),
            "milestone" => Token::Qualifier(2, ""),
            "rc" | "cr" => Token::Qualifier(3, ""),
            "snapshot" => Token::Qualifier(4, ""),
            "" | "final" | "ga" | "release" => RELEASE,
            "sp" => Token::Qualifier(6, ""),
            other => Token::Qualifier(7, other),
        }
    }

    fn is_null(&self) -> bool {
        match self {
            Token::Qualifier(..) => *self == RELEASE,
            Token::HyphenNumber(number) | Token::DotNumber(number) => number.0.is_empty(),
        }
    }

    /// What a shorter version is compared with at this place.
    fn padding(&self) -> Self {
        match self {
            Token::DotNumber(_) => Token::DotNumber(Number("")),
            Token::HyphenNumber(_) | Token::Qualifier(..) => RELEASE,
        }
    }
}

fn tokens(version: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut hyphen) = (version, false);
    loop {
        let first_digit = rest.starts_with(|c: char| c.is_ascii_digit());
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b'.' | b'-' | b'_') || byte.is_ascii_digit() != first_digit)
            .unwrap_or(rest.len());
        let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let before_digit = after.starts_with(|c: char| c.is_ascii_digit());
        let token = if first_digit || text.is_empty() {
            Token::number(text, hyphen)
        } else {
            Token::qualifier(text, before_digit)
        };
        if hyphen {
            trim(&mut tokens);
        }
        tokens.push(token);
        (rest, hyphen) = match after.bytes().next() {
            None => break,
            Some(b'.') => (after.get(1..).unwrap_or_default(), false),
            Some(b'-' | b'_') => (after.get(1..).unwrap_or_default(), true),
            Some(_) => (after, true),
        };
    }
    trim(&mut tokens);
    tokens
}

fn trim(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::is_null) {
        tokens.pop();
    }
}
