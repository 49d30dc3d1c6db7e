//! Everything that a cluster needs of this machine, checked before anything is made or removed.

use std::fs;
use std::path::Path;

use crate::command::{command, output, succeeds};
use crate::{Error, Progress, Result, cgroup, disk, package};

/// The oldest Go that builds the cluster's programs.
const GO: (u32, u32) = (1, 25);

/// Fails with the first thing that is missing; installs packages where [`package::install_missing`] can.
pub(crate) fn require(state: &Path, progress: &Progress) -> Result<()> {
    package::require_root()?;
    disk::require(state)?;
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.trim_end().ends_with("overlay")) {
        return Err(Error::KernelLacks { feature: "overlay file system", needed_for: "containerd" });
    }
    cgroup::require()?;
    package::install_missing(progress)?;
    go(&output(&mut command(["go", "env", "GOVERSION"]))?)?;
    network()
}

/// Tries in a network and mount namespace that end with the command: nothing of it stays.
fn network() -> Result<()> {
    let tries = |words: &[&str]| succeeds(command(["unshare", "--net", "--mount", "--"]).args(words));
    for (words, feature, needed_for) in [
        (&["true"][..], "network and mount namespaces", "the node"),
        (
            &["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"],
            "veth pair",
            "the node's network",
        ),
        (&["ip", "link", "add", "probe0", "type", "bridge"], "bridge", "the pods' network"),
        (&["iptables", "-t", "nat", "-S"], "iptables nat table", "kube-proxy"),
    ] {
        if !tries(words) {
            return Err(Error::KernelLacks { feature, needed_for });
        }
    }
    Ok(())
}

/// Checks what `go env GOVERSION` prints: `go1.25.3`; of a development version it cannot be told.
fn go(version: &str) -> Result<()> {
    let mut numbers = version.trim().trim_start_matches("go").split(['.', 'r', 'b', ' ', '-']);
    let mut number = || numbers.next().and_then(|number| number.parse().ok());
    match (number(), number()) {
        (Some(major), Some(minor)) if (major, minor) < GO => {
            Err(Error::GoTooOld { found: version.trim().to_owned(), needed: format!("go{}.{}", GO.0, GO.1) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_may_be_newer_and_not_older() {
        for version in ["go1.25", "go1.25.3\n", "go1.26rc1", "go2.0", "devel go1.27-abc"] {
            go(version).unwrap();
        }
        let old = go("go1.19.8\n").unwrap_err();
        assert_eq!(old.to_string(), "Go is too old: go1.19.8, go1.25 or newer is needed (https://go.dev/dl)");
    }
}
