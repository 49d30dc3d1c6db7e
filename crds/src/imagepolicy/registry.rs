use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, selector::LocalReference};

/// A registry, and which of its images are scanned. Proxies, plain HTTP and private addresses are the operator's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// What this entry is called, here and in ScanJobs.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
    /// https://host[:port], without path or user.
    #[schemars(schema_with = "schema::registry_url")]
    pub url: String,
    /// Whose registry it is: Generic, DockerHub, GitHub, GitLab, Amazon, Google, Azure, Harbor or Quay. Decides how repositories are
    /// listed and how rate limits are read. Default: Generic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<RegistryProvider>,
    /// Registries that serve the same content, asked first, in this order of preference. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::registry_urls")]
    pub mirrors: Vec<String>,
    /// Which repositories. At least one, at most 128: nothing is scanned by accident.
    #[schemars(length(min = 1, max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub repositories: Vec<Repository>,
    /// Platforms to scan, for example linux/arm64. Default: those of the cluster's nodes. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::platforms")]
    pub platforms: Vec<String>,
    /// A Secret of type kubernetes.io/dockerconfigjson in the same namespace, with an entry for this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<LocalReference>,
    /// A ServiceAccount in the same namespace; only its imagePullSecrets are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub service_account_name: Option<String>,
    /// A Secret in the same namespace whose key ca.crt holds the certificates to trust for this host, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<LocalReference>,
    /// The most images scanned in one run, newest first. 1 to 10000, default 500; one ScanJob takes 100 at most and counts the rest
    /// as skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_images: Option<i32>,
}

/// Whose registry it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegistryProvider {
    #[default]
    Generic,
    DockerHub,
    GitHub,
    GitLab,
    Amazon,
    Google,
    Azure,
    Harbor,
    Quay,
}

/// A repository, and which of its tags are scanned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// Without host and tag: team/app, library/nginx.
    #[schemars(length(min = 1, max = 255), regex(pattern = schema::REPOSITORY))]
    pub name: String,
    /// Which tags. Default: all but signatures, attestations and SBOMs (*.sig, *.att, *.sbom).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagSelection>,
}

/// Which tags of a repository. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagSelection {
    /// Globs; a tag must match one. Default: all. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub include: Vec<String>,
    /// Globs; a tag must match none. Default: *.sig, *.att, *.sbom. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::globs")]
    pub exclude: Vec<String>,
    /// A range of semantic versions: ">=1.2, <2" (the syntax of Cargo). Tags that are no version do not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub semver: Option<String>,
    /// Only the newest so many, in version order. 1 to 1000. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000))]
    pub newest: Option<i32>,
}
