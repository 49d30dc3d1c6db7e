//! What was rendered goes where it was asked for.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;

/// Writes to a file, or to standard output. A reader that went away (`| head`) has seen enough: that is no failure.
pub(crate) fn deliver(text: &str, file: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = file {
        return std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
