//! What the terminal can show, and what may be shown on it.

use std::io::IsTerminal;

use breakwater_core::{Severity, printable};

/// Colours for a stream; none when it is no terminal or NO_COLOR is set (<https://no-color.org>).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    colours: bool,
}

impl Palette {
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: std::io::stdout().is_terminal() && !refused }
    }

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
    let (stem, plural) = match noun.strip_suffix('y') {
        Some(stem) => (stem, "ies"),
        None => (noun, "s"),
    };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {stem}{plural}") }
}
