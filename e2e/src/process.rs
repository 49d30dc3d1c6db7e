//! Processes that outlive the command that started them, known by pid *and* start time, so that a recycled pid is
//! never taken for ours.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::AtPath;
use crate::layout::write;
use crate::{Error, Result, clock};

/// One process for its whole life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks after boot (proc(5), `/proc/pid/stat` field 22).
    started: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    boot: String,
}

impl Process {
    /// The living process with this pid.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may itself hold blanks and parentheses.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started, boot })
    }

    /// Reads what [`Process::record`] wrote; nothing if there is no such file.
    pub(crate) fn recorded(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.at(path)?,
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
    }

    pub(crate) fn record(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self);
        write(path, text.map_err(|source| Error::Unreadable { path: path.to_owned(), source })?)
    }

    pub(crate) fn alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Asks it to end; after `grace` ends it.
    pub(crate) fn stop(&self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM);
        if clock::wait("end of a process", grace, || !self.alive()).is_ok() {
            return Ok(());
        }
        self.kill()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL);
        clock::wait(&format!("end of process {}", self.pid), Duration::from_secs(10), || !self.alive())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // The descriptor pins the process, so that what is compared is what is signalled.
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(pinned) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.alive() {
            pidfd_send_signal(&pinned, signal).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_pid_is_another_process() {
        let ours = Process::of(std::process::id() as i32).unwrap();
        assert!(ours.alive());
        let earlier = Process { started: ours.started - 1, ..ours };
        assert!(!earlier.alive());
        earlier.kill().unwrap(); // and we are still here
    }

    #[test]
    fn stop_ends_a_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id() as i32).unwrap();
        process.stop(Duration::from_secs(5)).unwrap();
        assert!(!process.alive());
        child.wait().unwrap();
    }
}
