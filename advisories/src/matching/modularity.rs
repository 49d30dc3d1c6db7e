//! RPM modules (Fedora modularity): several streams of one package live side by side, so a fix for one says nothing about another.
//!
//! AlmaLinux writes one advisory with several fixes per package, one for each minor release it was built for. The build is marked
//! in the release: `1.0.5-18.module_el8.6.0+2867+72759d2f`.

use super::judging::{Affects, Installed, judge_entries};
use crate::index::AffectedEntry;
use crate::ranges::EventKind;

/// Judges an RPM package: modular fixes for modular builds of the same stream and minor release, others for others.
#[allow(clippy::option_option, reason = "damage and absence are different answers")]
pub(super) fn judge<'a>(
    installed: &Installed<'_>,
    module: &str,
    entries: &[AffectedEntry<'a>],
) -> Option<Option<Affects<'a>>> {
    let mut candidates = Vec::with_capacity(entries.len());
    for entry in entries {
        let build = entry_build(entry)?;
        candidates.push((build, *entry));
    }
    let installed_build = Build::of(installed.version);
    candidates.retain(|(build, _)| build.is_some() == installed_build.is_some());
    if let Some(installed_build) = installed_build {
        if !is_stream(installed.purl, module) {
            return Some(None);
        }
        let minor = applicable_minor(installed_build, candidates.iter().filter_map(|(build, _)| *build));
        candidates.retain(|(build, _)| *build == minor);
    }
    let entries: Vec<_> = candidates.into_iter().map(|(_, entry)| entry).collect();
    judge_entries(installed, &entries)
}

/// The minor release a modular package was built for: `module_el8.6.0` is 8.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Build {
    major: u32,
    minor: u32,
}

impl Build {
    fn of(version: &str) -> Option<Self> {
        let (_, mark) = version.split_once(".module")?;
        // `.module_el8.6.0+…` (AlmaLinux, Rocky Linux), `.module+el8.6.0+…` (Red Hat).
        let mark = mark.strip_prefix(['_', '+'])?.strip_prefix("el")?;
        let mut numbers = mark.split(['.', '+']).map(|number| number.parse().ok());
        Some(Self { major: numbers.next()??, minor: numbers.next().flatten().unwrap_or(0) })
    }
}

/// The build of the fix; `None` inside for a fix that is not modular.
#[allow(clippy::option_option, reason = "damage and absence are different answers")]
fn entry_build(entry: &AffectedEntry<'_>) -> Option<Option<Build>> {
    let mut build = None;
    entry.visit(
        |events| {
            build = build.or_else(|| {
                events
                    .filter(|event| event.kind == EventKind::Fixed)
                    .find_map(|event| Build::of(event.version))
            });
        },
        |_| (),
    )?;
    Some(build)
}

/// The same minor; else the next later one (it was fixed there first); else the latest.
fn applicable_minor(installed: Build, fixes: impl Iterator<Item = Build> + Clone) -> Option<Build> {
    fixes.clone().filter(|fix| *fix >= installed).min().or_else(|| fixes.max())
}

/// Whether the package's modularity label, where the purl has one (`rpmmod=nodejs:18:…`), is of the advisory's stream.
fn is_stream(purl: &str, module: &str) -> bool {
    let Some((_, qualifiers)) = purl.split_once('?') else { return true };
    let Some(label) = qualifiers.split('&').find_map(|qualifier| qualifier.strip_prefix("rpmmod=")) else {
        return true;
    };
    let label = label.replace("%3A", ":").replace("%3a", ":");
    let mut parts = label.split('#').next().unwrap_or_default().split(':');
    let (name, stream) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    module
        .split_once(':')
        .is_none_or(|(module_name, module_stream)| name != module_name || stream == module_stream)
}

#[cfg(test)]
mod tests {
    use super::{Build, applicable_minor, is_stream};

    #[test]
    fn builds_are_marked_in_the_release() {
        assert_eq!(Build::of("1.0.5-18.module_el8.6.0+2867+72759d2f"), Some(Build { major: 8, minor: 6 }));
        assert_eq!(Build::of("1.0.5-18.module+el8.10.0+1+a"), Some(Build { major: 8, minor: 10 }));
        assert_eq!(Build::of("1.0.5-18.el8"), None);
    }

    #[test]
    fn the_fix_of_the_same_minor_else_the_next_else_the_last() {
        let build = |minor| Build { major: 8, minor };
        let fixes = [build(4), build(6)];
        assert_eq!(applicable_minor(build(4), fixes.into_iter()), Some(build(4)));
        assert_eq!(applicable_minor(build(5), fixes.into_iter()), Some(build(6)));
        assert_eq!(applicable_minor(build(9), fixes.into_iter()), Some(build(6)));
    }

    #[test]
    fn streams_by_label() {
        assert!(is_stream("pkg:rpm/a/nodejs@1?rpmmod=nodejs%3A18%3A80&arch=x", "nodejs:18"));
        assert!(!is_stream("pkg:rpm/a/nodejs@1?rpmmod=nodejs:16", "nodejs:18"));
        assert!(is_stream("pkg:rpm/a/nodejs@1", "nodejs:18"));
    }
}
