//! What is being done, and how long it took.

use std::io::{Write, stderr};
use std::time::Instant;

use crate::{Result, clock};

/// Prints one line per step with its seconds to standard error.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Counting from now.
    pub fn new() -> Self {
        Self { start: clock::now() }
    }

    /// Runs a step; its line is completed with the seconds it took, or with `failed`.
    pub fn step<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = clock::now();
        let result = run();
        let mark = if result.is_ok() { "✓" } else { "✗" };
        self.line(&format!("{mark} {:6.1} s  {what}", start.elapsed().as_secs_f64()));
        result
    }

    /// A line about the whole, with the seconds since the beginning.
    pub fn done(&self, what: &str) {
        self.line(&format!("= {:6.1} s  {what}", self.start.elapsed().as_secs_f64()));
    }

    /// Announces a step that takes minutes, so that nobody thinks it hangs.
    pub fn note(&self, what: &str) {
        self.line(&format!("  …         {what}"));
    }

    fn line(&self, text: &str) {
        // Progress that cannot be shown is no reason to stop.
        writeln!(stderr().lock(), "{text}").ok();
    }
}
