//! The programs of the operating system that a cluster needs, and Debian's packages that hold them.

use std::env::{split_paths, var_os};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{command, output};
use crate::error::AtPath;
use crate::{Error, Progress, Result};

/// A program (or a file by its whole path) and its package.
const NEEDED: [(&str, &str); 17] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("docker-registry", "docker-registry"),
    ("htpasswd", "apache2-utils"),
    ("buildah", "buildah"),
    ("skopeo", "skopeo"),
    ("mmdebstrap", "mmdebstrap"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("sysctl", "procps"),
    ("cc", "gcc"),
    ("/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
];

/// Programs that Debian 12 has too old or not at all: people install them themselves.
const NEEDED_BY_HAND: [(&str, &str); 4] = [
    ("go", "Go 1.25 or newer (https://go.dev/dl)"),
    ("cargo", "Rust (https://rustup.rs)"),
    ("pip3", "pip for Python 3 (python3-pip)"),
    ("npm", "npm 9 or newer (npm)"),
];

/// Where administrators' programs lie even if the caller's PATH does not say so.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/usr/local/go/bin"];

/// Fails unless we are root.
pub(crate) fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}

/// Installs what is missing if this is Debian and we are root; says what is missing otherwise.
pub(crate) fn install_missing(progress: &Progress) -> Result<()> {
    let by_hand: Vec<_> = NEEDED_BY_HAND.iter().filter(|(program, _)| !present(program)).collect();
    if !by_hand.is_empty() {
        return Err(missing(by_hand));
    }
    let absent: Vec<_> = NEEDED.iter().filter(|(program, _)| !present(program)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() || !present("apt-get") {
        return Err(missing(absent));
    }
    let mut packages: Vec<_> = absent.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    progress.step(&format!("install {}", packages.join(" ")), || install(&packages))?;
    let absent: Vec<_> = NEEDED.iter().filter(|(program, _)| !present(program)).collect();
    if absent.is_empty() { Ok(()) } else { Err(missing(absent)) }
}

fn missing(absent: Vec<&(&str, &str)>) -> Error {
    let column = |pick: fn(&(&str, &str)) -> String| {
        let mut names: Vec<_> = absent.iter().map(|entry| pick(entry)).collect();
        names.dedup();
        names.join(" ")
    };
    Error::Missing { programs: column(|e| e.0.to_owned()), packages: column(|e| e.1.to_owned()) }
}

fn present(program: &str) -> bool {
    let path = var_os("PATH").unwrap_or_default();
    let directories = split_paths(&path).chain(DIRECTORIES.iter().map(PathBuf::from));
    Path::new(program).is_absolute() && Path::new(program).exists()
        || directories.into_iter().any(|directory| directory.join(program).is_file())
}

fn install(packages: &[&str]) -> Result<()> {
    // Debian starts the services of what it installs unless this program says no; ours run in the node alone.
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let ours = !policy.exists();
    if ours {
        fs::write(policy, "#!/bin/sh\nexit 101\n").at(policy)?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755)).at(policy)?;
    }
    let installed = output(&mut apt_get("install", packages)).or_else(|_| {
        // No list of packages yet, or one so old that it names files that are gone.
        output(&mut apt_get("update", &[]))?;
        output(&mut apt_get("install", packages))
    });
    if ours {
        fs::remove_file(policy).at(policy)?;
    }
    installed.map(drop)
}

fn apt_get(what: &str, packages: &[&str]) -> Command {
    let mut command = command(["apt-get", what, "--yes"]);
    if what == "install" {
        command.args(["--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]);
    }
    command.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
