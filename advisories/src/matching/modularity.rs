//! RPM modules (Fedora modularity): several streams of one package live side by side, so a fix for one says nothing about another.
//!
//! AlmaLinux writes one advisory with several fixes per package, one for each minor release it was built for. The build is marked
//! in the release: `1.0.5-18.module_el8.6.0+2867+72759d2f`.

use percent_encoding::percent_decode_str;

use super::Question;
use crate::index::AffectedEntry;
use crate::ranges::EventKind;

/// The entries that speak of this build: modular ones for a modular build of the same stream and minor release, others for others.
/// `None`: the index is damaged.
pub(super) fn applicable<'a>(
    question: Question<'_>,
    module: &str,
    entries: &[AffectedEntry<'a>],
) -> Option<Vec<AffectedEntry<'a>>> {
    let installed = Build::of(question.version);
    let mut builds = Vec::with_capacity(entries.len());
    for entry in entries {
        builds.push((entry_build(entry)?, *entry));
    }
    let wanted = match installed {
        Some(_) if !is_stream(question.label, module) => return Some(Vec::new()),
        Some(installed) => applicable_minor(installed, builds.iter().filter_map(|(build, _)| *build)),
        None => None,
    };
    // A modular build never matches `None`, which is what fixes outside of modules have.
    builds.retain(|(build, _)| *build == wanted && build.is_some() == installed.is_some());
    Some(builds.into_iter().map(|(_, entry)| entry).collect())
}

/// The package's modularity label: the purl's qualifier `rpmmod`, or empty.
pub(super) fn label(purl: &str) -> &str {
    let qualifiers = purl.split_once('?').map_or("", |(_, qualifiers)| qualifiers);
    let qualifiers = qualifiers.split('#').next().unwrap_or_default();
    qualifiers.split('&').find_map(|qualifier| qualifier.strip_prefix("rpmmod=")).unwrap_or_default()
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

/// Whether a label (`nodejs:18:…`, percent-encoded as far as the purl's writer found it needful) can be of the advisory's stream; without a label it can.
fn is_stream(label: &str, module: &str) -> bool {
    let label = percent_decode_str(label).decode_utf8_lossy();
    let mut parts = label.split(':');
    let (name, stream) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    module.split_once(':').is_none_or(|(of, wanted)| name != of || stream == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Build, applicable_minor, is_stream, label};

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
        let label = label("pkg:rpm/almalinux/nodejs@1?rpmmod=nodejs%3A18%3A80&arch=x86_64");
        assert!(is_stream(label, "nodejs:18"));
        assert!(!is_stream(label, "nodejs:20"));
        assert!(is_stream("", "nodejs:18"));
    }

    #[test]
    fn labels_are_read_however_they_are_encoded() {
        for qualifier in
            ["rpmmod=c%2B%2B:1%2e0:80:a", "rpmmod=c%2B%2B%3a1.0%3A80", "arch=x&rpmmod=c++:1.0:80#sub/path"]
        {
            let purl = format!("pkg:rpm/almalinux/c@1?{qualifier}");
            assert!(is_stream(label(&purl), "c++:1.0"), "{purl}");
            assert!(!is_stream(label(&purl), "c++:2.0"), "{purl}");
        }
    }
}
