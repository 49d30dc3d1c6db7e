//! Running other programs: captured, quiet, with their last words in the error.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::{Error, Result};

/// Bytes of a program's output kept for an error message.
const TAIL: usize = 4096;

/// A command from words.
pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut words = words.into_iter();
    let mut command = match words.next() {
        Some(program) => Command::new(program),
        None => Command::new("true"),
    };
    command.args(words);
    command
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| unstartable(command, source))?;
    judged(command, output)
}

/// As [`output`], with `input` on its standard input.
pub(crate) fn output_of(command: &mut Command, input: &[u8]) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| unstartable(command, source))?;
    let output = std::thread::scope(|scope| {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends early closes the pipe; its exit status says why.
            scope.spawn(move || stdin.write_all(input).ok());
        }
        child.wait_with_output()
    });
    let output = output.map_err(|source| unstartable(command, source))?;
    judged(command, output)
}

/// Whether a command succeeds; what it says is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// A command whose output belongs on this terminal.
pub(crate) fn shown(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().map_err(|source| unstartable(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed { command: line(command), status: status.to_string(), stderr: String::new() })
}

/// The end of a text, at most [`TAIL`] bytes of it.
pub(crate) fn tail(text: &[u8]) -> String {
    let text = text.get(text.len().saturating_sub(TAIL)..).unwrap_or(text);
    String::from_utf8_lossy(text).trim_end().to_owned()
}

fn judged(command: &Command, output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = if output.stderr.is_empty() { tail(&output.stdout) } else { tail(&output.stderr) };
    Err(Error::Failed { command: line(command), status: output.status.to_string(), stderr })
}

pub(crate) fn unstartable(command: &Command, source: std::io::Error) -> Error {
    Error::Unstartable { command: line(command), source }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
