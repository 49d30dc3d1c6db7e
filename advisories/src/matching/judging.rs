//! One record and one installed package: affected or not, and what mends it.

use std::cmp::Ordering;

use super::modularity;
use crate::VersionOrder;
use crate::index::AffectedEntry;
use crate::ranges::{self, Judgement};
use crate::versions;

/// What is installed, as far as a judgement needs it.
pub(super) struct Installed<'a> {
    pub(super) order: VersionOrder,
    pub(super) version: &'a str,
    /// The version came from the name of a source package, which has no epoch.
    pub(super) without_epoch: bool,
    pub(super) purl: &'a str,
}

/// The record affects the installed package: by which entry, and what mends it.
pub(super) struct Affects<'a> {
    pub(super) entry: AffectedEntry<'a>,
    pub(super) fixed: Option<&'a str>,
}

impl Installed<'_> {
    fn compare(&self, left: &str, right: &str) -> Ordering {
        if self.without_epoch {
            self.order.compare(versions::without_epoch(left), versions::without_epoch(right))
        } else {
            self.order.compare(left, right)
        }
    }
}

/// Judges by all entries that one record has for the package. The outer `None` says that the index is damaged.
#[allow(clippy::option_option, reason = "damage and absence are different answers")]
pub(super) fn judge_record<'a>(
    installed: &Installed<'_>,
    module: &str,
    entries: &[AffectedEntry<'a>],
) -> Option<Option<Affects<'a>>> {
    if installed.order == VersionOrder::Rpm {
        return modularity::judge(installed, module, entries);
    }
    judge_entries(installed, entries)
}

/// Affected if any entry says so; mended by what mends it in every one that does.
#[allow(clippy::option_option, reason = "damage and absence are different answers")]
pub(super) fn judge_entries<'a>(
    installed: &Installed<'_>,
    entries: &[AffectedEntry<'a>],
) -> Option<Option<Affects<'a>>> {
    let mut affects: Option<Affects<'a>> = None;
    for entry in entries {
        let mut verdict: Option<Option<&'a str>> = None;
        let mut listed = false;
        entry.visit(
            |events| {
                let compare = |left: &str, right: &str| installed.compare(left, right);
                if let Judgement::Affected { fixed } = ranges::judge(installed.version, events, compare) {
                    verdict = Some(later(installed, verdict.flatten(), fixed));
                }
            },
            |version| {
                listed |= version == installed.version
                    || installed.order.knows(version)
                        && installed.compare(version, installed.version).is_eq();
            },
        )?;
        if listed && verdict.is_none() {
            verdict = Some(None);
        }
        if let Some(fixed) = verdict {
            let known = affects.as_ref().and_then(|affects| affects.fixed);
            affects = Some(Affects { entry: *entry, fixed: later(installed, known, fixed) });
        }
    }
    Some(affects)
}

fn later<'a>(installed: &Installed<'_>, left: Option<&'a str>, right: Option<&'a str>) -> Option<&'a str> {
    match (left, right) {
        (Some(left), Some(right)) if installed.compare(left, right).is_ge() => Some(left),
        (left, right) => right.or(left),
    }
}

impl AffectedEntry<'_> {
    /// Whether the record lists exactly this version, whatever its grammar.
    pub(super) fn lists(&self, version: &str) -> bool {
        let mut listed = false;
        !version.is_empty() && self.visit(|_| (), |other| listed |= other == version).is_some() && listed
    }
}
