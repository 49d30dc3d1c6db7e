//! `ScanJob`: one question to a registry, asked once, and its answer. History: the live verdict lives in the inventory store.

mod status;

pub use status::{
    AdvisoryRevision, FindingEntry, ImageEntry, ScanJobStatus, ScanProgress, ScanResult, ScanSummary,
    ScanTarget, ScannedPlatform, ScannerInfo, Trigger, UnanalysedEntry, VerdictEntry, VerdictResult,
};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use breakwater_core::workload::WorkloadKind;

use crate::{schema, selector::LocalReference};

/// What is scanned, and how. Fixed once created, but for suspend and ttlAfterFinished.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "breakwater.dev",
    version = "v1alpha1",
    kind = "ScanJob",
    plural = "scanjobs",
    namespaced,
    status = "ScanJobStatus",
    shortname = "scj",
    category = "breakwater",
    derive = "PartialEq",
    derive = "Default",
    doc = "ScanJob asks once what is inside an image, or inside the repositories of a registry, and keeps the answer. It is history: deleting it never un-scans an image.",
    selectable = ".spec.image",
    selectable = ".status.trigger",
    selectable = ".status.result",
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(name = "Result", type_ = "string", json_path = ".status.result"),
    printcolumn(name = "Critical", type_ = "integer", json_path = ".status.summary.critical"),
    printcolumn(name = "High", type_ = "integer", json_path = ".status.summary.high"),
    printcolumn(
        name = "Fixable",
        type_ = "integer",
        json_path = ".status.summary.fixableTotal",
        description = "Findings that an upgrade mends."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "KEV",
        type_ = "integer",
        json_path = ".status.summary.knownExploited",
        description = "Findings known to be exploited.",
        priority = 1
    ),
    printcolumn(name = "Packages", type_ = "integer", json_path = ".status.summary.packages", priority = 1),
    printcolumn(name = "Scanned", type_ = "date", json_path = ".status.completionTime", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.target.indexDigest", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.image) != has(self.registry)").message("exactly one of image and registry is needed"),
    validation = Rule::new("has(self.image) == has(oldSelf.image) && (!has(self.image) || self.image == oldSelf.image)").message("image cannot change: create another ScanJob").field_path(".image"),
    validation = Rule::new("has(self.registry) == has(oldSelf.registry) && (!has(self.registry) || self.registry == oldSelf.registry)").message("registry cannot change: create another ScanJob").field_path(".registry"),
    validation = Rule::new("has(self.platforms) == has(oldSelf.platforms) && (!has(self.platforms) || self.platforms == oldSelf.platforms)").message("platforms cannot change: create another ScanJob").field_path(".platforms"),
    validation = Rule::new("has(self.imagePullSecrets) == has(oldSelf.imagePullSecrets) && (!has(self.imagePullSecrets) || self.imagePullSecrets == oldSelf.imagePullSecrets)").message("imagePullSecrets cannot change: create another ScanJob").field_path(".imagePullSecrets"),
    validation = Rule::new("has(self.serviceAccountName) == has(oldSelf.serviceAccountName) && (!has(self.serviceAccountName) || self.serviceAccountName == oldSelf.serviceAccountName)").message("serviceAccountName cannot change: create another ScanJob").field_path(".serviceAccountName"),
    validation = Rule::new("has(self.caSecretRef) == has(oldSelf.caSecretRef) && (!has(self.caSecretRef) || self.caSecretRef == oldSelf.caSecretRef)").message("caSecretRef cannot change: create another ScanJob").field_path(".caSecretRef"),
    validation = Rule::new("has(self.credentialsFrom) == has(oldSelf.credentialsFrom) && (!has(self.credentialsFrom) || self.credentialsFrom == oldSelf.credentialsFrom)").message("credentialsFrom cannot change: create another ScanJob").field_path(".credentialsFrom"),
    validation = Rule::new("has(self.timeout) == has(oldSelf.timeout) && (!has(self.timeout) || self.timeout == oldSelf.timeout)").message("timeout cannot change: create another ScanJob").field_path(".timeout"),
    validation = Rule::new("has(self.attempts) == has(oldSelf.attempts) && (!has(self.attempts) || self.attempts == oldSelf.attempts)").message("attempts cannot change: create another ScanJob").field_path(".attempts"),
    validation = Rule::new("has(self.parallelism) == has(oldSelf.parallelism) && (!has(self.parallelism) || self.parallelism == oldSelf.parallelism)").message("parallelism cannot change: create another ScanJob").field_path(".parallelism"),
    validation = Rule::new("has(self.priority) == has(oldSelf.priority) && (!has(self.priority) || self.priority == oldSelf.priority)").message("priority cannot change: create another ScanJob").field_path(".priority"),
    validation = Rule::new("!has(self.parallelism) || has(self.registry)").message("parallelism belongs to registry: one image is one scan").field_path(".parallelism"),
    validation = Rule::new("!has(self.credentialsFrom) || (!has(self.serviceAccountName) && (!has(self.imagePullSecrets) || size(self.imagePullSecrets) == 0))").message("credentialsFrom excludes imagePullSecrets and serviceAccountName").field_path(".credentialsFrom")
)]
pub struct ScanJobSpec {
    /// A tag or digest: registry.example.com/team/app:1.2. Short names are completed as container engines do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = schema::IMAGE))]
    pub image: Option<String>,
    /// Repositories of a registry that a policy of this namespace configures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryTarget>,
    /// Platforms to scan, for example linux/arm64. Default: those of the cluster's nodes. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::platforms")]
    pub platforms: Vec<String>,
    /// Secrets of type kubernetes.io/dockerconfigjson in the same namespace. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// A ServiceAccount in the same namespace; only its imagePullSecrets are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub service_account_name: Option<String>,
    /// A Secret in the same namespace whose key ca.crt holds the certificates to trust, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<LocalReference>,
    /// The workload whose pull secrets are used, and with them its trust domain. Only in the operator's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_from: Option<CredentialsFrom>,
    /// The longest it may take. Default: 15m; the operator's configuration bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
    /// How often it is tried. 1 to 10, default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: Option<i32>,
    /// How many scan pods work on a registry at the same time. 1 to 50, default 1; more than 8 count as 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub parallelism: Option<i32>,
    /// Among waiting ScanJobs of the same trigger the higher goes first. -100 to 100, default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -100, max = 100))]
    pub priority: Option<i32>,
    /// How long the object is kept after its end. Default: for ever, for those that people make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub ttl_after_finished: Option<String>,
    /// True stops it: a running scan pod is removed. False goes on. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub suspend: bool,
}

/// Repositories of a registry that a policy configures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryTarget {
    /// The ImagePolicy of this namespace that configures the registry.
    pub policy_ref: LocalReference,
    /// The entry of its spec.registries.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
    /// Only these of its repositories. Default: all of them. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 255), regex(pattern = schema::REPOSITORY)), extend("x-kubernetes-list-type" = "set"))]
    pub repositories: Vec<String>,
}

/// A workload in any namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsFrom {
    /// Its namespace.
    #[schemars(schema_with = "schema::dns_label")]
    pub namespace: String,
    /// Its kind.
    #[schemars(schema_with = "schema::workload_kind")]
    pub kind: WorkloadKind,
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}
