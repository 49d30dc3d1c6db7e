use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Violation, vulnerability::CheckSet};
use crate::{Finding, glob::Glob, workload::WorkloadRef};

/// A risk that was accepted, for a reason, for a time. What a list names, it is limited to; an empty list does not limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    pub name: String,
    /// Vulnerability ids, by any alias.
    pub cves: Vec<String>,
    /// Globs over package names.
    pub packages: Vec<Glob>,
    /// Check ids or rule paths.
    pub rules: Vec<String>,
    /// Globs over canonical image names.
    pub images: Vec<Glob>,
    /// Globs over `Kind/name` or `name`.
    pub workloads: Vec<Glob>,
    pub reason: String,
    pub approved_by: Option<String>,
    /// It ends at this second.
    pub expires_at: Option<DateTime<Utc>>,
    /// It ends for a finding as soon as a fixed version exists.
    pub expire_when_fixed: bool,
}

impl Exception {
    #[must_use]
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Reports whether it speaks about findings, rather than about whole rules.
    #[must_use]
    pub fn names_findings(&self) -> bool {
        !self.cves.is_empty() || !self.packages.is_empty()
    }

    /// Reports whether it covers this workload; an image judged by itself is covered only by exceptions that name no workload.
    #[must_use]
    pub fn covers_workload(&self, workload: Option<&WorkloadRef>) -> bool {
        self.workloads.is_empty()
            || workload.is_some_and(|workload| {
                let qualified = format!("{}/{}", workload.kind.as_str(), workload.name);
                self.workloads.iter().any(|glob| glob.matches(&workload.name) || glob.matches(&qualified))
            })
    }

    fn covers_image(&self, name: &str) -> bool {
        self.images.is_empty() || self.images.iter().any(|glob| glob.matches(name))
    }
}

/// The exceptions of one policy, arranged so that a finding is compared with those only that may cover it.
#[derive(Debug, Clone)]
pub(super) struct Exceptions {
    all: Vec<Compiled>,
    /// By the hash of a lower-cased vulnerability id: positions in `all` of exceptions that name it.
    by_id: HashMap<u64, Vec<usize>>,
    /// Positions of exceptions that name packages and no ids.
    by_package: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Compiled {
    exception: Exception,
    /// The checks of findings that it speaks about.
    checks: CheckSet,
}

/// The exceptions that are in force for one image of one workload, by position.
#[derive(Debug)]
pub(super) struct InForce<'a> {
    exceptions: &'a Exceptions,
    is_in_force: Vec<bool>,
    /// Exceptions by package that are in force, and which of them cover a package: one entry for each distinct name.
    packages: HashMap<&'a str, Vec<usize>>,
}

impl Exceptions {
    pub(super) fn new(exceptions: &[Exception]) -> Self {
        let mut compiled = Self { all: Vec::new(), by_id: HashMap::new(), by_package: Vec::new() };
        for (position, exception) in exceptions.iter().enumerate() {
            for id in &exception.cves {
                compiled.by_id.entry(id_hash(id)).or_default().push(position);
            }
            if exception.cves.is_empty() && !exception.packages.is_empty() {
                compiled.by_package.push(position);
            }
            let checks =
                if exception.rules.is_empty() { CheckSet::ALL } else { CheckSet::named(&exception.rules) };
            compiled.all.push(Compiled { exception: exception.clone(), checks });
        }
        compiled
    }

    /// The positions of exceptions that name workloads and cover this one: all that a verdict depends on of a workload's name.
    pub(super) fn of_workload(&self, workload: Option<&WorkloadRef>) -> Vec<u16> {
        let named = self.all.iter().enumerate().filter(|(_, compiled)| {
            !compiled.exception.workloads.is_empty() && compiled.exception.covers_workload(workload)
        });
        named.filter_map(|(position, _)| u16::try_from(position).ok()).collect()
    }

    /// The next time at which one of them ends.
    pub(super) fn next_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends = self.all.iter().filter_map(|compiled| compiled.exception.expires_at);
        ends.filter(|end| *end > now).min()
    }

    pub(super) fn in_force<'a>(
        &'a self,
        image_name: &str,
        workload: Option<&WorkloadRef>,
        now: DateTime<Utc>,
    ) -> InForce<'a> {
        let is_in_force = |Compiled { exception, .. }: &Compiled| {
            exception.is_active(now)
                && exception.covers_image(image_name)
                && exception.covers_workload(workload)
        };
        let is_in_force = self.all.iter().map(is_in_force).collect();
        InForce { exceptions: self, is_in_force, packages: HashMap::new() }
    }
}

impl<'a> InForce<'a> {
    fn get(&self, position: usize) -> Option<&'a Compiled> {
        let compiled = self.exceptions.all.get(position)?;
        self.is_in_force.get(position).copied().unwrap_or_default().then_some(compiled)
    }

    /// The checks from which exceptions take this finding.
    pub(super) fn of_finding(&mut self, finding: &'a Finding) -> CheckSet {
        let mut excepted = CheckSet::default();
        if self.exceptions.all.is_empty() {
            return excepted;
        }
        let fixable = finding.is_fixable();
        let name = finding.package.name.as_str();
        let covers_package = |exception: &Exception| exception.packages.iter().any(|glob| glob.matches(name));
        if !self.exceptions.by_id.is_empty() {
            for id in std::iter::once(&finding.id).chain(&finding.aliases) {
                for position in self.exceptions.by_id.get(&id_hash(id)).into_iter().flatten() {
                    if let Some(Compiled { exception, checks }) = self.get(*position)
                        && exception.cves.iter().any(|cve| cve.eq_ignore_ascii_case(id))
                        && (exception.packages.is_empty() || covers_package(exception))
                        && !(exception.expire_when_fixed && fixable)
                    {
                        excepted |= *checks;
                    }
                }
            }
        }
        if !self.exceptions.by_package.is_empty() {
            let (all, is_in_force) = (&self.exceptions.all, &self.is_in_force);
            let covers = |position: &usize| {
                is_in_force.get(*position).copied().unwrap_or_default()
                    && all.get(*position).is_some_and(|compiled| covers_package(&compiled.exception))
            };
            let by_package = &self.exceptions.by_package;
            let covering = self
                .packages
                .entry(name)
                .or_insert_with(|| by_package.iter().copied().filter(covers).collect());
            for position in covering {
                if let Some(compiled) = all.get(*position)
                    && !(compiled.exception.expire_when_fixed && fixable)
                {
                    excepted |= compiled.checks;
                }
            }
        }
        excepted
    }

    /// The name of the exception that covers the whole check, if one does.
    pub(super) fn of_check(&self, violation: &Violation) -> Option<&'a str> {
        let mut positions = 0..self.exceptions.all.len();
        positions.find_map(|position| {
            let exception = &self.get(position)?.exception;
            let is_named = |rule: &String| *rule == violation.check.id || *rule == violation.check.rule;
            (!exception.names_findings() && exception.rules.iter().any(is_named))
                .then_some(exception.name.as_str())
        })
    }
}

/// FNV-1a of the lower-cased id. Equal hashes are compared by the ids themselves.
fn id_hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    })
}
