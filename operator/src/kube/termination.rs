//! Why the process ended: the last line of its log, and the container's termination message, which `kubectl describe pod` shows.

use std::{fs::OpenOptions, io::Write, panic, path::Path};

use breakwater_core::printable;

/// `terminationMessagePath` where a container names none. The kubelet puts the file there; elsewhere there is none.
pub const MESSAGE_PATH: &str = "/dev/termination-log";
/// The kubelet shows at most so many bytes of the file (`MaxContainerTerminationMessageLength`).
const MAX_MESSAGE: usize = 4096;

/// Leaves the reason as a line of the log and in the termination message at `path`.
///
/// What an earlier panic left in the message is replaced: a request that panicked does not end the process.
pub fn record_failure(path: &Path, reason: &str) {
    tracing::error!(error = reason, "the operator ends");
    write_message(path, reason);
}

/// As [`record_failure`], for a stop that was asked for.
pub fn record_stop(path: &Path) {
    tracing::info!("ended as asked");
    write_message(path, "ended as asked");
}

/// Makes each panic of any thread a line of the log and the termination message. A panic that the process survives is replaced in the
/// message when it ends.
pub fn report_panics(path: &'static Path) {
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text =
            text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        tracing::error!(%thread, %place, text, "panicked");
        write_message(path, &format!("thread {thread} panicked at {place}: {text}"));
    }));
}

/// Replaces the message where the kubelet has made the file, and makes none: outside of a container there is no reader.
fn write_message(path: &Path, reason: &str) {
    let written = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(message(reason).as_bytes()));
    if let Err(error) = written {
        tracing::debug!(%error, path = %path.display(), "the termination message was not written");
    }
}

/// The reason in one line of at most [`MAX_MESSAGE`] bytes.
fn message(reason: &str) -> String {
    let mut line = printable::line(reason, MAX_MESSAGE);
    let mut end = MAX_MESSAGE.min(line.len());
    while !line.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    line.truncate(end);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_fits() {
        assert_eq!(message("a\nb"), "a\u{fffd}b");
        let long = message(&"ü".repeat(MAX_MESSAGE));
        assert!(long.len() <= MAX_MESSAGE && long.starts_with('ü'));
    }

    #[test]
    fn the_message_is_replaced_where_the_kubelet_made_the_file_and_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("termination-log");
        record_failure(&path, "the lease could not be renewed in time");
        assert!(!path.exists());
        std::fs::write(&path, "something longer than what follows, left by a panic").unwrap();
        record_failure(&path, "lease failed");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "lease failed");
        record_stop(&path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ended as asked");
    }
}
