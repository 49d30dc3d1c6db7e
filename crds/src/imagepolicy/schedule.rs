use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, selector::LocalReference};

/// When registries are scanned. Exactly one of cron and interval; status.nextScanTime shows what comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cron) != has(self.interval)").message("exactly one of cron and interval is needed"),
    validation = Rule::new("!has(self.interval) || duration(self.interval) >= duration('1m')").message("the interval is shorter than 1m: a registry is somebody else's machine").field_path(".interval"),
    validation = Rule::new("!has(self.timeZone) || has(self.cron)").message("timeZone belongs to cron; an interval has none").field_path(".timeZone")
)]
pub struct Schedule {
    /// minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub cron: Option<String>,
    /// Time from one run to the next, at least 1m; the first run is at once. For example 6h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub interval: Option<String>,
    /// The IANA time zone of cron, for example Europe/Berlin. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::TIME_ZONE))]
    pub time_zone: Option<String>,
    /// Runs begin up to this much later, spread by name, so that many policies do not start in the same second. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub jitter: Option<String>,
    /// A run missed by more than this is left out. Default: it is made up for, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub starting_deadline: Option<String>,
    /// How many registries of this policy are scanned at the same time. 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub concurrency: Option<i32>,
}

/// How scans of running images are made. Pod fields (priority class, tolerations, resources) are the operator's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanSettings {
    /// Whose credentials pull running images: Policy (imagePullSecrets here), Workload (those of the pod) or ServiceAccount (those of
    /// the pod's account). Workload and ServiceAccount need the operator's per-namespace RBAC overlay. Default: Policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialSource>,
    /// The longest a scan may take. Default: 15m; the operator's configuration bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
    /// Secrets of type kubernetes.io/dockerconfigjson in the same namespace. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalReference>,
}

/// Whose credentials pull an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialSource {
    #[default]
    Policy,
    Workload,
    ServiceAccount,
}
