//! Text inside XML and HTML: one rule of escaping for both, in element content and in quoted attributes.

use breakwater_core::printable;

/// The longest text from an image or an advisory that a page shows, in characters.
pub(crate) const MAX_TEXT: usize = 500;

/// `text` as one line that markup cannot be broken by. Control characters, which XML 1.0 has no way to write, are taken out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable::line(text, MAX_TEXT).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 §2.2 has these two outside of its characters.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(
            escape("<script a='1' b=\"2\">&\0\n\u{ffff}"),
            "&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}\u{fffd}"
        );
    }
}
