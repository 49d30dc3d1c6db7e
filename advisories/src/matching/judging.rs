//! One record and one installed package: affected or not, and what mends it.

use std::cmp::Ordering;

use super::{Question, modularity};
use crate::VersionOrder;
use crate::index::AffectedEntry;
use crate::ranges::{self, Judgement};
use crate::versions;

/// What is installed, as far as a judgement needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Installed<'a> {
    pub(super) order: VersionOrder,
    /// Whether the version is one by the ecosystem's grammar. If not, only a list that names it says anything.
    pub(super) comparable: bool,
    pub(super) question: Question<'a>,
}

/// The record affects the installed package: by which entry, and what mends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affects<'a> {
    pub(super) entry: AffectedEntry<'a>,
    pub(super) fixed: Option<&'a str>,
}

#[allow(
    clippy::option_option,
    reason = "the outer None says that the index is damaged, the inner one that nothing affects"
)]
impl Installed<'_> {
    /// Judges by all entries that one record has for the package.
    pub(super) fn judge<'a>(
        self,
        module: &str,
        entries: &[AffectedEntry<'a>],
    ) -> Option<Option<Affects<'a>>> {
        if self.order == VersionOrder::Rpm {
            self.judge_entries(&modularity::applicable(self.question, module, entries)?)
        } else {
            self.judge_entries(entries)
        }
    }

    /// Affected if any entry says so; mended by what mends it in every one that does.
    fn judge_entries<'a>(self, entries: &[AffectedEntry<'a>]) -> Option<Option<Affects<'a>>> {
        let mut affects: Option<Affects<'a>> = None;
        for entry in entries {
            if let Some(fixed) = self.judge_entry(entry)? {
                let known = affects.and_then(|affects| affects.fixed);
                affects = Some(Affects { entry: *entry, fixed: self.later(known, fixed) });
            }
        }
        Some(affects)
    }

    /// Whether the entry affects the version, by a range or by its list, with what mends it.
    fn judge_entry<'a>(self, entry: &AffectedEntry<'a>) -> Option<Option<Option<&'a str>>> {
        let version = self.question.version;
        let mut verdict = None;
        let mut listed = false;
        entry.visit(
            |events| {
                if let Judgement::Affected { fixed } =
                    ranges::judge(version, events, |a, b| self.compare(a, b))
                    && self.comparable
                {
                    verdict = Some(self.later(verdict.flatten(), fixed));
                }
            },
            |other| {
                let equal =
                    || self.comparable && self.order.knows(other) && self.compare(other, version).is_eq();
                listed |= other == version || equal();
            },
        )?;
        Some(if listed { verdict.or(Some(None)) } else { verdict })
    }

    fn compare(self, left: &str, right: &str) -> Ordering {
        if self.question.without_epoch {
            self.order.compare(versions::without_epoch(left), versions::without_epoch(right))
        } else {
            self.order.compare(left, right)
        }
    }

    fn later<'a>(self, left: Option<&'a str>, right: Option<&'a str>) -> Option<&'a str> {
        match (left, right) {
            (Some(left), Some(right)) if self.compare(left, right).is_ge() => Some(left),
            (left, right) => right.or(left),
        }
    }
}

impl AffectedEntry<'_> {
    /// Whether the record lists exactly this version, whatever its grammar.
    pub(super) fn lists(&self, version: &str) -> bool {
        let mut listed = false;
        !version.is_empty() && self.visit(|_| (), |other| listed |= other == version).is_some() && listed
    }
}
