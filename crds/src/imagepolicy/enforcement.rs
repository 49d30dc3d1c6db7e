use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What each gate does with a violation. Admission and audit judge the same rules; only the consequence differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enforcement {
    /// The command line in a pipeline: Off, Warn (exit 0) or Enforce (exit 1). Default: Warn.
    #[serde(default)]
    pub build: BuildMode,
    /// Admission of pods and their owners: Off, Audit (recorded only), Warn (shown to the author) or Enforce (refused). Default: Audit.
    #[serde(default)]
    pub admission: AdmissionMode,
    /// Workloads that run already: Off or Audit (status, Events, metrics). Default: Audit.
    #[serde(default)]
    pub audit: AuditMode,
    /// Pods that a built-in controller makes for a revision older than the violation: Allow (with a warning) or Enforce. Default: Allow,
    /// so that a node that drains does not become an outage.
    #[serde(default)]
    pub replacement_pods: ReplacementPods,
}

/// What the command line does with a violation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BuildMode {
    Off,
    #[default]
    Warn,
    Enforce,
}

/// What admission does with a violation, from least to most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AdmissionMode {
    Off,
    #[default]
    Audit,
    Warn,
    Enforce,
}

/// Whether running workloads are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AuditMode {
    Off,
    #[default]
    Audit,
}

/// What happens to replacement pods of an old revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReplacementPods {
    #[default]
    Allow,
    Enforce,
}
