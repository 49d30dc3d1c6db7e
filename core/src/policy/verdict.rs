use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Digest, Severity};

/// Three values: what is not known neither mitigates nor restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Compliance {
    Compliant,
    Unknown,
    Violating,
}

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Excepted: shown and counted, but not held against the workload.
    Suppressed,
    /// Shown, not held against the workload.
    Warning,
    /// Whether the rule is met is not known.
    Unknown,
    Violation,
}

/// One rule that is not met, or of which it is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// For example `BW-VUL-001`; never reused for another meaning.
    pub id: &'static str,
    /// The path below `spec.rules`, for example `vulnerabilities.max`.
    pub rule: &'static str,
    pub effect: Effect,
    pub container: String,
    pub image: String,
    /// Digest of the platform's manifest that failed it. Absent when the image was not scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Digest by which nodes or the template name the image (an index, a manifest or a configuration). Absent: a tag that is not resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Digest>,
    /// Whether it rests on facts. False where a policy denies what is not known (`unscanned: Deny`): that is shown and denies
    /// admission, and justifies no remediation.
    pub is_evidence: bool,
    pub severity: Severity,
    pub observed: String,
    pub allowed: String,
    /// How to fix it.
    pub remedy: String,
    /// Ids of the findings that make it so, worst first, at most [`MAX_IDS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The exception that suppresses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
}

/// The most ids one check lists.
pub(super) const MAX_IDS: usize = 20;

/// Findings that are not counted yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InGrace {
    pub count: u32,
    /// When the first of their grace periods ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ends: Option<DateTime<Utc>>,
}

impl InGrace {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            first_ends: super::evaluate::earliest(self.first_ends, other.first_ends),
        }
    }
}

/// The judgement of one policy over one workload, or over one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What the policy says: with what it tolerates.
    pub compliance: Compliance,
    /// What is known: whether every image it covers was scanned, read completely and matched recently enough, whatever the policy
    /// tolerates. Only a complete verdict releases a workload.
    pub is_complete: bool,
    /// Failed checks only, worst effect first, then by id, container and image.
    #[serde(skip_deserializing, default)]
    pub checks: Vec<Check>,
    /// Findings that an exception hides from the rules.
    pub suppressed: u32,
    /// Fixable findings of critical severity in all images: triggers ask for it.
    pub fixable_critical: u32,
    pub known_exploited: u32,
    /// Findings within a grace period.
    #[serde(default)]
    pub in_grace: InGrace,
    /// The date of the oldest advisory data that the verdict rests on. Absent: no image was matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisories_at: Option<DateTime<Utc>>,
    /// When this verdict may change by the mere passing of time: an exception expires, a grace period ends.
    pub changes_at: Option<DateTime<Utc>>,
}

impl Verdict {
    /// Ids of the checks that are violated, each once, sorted.
    #[must_use]
    pub fn violated(&self) -> Vec<&'static str> {
        let mut ids: Vec<_> = self.with(Effect::Violation).map(|check| check.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    pub fn with(&self, effect: Effect) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.effect == effect)
    }
}
