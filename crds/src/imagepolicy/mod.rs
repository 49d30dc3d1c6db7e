//! `ImagePolicy`: which images may run, what is looked at, and what happens when a rule is broken.

mod enforcement;
mod exception;
mod registry;
mod remediation;
mod rules;
mod schedule;
mod status;

pub use enforcement::{AdmissionMode, AuditMode, BuildMode, Enforcement, ReplacementPods};
pub use exception::{DelegateExceptions, PolicyException, VexJustification, VexStatus};
pub use registry::{Registry, RegistryProvider, Repository, TagSelection};
pub use remediation::{Limits, Mode, Remediation, RemediationAction, Restore, Trigger, When};
pub use rules::{
    CheckParameters, Consequence, Grace, ImageRules, Keyless, LicenseRules, LicenseScope, MaxFindings,
    NetworkDirection, ReportFormat, ReportLevel, ReportRule, ResourceSetting, Rules, SignatureRule,
    Verification, VexFormat, VexSource, VulnerabilityRules, WorkloadCheck, WorkloadRule,
};
pub use schedule::{CredentialSource, ScanSettings, Schedule};
pub use status::{
    ExceptionTotals, GraceTotals, ImagePolicyStatus, ImageTotals, MitigationEntry, PolicySummary,
    ScanFailure, ViolatingFinding, ViolationEntry, WorkloadTotals,
};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{notify::Notify, schema, selector::LabelSelector};

/// What is demanded of images and workloads, where images are looked for, and what happens to those that break a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "breakwater.dev",
    version = "v1alpha1",
    kind = "ImagePolicy",
    plural = "imagepolicies",
    namespaced,
    status = "ImagePolicyStatus",
    shortname = "ipol",
    category = "breakwater",
    derive = "PartialEq",
    derive = "Default",
    doc = "ImagePolicy says which images may run, what is looked at, and what happens to workloads that break a rule. In the operator's namespace it may select other namespaces.",
    selectable = ".spec.enforcement.admission",
    printcolumn(
        name = "Admission",
        type_ = "string",
        json_path = ".spec.enforcement.admission",
        description = "What admission does with a violation."
    ),
    printcolumn(
        name = "Images",
        type_ = "integer",
        json_path = ".status.summary.images.scanned",
        description = "Images with a verdict."
    ),
    printcolumn(
        name = "Violating",
        type_ = "integer",
        json_path = ".status.summary.workloads.violating",
        description = "Workloads that break a rule."
    ),
    printcolumn(
        name = "Critical",
        type_ = "integer",
        json_path = ".status.summary.severities.critical",
        description = "Critical findings in images in use."
    ),
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].status",
        description = "Whether every selected workload keeps the rules."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the spec is valid and its workloads are judged."
    ),
    printcolumn(
        name = "Last Scan",
        type_ = "date",
        json_path = ".status.lastScanTime",
        description = "When a scheduled scan last ran."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "High",
        type_ = "integer",
        json_path = ".status.summary.severities.high",
        priority = 1
    ),
    printcolumn(
        name = "Mitigated",
        type_ = "integer",
        json_path = ".status.summary.workloads.mitigated",
        priority = 1
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.nextScanTime",
        description = "When the next scheduled scan is due.",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.schedule) || (has(self.registries) && size(self.registries) > 0)").message("schedule says when registries are scanned: name at least one in registries, or remove schedule").field_path(".schedule"),
    validation = Rule::new("!has(self.postDeploy) || !has(self.postDeploy.report) || (has(self.rules) && has(self.rules.reports) && self.rules.reports.exists(r, r.name == self.postDeploy.report))").message("postDeploy.report must be the name of an entry of rules.reports").field_path(".postDeploy.report")
)]
pub struct ImagePolicySpec {
    /// True stops scans and new actions. Admission and what is contained stay in force. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub suspend: bool,
    /// Which workloads and images this policy speaks about. Default: everything in its own namespace.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub selector: PolicySelector,
    /// Registries whose images are scanned on a schedule, whether they run or not. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub registries: Vec<Registry>,
    /// When registries are scanned. Running images are scanned as they appear and need no schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How scans of this policy's images are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanSettings>,
    /// What is demanded.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub rules: Rules,
    /// VEX documents attached to images, which say what a finding means there. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub vex: Vec<VexSource>,
    /// Risk scores from which a workload is warned about or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_threshold: Option<RiskThreshold>,
    /// What each gate does with a violation.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Risks accepted, for a reason and a time. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub exceptions: Vec<PolicyException>,
    /// What namespaces may except from this policy in policies of their own. Only in the operator's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate_exceptions: Option<DelegateExceptions>,
    /// Whom to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// What is done about violating workloads. Needs three opt-ins: mode Enforce, the operator's RBAC overlay, and the namespace's
    /// label breakwater.dev/remediation=enabled. A missing one means dry-run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// A Job that runs after each roll-out of a selected workload, for example a DAST tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_deploy: Option<PostDeploy>,
}

/// Which workloads and images a policy speaks about. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySelector {
    /// Namespaces by label; {} is all of them. Absent: the policy's own. Only in the operator's namespace; anywhere else the policy is
    /// Stalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Workloads by the labels of their top owner (the Deployment, not its pods). Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_selector: Option<LabelSelector>,
    /// Globs over canonical image names without tag or digest: docker.io/library/nginx, registry.example.com/team/**. A single star
    /// does not cross a slash, two do. Default: all images. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub images: Vec<String>,
    /// Images this policy does not speak about, as globs like images. Wins over images. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub exclude_images: Vec<String>,
}

/// Risk scores, 0 to 100, from which something is said or refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.warn) || !has(self.deny) || self.warn <= self.deny").message("warn must not be above deny"))]
pub struct RiskThreshold {
    /// From this score on a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub warn: Option<i32>,
    /// From this score on a violation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub deny: Option<i32>,
}

/// A Job after each roll-out. It runs in the policy's namespace; the policy's author needs the right to create Jobs there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostDeploy {
    /// A batch/v1 JobTemplateSpec. At most 32 KiB.
    #[schemars(schema_with = "schema::foreign_object")]
    pub job_template: serde_json::Value,
    /// The entry of rules.reports that judges what the Job reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::dns_label")]
    pub report: Option<String>,
}
