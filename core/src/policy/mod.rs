//! What a policy demands, validated, and whether a workload meets it.
//!
//! [`evaluate`] has several callers (background audit, command line, mitigation; later admission) and one meaning.

mod checks;
mod closest_rule;
mod evaluate;
mod exception;
mod image;
mod scope;
mod verdict;
mod violation;
mod vulnerability;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

pub use checks::{CHECKS, CheckInfo, check, is_rule_or_check};
pub use closest_rule::closest_rule;
pub use evaluate::{ImageUnderTest, ImageVerdict, Judge, Subject, evaluate};
pub use exception::Exception;
pub use verdict::{Check, Compliance, Effect, InGrace, Verdict};
use violation::Violation;

use crate::{
    Finding, Severity, digest::Digest, glob::Glob, inventory::ImageConfig, inventory::Software,
    inventory::SoftwareSet, mitigation::Remediation, scan::FailureReason, schedule::Schedule,
    selector::LabelSelector, workload::Workload,
};

/// A validated `ImagePolicy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub id: PolicyId,
    pub suspended: bool,
    pub selector: Selector,
    pub registries: Vec<RegistrySource>,
    pub schedule: Option<Schedule>,
    pub scanning: Scanning,
    pub rules: Rules,
    pub exceptions: Vec<Exception>,
    pub remediation: Remediation,
    /// Paths of rules that the spec has and this version does not evaluate: a verdict that depends on them is Unknown.
    pub not_evaluated: Vec<String>,
}

impl Policy {
    /// Reports whether it has anything but defaults: without rules its verdicts are Unknown.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        let vulnerabilities = self.rules.vulnerabilities.as_ref().is_some_and(VulnerabilityRule::is_limited);
        vulnerabilities || self.rules.image.is_limited() || !self.not_evaluated.is_empty()
    }

    /// The exceptions that have ended at `now`.
    pub fn expired(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| !exception.is_active(now))
    }
}

/// How scans for a policy are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanning {
    /// The longest that one may take.
    pub timeout: TimeDelta,
    /// How many of its registries are scanned at the same time.
    pub registries_at_once: u32,
}

impl Default for Scanning {
    fn default() -> Self {
        Self { timeout: SCAN_TIMEOUT, registries_at_once: 1 }
    }
}

/// The longest that a scan takes by default.
pub const SCAN_TIMEOUT: TimeDelta = TimeDelta::minutes(15);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// Which workloads and images a policy speaks about.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    pub namespaces: NamespaceScope,
    pub workloads: LabelSelector,
    /// Empty: all images. Matched against [`crate::ImageReference::name`].
    pub images: Vec<Glob>,
    pub exclude_images: Vec<Glob>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NamespaceScope {
    /// The policy's own namespace.
    Own,
    /// Namespaces with these labels; only for policies in the operator's namespace.
    Labelled(LabelSelector),
}

impl Selector {
    /// Reports whether the workload is in scope; `policy_namespace` is where the policy lives.
    #[must_use]
    pub fn selects(&self, workload: &Workload, policy_namespace: &str) -> bool {
        let in_scope = match &self.namespaces {
            NamespaceScope::Own => workload.id.namespace == policy_namespace,
            NamespaceScope::Labelled(selector) => selector.matches(&workload.namespace_labels),
        };
        in_scope && self.workloads.matches(&workload.labels)
    }

    /// Reports whether an image with this canonical name (no tag, no digest) is in scope.
    #[must_use]
    pub fn selects_image(&self, name: &str) -> bool {
        (self.images.is_empty() || self.images.iter().any(|glob| glob.matches(name)))
            && !self.exclude_images.iter().any(|glob| glob.matches(name))
    }
}

/// Repositories of a registry to scan on a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySource {
    pub name: String,
    /// Host and port.
    pub host: String,
    /// Host and port of registries that serve the same content, asked first. At most [`crate::scan::MAX_MIRRORS`].
    pub mirrors: Vec<String>,
    pub repositories: Vec<RepositorySource>,
    /// Empty: the platforms of the cluster's nodes.
    pub platforms: Vec<crate::Platform>,
    pub auth_secret: Option<String>,
    /// Its imagePullSecrets are used as well.
    pub service_account: Option<String>,
    /// A Secret whose key `ca.crt` is trusted for this host.
    pub ca_secret: Option<String>,
    pub max_images: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySource {
    pub name: String,
    /// Empty: all tags.
    pub include: Vec<Glob>,
    pub exclude: Vec<Glob>,
    /// A range of semantic versions; `None`: any tag.
    pub versions: Option<semver::VersionReq>,
    /// Only the newest so many, in version order. `None`: all.
    pub newest: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    pub vulnerabilities: Option<VulnerabilityRule>,
    pub image: ImageRules,
}

/// `spec.rules.vulnerabilities`, counted per image.
#[derive(Debug, Clone, PartialEq)]
pub struct VulnerabilityRule {
    /// The most findings of each severity; absent means no limit.
    pub max: MaxFindings,
    /// The severity that a finding without one counts as.
    pub unknown_severity: Severity,
    /// Count only findings that an upgrade fixes.
    pub fixable_only: bool,
    pub grace: Grace,
    /// The highest CVSS base score allowed, in tenths.
    pub max_cvss_tenths: Option<u8>,
    /// The highest EPSS percentile allowed.
    pub max_epss_percentile: Option<u8>,
    pub deny_known_exploited: bool,
    /// Vulnerabilities never allowed, by any of their ids.
    pub deny: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaxFindings {
    pub critical: Option<u32>,
    pub high: Option<u32>,
    pub medium: Option<u32>,
    pub low: Option<u32>,
    pub unknown: Option<u32>,
}

impl VulnerabilityRule {
    /// Reports whether any finding could violate it.
    fn is_limited(&self) -> bool {
        self.max.is_limited()
            || self.max_cvss_tenths.is_some()
            || self.max_epss_percentile.is_some()
            || self.deny_known_exploited
            || !self.deny.is_empty()
    }
}

impl ImageRules {
    /// Reports whether any image could violate it.
    fn is_limited(&self) -> bool {
        let unlimited = Self {
            // What is not known may be allowed or shown; only denying it is a rule.
            unscanned: self.unscanned.unless_denied(),
            scan_failed: self.scan_failed.unless_denied(),
            incomplete: self.incomplete.unless_denied(),
            // Root is allowed where it is not refused.
            allow_root_user: self.allow_root_user.filter(|allowed| *allowed),
            ..Self::default()
        };
        *self != unlimited
    }
}

impl Consequence {
    fn unless_denied(self) -> Self {
        if self == Self::Deny { Self::default() } else { self }
    }
}

impl MaxFindings {
    fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    #[must_use]
    pub fn of(&self, severity: Severity) -> Option<u32> {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Unknown => self.unknown,
        }
    }
}

/// How long a finding is not counted: since it was published, since a fix exists, since it was first seen in this image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grace {
    pub published: Option<TimeDelta>,
    pub fix_available: Option<TimeDelta>,
    pub first_seen: Option<TimeDelta>,
}

/// `spec.rules.image`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageRules {
    /// Globs over `registry/repository`; empty means any.
    pub trusted_registries: Vec<Glob>,
    pub require_digest: bool,
    pub deny_latest_tag: bool,
    /// Since the image was created.
    pub max_age: Option<TimeDelta>,
    /// The greatest age of the advisory data that the image was last matched against.
    pub max_scan_age: Option<TimeDelta>,
    pub unscanned: Consequence,
    pub scan_failed: Consequence,
    pub incomplete: Consequence,
    /// Absent: not asked. `Some(false)`: root is refused.
    pub allow_root_user: Option<bool>,
    pub max_packages: Option<u32>,
    pub banned_software: Vec<SoftwareSet>,
    pub banned_packages: Vec<Glob>,
    pub required_labels: Vec<String>,
    pub max_secrets: Option<u32>,
    /// Secrets among the image's environment variables are refused.
    pub deny_secret_env: bool,
    pub max_setuid_files: Option<u32>,
}

/// What a missing fact means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consequence {
    Allow,
    #[default]
    Warn,
    Deny,
}

/// What is known about one image.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageFacts {
    NeverScanned,
    ScanFailed {
        reason: FailureReason,
        message: String,
    },
    /// No registry can be asked about it: imported into a node, or of an operating system that is not read.
    Unreadable {
        reason: String,
    },
    Scanned(std::sync::Arc<ScannedImage>),
}

/// An inventory, matched, reduced to what policies ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct ScannedImage {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    pub reference: String,
    pub created: Option<DateTime<Utc>>,
    /// Absent: not known; verdicts about it are Unknown.
    pub config: Option<ImageConfig>,
    pub software: Vec<Software>,
    pub package_names: Vec<String>,
    pub secrets: u32,
    /// Names of environment variables that hold secrets.
    pub secret_env: Vec<String>,
    pub setuid_files: u32,
    /// What could not be read, and what could not be matched.
    pub unanalysed: u32,
    /// Sorted by [`Finding::urgency`].
    pub findings: Vec<Finding>,
    /// The advisory data that it was matched against. Absent: there was no index; verdicts are Unknown.
    pub matched: Option<Matched>,
    /// When findings were first seen in this image's repository.
    pub history: crate::history::ImageHistory,
}

impl ScannedImage {
    /// Reduces an inventory and what matched in it; `unmatched` counts packages that could not be matched. The same on a command line
    /// and in a cluster, so that verdicts are.
    #[must_use]
    pub fn new(
        inventory: &crate::Inventory,
        findings: Vec<Finding>,
        unmatched: usize,
        matched: Option<Matched>,
        history: crate::history::ImageHistory,
    ) -> Self {
        let names: std::collections::BTreeSet<&str> =
            inventory.packages.iter().map(|package| package.name.as_str()).collect();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            digest: inventory.image.digest.clone(),
            reference: inventory.image.reference.clone(),
            created: inventory.image.created,
            config: inventory.known_config().cloned(),
            software: inventory.software.clone(),
            package_names: names.into_iter().map(str::to_owned).collect(),
            secrets: count(inventory.secrets.len()),
            secret_env: inventory.secret_env(),
            setuid_files: inventory.setuid_files(),
            unanalysed: count(inventory.unanalysed.len().saturating_add(unmatched)),
            findings,
            matched,
            history,
        }
    }
}

/// The advisory data that an image was matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    pub revision: u64,
    /// The date of the data, not of the matching: neither a restart nor matching again makes anything fresh.
    pub at: DateTime<Utc>,
    pub carries: Catalogues,
}

/// The catalogues that an advisory index may carry beside the advisories. A rule whose catalogue is absent is Unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Catalogues {
    /// CISA's Known Exploited Vulnerabilities.
    pub known_exploited: bool,
    /// FIRST's Exploit Prediction Scoring System.
    pub epss: bool,
}

impl Catalogues {
    pub const ALL: Self = Self { known_exploited: true, epss: true };
}
