//! Software that an application rarely needs at run time and an intruder likes: by the name of its executable, and by its package.

pub mod capabilities;
mod known;
mod miner;
mod special;

pub use miner::MinerSearch;
pub(crate) use miner::is_miner_name;
pub use special::{Special, special_of};

use breakwater_core::inventory::{Software, SoftwareSet};

use crate::layer::entry::{Entry, Kind};

/// What this file or link is, by its name, if it can be run: anything in a directory of programs, and any ELF program with the
/// execute bit wherever it lies. A link (busybox's applets) counts as what it is called; busybox itself is a shell and a set of network
/// tools, links or no links: `busybox wget` needs none.
#[must_use]
pub fn software_of(entry: &Entry, is_elf: bool) -> Vec<Software> {
    let (_, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
    let known = known::by_file(name);
    if known.is_empty() || !can_run(entry, is_elf) {
        return Vec::new();
    }
    let path = format!("/{}", entry.path);
    known.into_iter().map(|(set, name)| Software { set, name: name.to_owned(), path: path.clone() }).collect()
}

/// Whether an entry is a program, by its place, its rights and its first bytes.
#[must_use]
pub fn can_run(entry: &Entry, is_elf: bool) -> bool {
    let directory = entry.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let is_in_program_directory =
        matches!(directory.rsplit_once('/').map_or(directory, |(_, last)| last), "bin" | "sbin" | "busybox");
    // Helpers of libraries (apt's `methods/ftp`) share names with programs.
    let is_library = directory.split('/').any(|part| matches!(part, "lib" | "lib64" | "libexec"));
    match entry.kind {
        Kind::File => {
            entry.is_executable()
                && (is_in_program_directory || directory.is_empty() || is_elf && !is_library)
        }
        Kind::HardLink | Kind::SymbolicLink => is_in_program_directory,
        Kind::Directory | Kind::Other => false,
    }
}

/// What a distribution's package of this name brings.
#[must_use]
pub fn software_of_package(name: &str) -> Option<(SoftwareSet, &'static str)> {
    known::by_package(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, kind: Kind, mode: u32, is_elf: bool) -> Vec<(SoftwareSet, String)> {
        let entry = Entry { path: path.into(), mode, ..Entry::of(kind) };
        software_of(&entry, is_elf).into_iter().map(|software| (software.set, software.name)).collect()
    }

    #[test]
    fn busybox_needs_no_links() {
        let sets: Vec<_> =
            found("bin/busybox", Kind::File, 0o755, true).into_iter().map(|(set, _)| set).collect();
        assert_eq!(sets, [SoftwareSet::NetworkTools, SoftwareSet::Shells]);
    }

    #[test]
    fn programs_are_known_by_name_where_they_can_be_run() {
        use SoftwareSet::*;
        for (path, kind, mode, is_elf, expected) in [
            ("bin/bash", Kind::File, 0o755, true, Some((Shells, "bash"))),
            ("bin/sh", Kind::SymbolicLink, 0o777, false, Some((Shells, "sh"))),
            ("busybox/nc", Kind::HardLink, 0o755, false, Some((NetworkTools, "nc"))),
            ("usr/bin/x86_64-linux-gnu-gcc-12", Kind::File, 0o755, true, Some((Compilers, "gcc"))),
            ("usr/bin/python3-gdb", Kind::File, 0o755, true, None),
            ("usr/bin/gdb", Kind::File, 0o755, true, Some((Debuggers, "gdb"))),
            ("usr/local/bin/pip3.11", Kind::File, 0o755, false, Some((PackageManagers, "pip"))),
            ("opt/tools/curl", Kind::File, 0o755, true, Some((NetworkTools, "curl"))),
            ("usr/share/bash-completion/completions/curl", Kind::File, 0o644, false, None),
            ("bin/bash", Kind::File, 0o644, true, None),
            ("usr/lib/apt/methods/ftp", Kind::File, 0o755, true, None),
            ("usr/lib/go/bin/go", Kind::File, 0o755, true, Some((Compilers, "go"))),
            ("etc/init.d/ssh", Kind::File, 0o755, false, None),
        ] {
            let expected: Vec<_> = expected.map(|(set, name)| (set, name.to_owned())).into_iter().collect();
            assert_eq!(found(path, kind, mode, is_elf), expected, "{path}");
        }
    }
}
