use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern over names: `*` stands for any run of characters but `/`, `**` for any run, `?` for one character but `/`.
///
/// Matching takes time proportional to pattern × text, whatever the pattern: there is no exponential case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGlob {
    #[error("the pattern is empty")]
    Empty,
    #[error("the pattern is too long: {0} bytes, at most {MAX_GLOB} are allowed")]
    TooLong(usize),
    #[error("the pattern has a blank or control character")]
    Character,
}

/// Texts shorter than this, in bytes, have a position for each bit of a `u128`, and one for the end.
const MAX_SHORT: usize = 127;
/// The longest pattern, in bytes.
pub const MAX_GLOB: usize = 512;

impl Glob {
    pub fn new(pattern: &str) -> Result<Self, InvalidGlob> {
        match pattern {
            "" => Err(InvalidGlob::Empty),
            long if long.len() > MAX_GLOB => Err(InvalidGlob::TooLong(long.len())),
            odd if odd.chars().any(|c| c.is_whitespace() || c.is_control()) => Err(InvalidGlob::Character),
            _ => Ok(Self(pattern.to_owned())),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let pattern = self.0.as_str();
        // Most patterns are literal, or differ from the text before their first wildcard.
        let Some(wildcard) = pattern.find(['*', '?']) else { return pattern == text };
        let literal = pattern.get(..wildcard).unwrap_or_default();
        text.starts_with(literal)
            && if text.len() < MAX_SHORT && text.is_ascii() && pattern.is_ascii() {
                self.matches_short(text.as_bytes())
            } else {
                self.matches_all(text)
            }
    }

    /// [`Self::matches_all`] with the reachable positions as bits of one number: almost every name is short and ASCII.
    fn matches_short(&self, text: &[u8]) -> bool {
        let positions = |holds: &dyn Fn(u8) -> bool| {
            text.iter().rev().fold(0_u128, |bits, &byte| bits << 1 | u128::from(holds(byte)))
        };
        let inside = positions(&|byte| byte != b'/');
        let end = 1_u128 << text.len();
        let mut reachable = 1_u128;
        let mut pattern = self.0.bytes().peekable();
        while let Some(token) = pattern.next() {
            if reachable == 0 {
                return false;
            }
            reachable = match token {
                b'*' if pattern.next_if_eq(&b'*').is_some() => u128::MAX << reachable.trailing_zeros(),
                b'*' => {
                    // Doubles the length of the steps: `crossed` has the positions from which a step can be taken.
                    let (mut reached, mut crossed) = (reachable, inside);
                    for step in [1, 2, 4, 8, 16, 32, 64] {
                        reached |= (reached & crossed) << step;
                        crossed &= crossed >> step;
                    }
                    reached
                }
                b'?' => (reachable & inside) << 1,
                _ => (reachable & positions(&|byte| byte == token)) << 1,
            };
        }
        reachable & end != 0
    }

    fn matches_all(&self, text: &str) -> bool {
        // reachable[j]: the pattern read so far matches the first j characters.
        let text: Vec<char> = text.chars().collect();
        let mut reachable = vec![false; text.len() + 1];
        if let Some(start) = reachable.first_mut() {
            *start = true;
        }
        let mut pattern = self.0.chars().peekable();
        while let Some(token) = pattern.next() {
            let deep = token == '*' && pattern.next_if_eq(&'*').is_some();
            let mut next = vec![false; text.len() + 1];
            if token == '*' {
                let mut alive = false;
                for (j, (slot, &was)) in next.iter_mut().zip(&reachable).enumerate() {
                    let crossed =
                        j.checked_sub(1).and_then(|i| text.get(i)).is_none_or(|&c| deep || c != '/');
                    alive = was || (alive && crossed);
                    *slot = alive;
                }
            } else {
                for ((slot, &was), &c) in next.iter_mut().skip(1).zip(&reachable).zip(&text) {
                    *slot = was && (c == token || (token == '?' && c != '/'));
                }
            }
            reachable = next;
        }
        reachable.last().copied().unwrap_or(false)
    }
}

impl TryFrom<String> for Glob {
    type Error = InvalidGlob;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Self::new(&pattern)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn table() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "abc", true),
            ("a*", "a", true),
            ("docker.io/*", "docker.io/library/nginx", false),
            ("docker.io/**", "docker.io/library/nginx", true),
            ("*/library/nginx", "docker.io/library/nginx", true),
            ("**", "", true),
            ("?", "/", false),
            ("a?c", "abc", true),
            ("**/nginx", "docker.io/library/nginx", true),
            ("a**b*c", "a/x/byyc", true),
            ("a**b*c", "a/x/by/c", false),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert_eq!(
                (glob.matches(text), glob.matches_all(text)),
                (expected, expected),
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn hostile_patterns_are_linear_in_pattern_times_text() {
        let pattern = Glob::new(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(199)));
        assert!(pattern.matches(&"a".repeat(5_000)));
    }

    proptest::proptest! {
        #[test]
        fn short_and_long_texts_are_matched_alike(pattern in "[ab/*?]{1,8}", text in "[ab/]{0,9}", repeat in 1..16_usize) {
            let pattern = Glob::new(&pattern).unwrap();
            let text = text.repeat(repeat);
            proptest::prop_assert_eq!(pattern.matches(&text), pattern.matches_all(&text));
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for bad in ["", "a b", "a\n", &"a".repeat(513)] {
            assert!(Glob::new(bad).is_err(), "{bad:?}");
        }
    }
}
