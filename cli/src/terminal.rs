//! What the terminal can show, and what may be shown on it.

use std::fmt::Write as _;
use std::io::IsTerminal;

use breakwater_core::{Severity, printable};

/// The longest text of one piece that a report for people shows, in characters.
const MAX_TEXT: usize = 600;

/// Colours for a stream: what `CLICOLOR_FORCE` and `NO_COLOR` say (<https://bixense.com/clicolors>, <https://no-color.org>; the second
/// wins), else whether it is a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    colours: bool,
}

impl Palette {
    pub(crate) fn of_stdout() -> Self {
        let says = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let forced = says("CLICOLOR_FORCE");
        let off = std::env::var_os("CLICOLOR").is_some_and(|value| value == "0");
        let terminal = std::io::stdout().is_terminal() && !off;
        Self { colours: !refused && (forced || terminal) }
    }

    pub(crate) const PLAIN: Self = Self { colours: false };

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn severity(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Critical => "1;31",
            Severity::High => "31",
            Severity::Medium => "33",
            Severity::Low => "34",
            Severity::Unknown => "2",
        };
        self.paint(code, text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What a report for people is written on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) palette: Palette,
    /// In columns.
    pub(crate) width: usize,
}

impl Page {
    /// No report is wider, nor is one squeezed below the second.
    const WIDTHS: (usize, usize) = (80, 60);

    pub(crate) fn of_a_file() -> Self {
        Self { palette: Palette::PLAIN, width: Self::WIDTHS.0 }
    }

    pub(crate) fn of_stdout() -> Self {
        let (most, least) = Self::WIDTHS;
        let columns =
            rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let width = if columns == 0 { most } else { columns.clamp(least, most) };
        Self { palette: Palette::of_stdout(), width }
    }

    /// Text from anywhere that must be read to its end: on as many lines as it takes, at most [`MAX_TEXT`] characters.
    pub(crate) fn text(self, out: &mut String, indent: usize, text: &str) -> std::fmt::Result {
        let rows = wrap(&printable::line(text, MAX_TEXT), self.width.saturating_sub(indent));
        rows.iter().try_for_each(|row| writeln!(out, "{:indent$}{row}", ""))
    }

    /// One line of text from anywhere, indented and cut to the page.
    pub(crate) fn line(self, out: &mut String, indent: usize, text: &str) -> std::fmt::Result {
        writeln!(out, "{:indent$}{}", "", printable::line(text, self.width.saturating_sub(indent)))
    }
}

/// Breaks one printable line at spaces, and words that are longer than a row anywhere.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        for (place, piece) in letters.chunks(width.max(1)).enumerate() {
            let gap = usize::from(place == 0 && used > 0);
            let fits = used + gap + piece.len() <= width;
            if !fits {
                rows.push(String::new());
                used = 0;
            }
            if let Some(row) = rows.last_mut() {
                if fits && gap == 1 {
                    row.push(' ');
                    used += 1;
                }
                row.extend(piece);
                used += piece.len();
            }
        }
    }
    rows
}

/// A line that is written over while something is going on; nothing at all when standard error is no terminal.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    visible: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { visible: std::io::stderr().is_terminal() }
    }

    pub(crate) fn show(&self, text: &str) {
        if self.visible {
            eprint!("\r\x1b[2K{}", printable::line(text, 79));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.visible {
            eprint!("\r\x1b[2K");
        }
    }
}

/// `breakwater … | head` must not end in a panic about a closed pipe: the thread that prints ends the process instead.
pub(crate) fn end_quietly_on_closed_pipe() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.contains("Broken pipe") {
            std::process::exit(0);
        }
        hook(panic);
    }));
}

/// `1 package`, `2 packages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    // A vowel before it keeps the y: days.
    let (stem, plural) = match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => (stem, "ies"),
        _ => (noun, "s"),
    };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {stem}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::{count, wrap};

    #[test]
    fn nouns_have_plurals() {
        assert_eq!(count(1, "day"), "1 day");
        assert_eq!(count(2, "day"), "2 days");
        assert_eq!(count(0, "advisory"), "0 advisories");
    }

    #[test]
    fn text_is_broken_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghijk b", 5), ["a", "abcde", "fghij", "k b"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
