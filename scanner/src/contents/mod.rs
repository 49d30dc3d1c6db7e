//! Software that an application rarely needs at run time and an intruder likes: by the name of its executable, and by its package.

mod known;

use breakwater_core::inventory::{Software, SoftwareSet};

use crate::layer::entry::{Entry, Kind};

/// What this file or link is, by its name, if it can be run: anything in a directory of programs, and any ELF program with the
/// execute bit wherever it lies. A link (busybox's applets) counts as what it is called.
#[must_use]
pub fn software_of(entry: &Entry, is_elf: bool) -> Option<Software> {
    let (directory, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
    let (set, known) = known::by_file(name)?;
    let is_in_program_directory =
        matches!(directory.rsplit_once('/').map_or(directory, |(_, last)| last), "bin" | "sbin" | "busybox");
    // Helpers of libraries (apt's `methods/ftp`) share names with programs.
    let is_library = directory.split('/').any(|part| matches!(part, "lib" | "lib64" | "libexec"));
    let can_run = match entry.kind {
        Kind::File => {
            entry.is_executable()
                && (is_in_program_directory || directory.is_empty() || is_elf && !is_library)
        }
        Kind::HardLink | Kind::SymbolicLink => is_in_program_directory,
        Kind::Directory | Kind::Other => false,
    };
    can_run.then(|| Software { set, name: known.to_owned(), path: format!("/{}", entry.path) })
}

/// What a distribution's package of this name brings.
#[must_use]
pub fn software_of_package(name: &str) -> Option<(SoftwareSet, &'static str)> {
    known::by_package(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, kind: Kind, mode: u32, is_elf: bool) -> Option<(SoftwareSet, String)> {
        let entry = Entry { path: path.into(), kind, size: 0, mode, target: String::new(), sparse: false };
        software_of(&entry, is_elf).map(|software| (software.set, software.name))
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
            assert_eq!(
                found(path, kind, mode, is_elf),
                expected.map(|(set, name)| (set, name.to_owned())),
                "{path}"
            );
        }
    }
}
