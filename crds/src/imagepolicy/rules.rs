use breakwater_core::{Severity, inventory::SoftwareSet};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What is demanded. What is absent is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Known vulnerabilities, counted per image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<VulnerabilityRules>,
    /// The image itself: where it comes from, what is inside, how old it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRules>,
    /// Licences of packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licenses: Option<LicenseRules>,
    /// Signatures that images must carry. All entries whose images match must be met. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub signatures: Vec<SignatureRule>,
    /// Results of other tools that images must carry. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub reports: Vec<ReportRule>,
    /// The workload around the image. Each check at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["check"]))]
    pub workload: Vec<WorkloadRule>,
}

/// How many vulnerabilities of which kind one image may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.max) || !has(self.max.unknown) || (has(self.unknownSeverity) && self.unknownSeverity == 'Unknown')").message("is never reached: findings without severity count as unknownSeverity; set that to Unknown").field_path(".max.unknown"))]
pub struct VulnerabilityRules {
    /// The most findings of each severity. What is absent has no limit.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub max: MaxFindings,
    /// What a finding counts as whose severity nobody said; most distributions' records say none. Default: Medium, shown as assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub unknown_severity: Option<Severity>,
    /// Count only findings that an upgrade mends. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixable_only: Option<bool>,
    /// Times during which a finding is not counted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Grace>,
    /// The highest CVSS base score allowed, as a string: "8.9".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cvss")]
    pub max_cvss: Option<String>,
    /// The highest EPSS percentile allowed, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub max_epss_percentile: Option<i32>,
    /// Refuse findings listed in the CISA catalogue of known exploited vulnerabilities. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_known_exploited: Option<bool>,
    /// Vulnerabilities that are never allowed, by any alias. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::vulnerability_ids")]
    pub deny: Vec<String>,
}

/// The most findings of each severity in one image. 0 allows none; absent is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaxFindings {
    /// Critical findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub critical: Option<i32>,
    /// High findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub high: Option<i32>,
    /// Medium findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub medium: Option<i32>,
    /// Low findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub low: Option<i32>,
    /// Findings whose severity nobody said; counts only if unknownSeverity is Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub unknown: Option<i32>,
}

/// How long a finding is not counted. The longest that applies wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grace {
    /// Since its advisory was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub published: Option<String>,
    /// Since a fixed version was first known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub fix_available: Option<String>,
    /// Since it was first found in this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub first_seen: Option<String>,
}

/// The image itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRules {
    /// Globs over canonical image names, one of which must match: registry.example.com/**. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub trusted_registries: Vec<String>,
    /// The workload must name the image by digest. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_digest: Option<bool>,
    /// Refuse the tag latest, written or implied. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_latest_tag: Option<bool>,
    /// The longest since the image was made. For example 2160h (90 days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_age: Option<String>,
    /// The longest since the image was last matched against advisories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_scan_age: Option<String>,
    /// What an image means that nobody scanned: Allow, Warn or Deny. Default: Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscanned: Option<Consequence>,
    /// What an image means whose scan failed: Allow, Warn or Deny. Default: Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_failed: Option<Consequence>,
    /// What an image means of which parts could not be read: Allow, Warn or Deny. Default: Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<Consequence>,
    /// False refuses containers that run as root. Default: not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_root_user: Option<bool>,
    /// The most packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_packages: Option<i32>,
    /// Software that a running application rarely needs: PackageManagers, NetworkTools, Shells, Compilers, Debuggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::software_sets")]
    pub banned_software: Vec<SoftwareSet>,
    /// Globs over package names that must not be there. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub banned_packages: Vec<String>,
    /// Keys of image labels that must be there. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_keys")]
    pub required_labels: Vec<String>,
    /// Globs over canonical names of base images, one of which the image must be built on. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub trusted_bases: Vec<String>,
    /// The most secrets found in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_secrets: Option<i32>,
    /// Refuse environment variables in the image that look like secrets. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_secret_env: Option<bool>,
    /// The most files that run with the rights of their owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_setuid_files: Option<i32>,
}

/// What a missing fact means, or what a check does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Consequence {
    Allow,
    #[default]
    Warn,
    Deny,
}

/// Licences of packages, by SPDX id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.deny) && size(self.deny) > 0 && has(self.allow) && size(self.allow) > 0)").message("deny and allow exclude each other: list what is refused, or list all that is accepted"))]
pub struct LicenseRules {
    /// Refused licences: AGPL-3.0-only. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::licenses")]
    pub deny: Vec<String>,
    /// The only licences accepted. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::licenses")]
    pub allow: Vec<String>,
    /// Which packages: Application (not those of the distribution) or All. Default: Application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<LicenseScope>,
}

/// Which packages a licence rule reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LicenseScope {
    #[default]
    Application,
    All,
}

/// A signature that images must carry. Exactly one of key and keyless.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.key) != has(self.keyless)").message("exactly one of key and keyless is needed"))]
pub struct SignatureRule {
    /// Globs over canonical image names. Default: all images of the policy. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub images: Vec<String>,
    /// A PEM public key (BEGIN PUBLIC KEY).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::public_key")]
    pub key: Option<String>,
    /// Who signed, by an identity that a certificate names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyless: Option<Keyless>,
}

/// An identity in a short-lived signing certificate (sigstore).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keyless {
    /// Who vouches for the identity: https://token.actions.githubusercontent.com.
    #[schemars(length(min = 9, max = 512), regex(pattern = schema::HTTPS_URL))]
    pub issuer: String,
    /// The identity, exactly. No pattern: a prefix match lets anybody in whose name begins alike.
    #[schemars(length(min = 1, max = 512))]
    pub subject: String,
}

/// By what a report or VEX document is trusted. Exactly one of key and keyless.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.key) != has(self.keyless)").message("exactly one of key and keyless is needed"))]
pub struct Verification {
    /// A PEM public key (BEGIN PUBLIC KEY).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::public_key")]
    pub key: Option<String>,
    /// Who signed, by an identity that a certificate names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyless: Option<Keyless>,
}

/// The result of another tool (SAST, DAST), attached to the image as an OCI referrer or posted by a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportRule {
    /// What it is called in verdicts.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
    /// How it is written: SARIF.
    pub format: ReportFormat,
    /// By what it is trusted. Absent: shown, never applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
    /// The worst SARIF level allowed: None, Note, Warning or Error. Default: Warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_level: Option<ReportLevel>,
    /// The longest since it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_age: Option<String>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReportFormat {
    #[default]
    #[serde(rename = "SARIF")]
    Sarif,
}

/// Levels of SARIF results (SARIF 2.1.0 §3.27.10), from least to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReportLevel {
    None,
    Note,
    #[default]
    Warning,
    Error,
}

/// VEX documents attached to images as OCI referrers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VexSource {
    /// What it is called in verdicts.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
    /// How it is written: OpenVEX or CSAF.
    pub format: VexFormat,
    /// Globs over canonical image names. Default: all images of the policy. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::image_globs")]
    pub images: Vec<String>,
    /// By what it is trusted. Absent: shown, never applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
}

/// How a VEX document is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VexFormat {
    #[default]
    #[serde(rename = "OpenVEX")]
    OpenVex,
    #[serde(rename = "CSAF")]
    Csaf,
}

/// One check of the workload around the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.check != 'AllowedCapabilities' || (has(self.parameters) && has(self.parameters.capabilities))").message("AllowedCapabilities needs parameters.capabilities; an empty list allows none").field_path(".parameters"),
    validation = Rule::new("self.check != 'MaxBlastRadius' || (has(self.parameters) && has(self.parameters.max))").message("MaxBlastRadius needs parameters.max").field_path(".parameters"),
    validation = Rule::new("!has(self.parameters) || ((!has(self.parameters.capabilities) || self.check == 'AllowedCapabilities') && (!has(self.parameters.max) || self.check == 'MaxBlastRadius') && (!has(self.parameters.resources) || self.check == 'RequireResources') && (!has(self.parameters.allowedPaths) || self.check == 'DenyHostPath') && (!has(self.parameters.allowedNames) || self.check in ['DenySecretEnv', 'DenySecretEnvRefs']) && (!has(self.parameters.directions) || self.check == 'RequireNetworkPolicy') && (!has(self.parameters.keys) || self.check == 'RequireOwner'))").message("a parameter does not belong to this check").field_path(".parameters")
)]
pub struct WorkloadRule {
    /// RequireResources, DenyPrivileged, DenyPrivilegeEscalation, DenyHostNamespaces, DenyHostPath, RequireDropAll, AllowedCapabilities,
    /// RequireReadOnlyRoot, RequireNonRoot, RequireSeccomp, RequireNetworkPolicy, DenySecretEnv, DenySecretEnvRefs, RequireOwner,
    /// DenyAutomountToken or MaxBlastRadius.
    pub check: WorkloadCheck,
    /// What a failed check does: Allow, Warn or Deny. Default: Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Consequence>,
    /// What the check needs to know. Each parameter belongs to one check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<CheckParameters>,
}

/// Checks of the workload around the image.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WorkloadCheck {
    RequireResources,
    #[default]
    DenyPrivileged,
    DenyPrivilegeEscalation,
    DenyHostNamespaces,
    DenyHostPath,
    RequireDropAll,
    AllowedCapabilities,
    RequireReadOnlyRoot,
    RequireNonRoot,
    RequireSeccomp,
    RequireNetworkPolicy,
    DenySecretEnv,
    DenySecretEnvRefs,
    RequireOwner,
    DenyAutomountToken,
    MaxBlastRadius,
}

/// Parameters of workload checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckParameters {
    /// AllowedCapabilities: the only ones that may be added, without CAP_: NET_BIND_SERVICE. At most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::capabilities")]
    pub capabilities: Option<Vec<String>>,
    /// MaxBlastRadius: the highest score allowed, 0 to 100, of what the ServiceAccount may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percent")]
    pub max: Option<i32>,
    /// RequireResources: which must be set: CpuRequest, MemoryRequest, CpuLimit, MemoryLimit. Default: all but CpuLimit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub resources: Option<Vec<ResourceSetting>>,
    /// DenyHostPath: globs over host paths that are allowed nevertheless. At most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::path_globs")]
    pub allowed_paths: Option<Vec<String>>,
    /// DenySecretEnv, DenySecretEnvRefs: globs over names of variables that are allowed nevertheless. At most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::globs")]
    pub allowed_names: Option<Vec<String>>,
    /// RequireNetworkPolicy: Ingress, Egress. Default: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub directions: Option<Vec<NetworkDirection>>,
    /// RequireOwner: keys of annotations and labels, one of which must be there. Default: those of notify.ownerKeys. At most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_keys")]
    pub keys: Option<Vec<String>>,
}

/// A resource setting of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResourceSetting {
    CpuRequest,
    MemoryRequest,
    CpuLimit,
    MemoryLimit,
}

/// Which way traffic flows, seen from the pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NetworkDirection {
    Ingress,
    #[default]
    Egress,
}
