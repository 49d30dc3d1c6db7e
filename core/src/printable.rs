//! Strings from images, registries and kernels are hostile: before a person or a terminal sees one, control characters
//! (escape sequences, line breaks, bidirectional overrides) are taken out and the length is bounded.

/// `text` as one printable line of at most `max` characters; what was cut is marked by `…`.
#[must_use]
pub fn line(text: &str, max: usize) -> String {
    let mut clean = text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c });
    let mut out: String = clean.by_ref().take(max).collect();
    if clean.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn escapes_and_bidi_overrides_are_replaced() {
        assert_eq!(line("a\x1b[31mb\nc\u{202e}d", 50), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(line("abcdef", 4), "abc…");
        assert_eq!(line("abcd", 4), "abcd");
    }
}
