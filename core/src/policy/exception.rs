use chrono::{DateTime, Utc};

use crate::{Finding, glob::Glob, workload::WorkloadRef};

/// A risk somebody accepted, for a reason, for a time. What a list names, it is limited to; an empty list does not limit.
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
    /// Gone at this very second.
    pub expires_at: Option<DateTime<Utc>>,
    /// Gone as soon as a fixed version exists.
    pub expire_when_fixed: bool,
}

impl Exception {
    #[must_use]
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it speaks about findings at all, rather than about whole rules.
    #[must_use]
    pub fn names_findings(&self) -> bool {
        !self.cves.is_empty() || !self.packages.is_empty()
    }

    /// Whether this finding in this image of this workload is excepted from this check.
    #[must_use]
    pub fn covers_finding(&self, finding: &Finding, place: &Place<'_>, now: DateTime<Utc>) -> bool {
        self.names_findings()
            && self.covers_place(place, now)
            && (self.cves.is_empty() || self.cves.iter().any(|id| finding.is_called(id)))
            && (self.packages.is_empty()
                || self.packages.iter().any(|glob| glob.matches(&finding.package.name)))
            && !(self.expire_when_fixed && finding.is_fixable())
    }

    /// Whether the whole check is excepted here.
    #[must_use]
    pub fn covers_check(&self, place: &Place<'_>, now: DateTime<Utc>) -> bool {
        !self.names_findings() && !self.rules.is_empty() && self.covers_place(place, now)
    }

    fn covers_place(&self, place: &Place<'_>, now: DateTime<Utc>) -> bool {
        self.is_active(now)
            && (self.rules.is_empty()
                || self.rules.iter().any(|rule| rule == place.check || rule == place.rule))
            && (self.images.is_empty() || self.images.iter().any(|glob| glob.matches(place.image_name)))
            && (self.workloads.is_empty()
                || place.workload.is_some_and(|workload| {
                    let qualified = format!("{}/{}", workload.kind.as_str(), workload.name);
                    self.workloads.iter().any(|glob| glob.matches(&workload.name) || glob.matches(&qualified))
                }))
    }
}

/// Where a check is made.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub check: &'a str,
    pub rule: &'a str,
    /// Canonical, without tag and digest.
    pub image_name: &'a str,
    /// Absent when an image is judged by itself.
    pub workload: Option<&'a WorkloadRef>,
}
