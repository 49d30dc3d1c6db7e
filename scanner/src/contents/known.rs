//! The names.

use breakwater_core::inventory::SoftwareSet::{
    self, Compilers, Debuggers, NetworkTools, PackageManagers, Shells,
};

/// Executables, by their exact name.
const FILES: [(SoftwareSet, &[&str]); 5] = [
    (
        PackageManagers,
        &[
            "apk",
            "apt",
            "apt-get",
            "aptitude",
            "cargo",
            "composer",
            "conda",
            "cpan",
            "dnf",
            "dpkg",
            "easy_install",
            "gem",
            "mamba",
            "microdnf",
            "npm",
            "npx",
            "pacman",
            "pip",
            "pipx",
            "pnpm",
            "poetry",
            "rpm",
            "tdnf",
            "uv",
            "yarn",
            "yum",
            "zypper",
        ],
    ),
    (
        NetworkTools,
        &[
            "arping",
            "aria2c",
            "curl",
            "dig",
            "ftp",
            "host",
            "hping3",
            "lftp",
            "masscan",
            "nc",
            "nc.openbsd",
            "nc.traditional",
            "ncat",
            "netcat",
            "nmap",
            "nslookup",
            "rsync",
            "scp",
            "sftp",
            "socat",
            "ssh",
            "sshd",
            "tcpdump",
            "telnet",
            "tftp",
            "tshark",
            "wget",
        ],
    ),
    (
        Shells,
        &["ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "pwsh", "rbash", "sh", "tcsh", "zsh"],
    ),
    (
        Compilers,
        &[
            "as", "c++", "c89", "c99", "cc", "clang", "clang++", "g++", "gcc", "gfortran", "go", "javac",
            "ld", "make", "rustc", "tcc",
        ],
    ),
    (Debuggers, &["bpftrace", "dlv", "gdb", "gdbserver", "lldb", "ltrace", "perf", "strace", "valgrind"]),
];

/// One executable that is many programs, a shell and network tools among them.
const MULTI_CALL: [&str; 2] = ["busybox", "toybox"];

/// Distributions' packages that go by another name than their executable, and the executable they stand for.
const PACKAGES: [(SoftwareSet, &str, &str); 24] = [
    (PackageManagers, "apk-tools", "apk"),
    (PackageManagers, "python3-pip", "pip"),
    (PackageManagers, "py3-pip", "pip"),
    (PackageManagers, "rubygems", "gem"),
    (PackageManagers, "yarnpkg", "yarn"),
    (NetworkTools, "bind9-dnsutils", "dig"),
    (NetworkTools, "bind9-host", "host"),
    (NetworkTools, "bind-tools", "dig"),
    (NetworkTools, "dnsutils", "dig"),
    (NetworkTools, "aria2", "aria2c"),
    (NetworkTools, "iputils-arping", "arping"),
    (NetworkTools, "inetutils-telnet", "telnet"),
    (NetworkTools, "netcat-openbsd", "nc"),
    (NetworkTools, "netcat-traditional", "nc"),
    (NetworkTools, "nmap-ncat", "ncat"),
    (NetworkTools, "openssh", "ssh"),
    (NetworkTools, "openssh-client", "ssh"),
    (NetworkTools, "openssh-server", "sshd"),
    (NetworkTools, "tftp-hpa", "tftp"),
    (Shells, "powershell", "pwsh"),
    (Shells, "loksh", "ksh"),
    (Compilers, "binutils", "ld"),
    (Compilers, "golang-go", "go"),
    (Debuggers, "linux-perf", "perf"),
];

/// Executables that carry a version or a target in their name, as `x86_64-linux-gnu-gcc-12`, `python3-pip`, `pip3.11`.
const VERSIONED: [(SoftwareSet, &str); 8] = [
    (PackageManagers, "pip"),
    (Compilers, "gcc"),
    (Compilers, "g++"),
    (Compilers, "clang"),
    (Compilers, "clang++"),
    (Compilers, "gfortran"),
    (Debuggers, "lldb"),
    (Debuggers, "perf"),
];

/// What an executable of this name is; of many uses, each.
pub(super) fn by_file(name: &str) -> Vec<(SoftwareSet, &'static str)> {
    if let Some(known) =
        MULTI_CALL.iter().find(|known| **known == name || name.strip_suffix(".static") == Some(**known))
    {
        return vec![(NetworkTools, known), (Shells, known)];
    }
    exact(name)
        .or_else(|| {
            let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
            let tool = bare.rsplit_once("-linux-gnu-").map_or(bare, |(_, tool)| tool);
            let tool = tool.rsplit_once("-linux-musl-").map_or(tool, |(_, tool)| tool);
            VERSIONED.into_iter().find(|(_, known)| *known == tool)
        })
        .into_iter()
        .collect()
}

pub(super) fn by_package(name: &str) -> Option<(SoftwareSet, &'static str)> {
    let renamed =
        PACKAGES.iter().find(|(_, package, _)| *package == name).map(|(set, _, file)| (*set, *file));
    renamed
        .or_else(|| exact(name).filter(|(_, known)| !matches!(*known, "as" | "host" | "make" | "go" | "sh")))
}

fn exact(name: &str) -> Option<(SoftwareSet, &'static str)> {
    FILES
        .iter()
        .find_map(|(set, names)| names.iter().find(|known| **known == name).map(|known| (*set, *known)))
}
