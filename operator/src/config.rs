//! The operator's configuration: ConfigMap `breakwater-config`, key `config.yaml`. Strict: an unknown field is an error.

mod reload;
mod store;

pub use reload::{ConfigError, follow, load, parse};
pub use store::{S3, Store};

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    pub scan: Scan,
    pub registries: Vec<Registry>,
    pub advisories: Advisories,
    pub store: Store,
    pub remediation: Remediation,
    /// Never touched, by exact name, besides kube-system, kube-public, kube-node-lease and the operator's own.
    pub exempt_namespaces: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scan {
    /// Image of the scan Jobs.
    pub image: String,
    /// The most unfinished Jobs at a time (1–100), in all and for one registry.
    pub max_jobs: u32,
    pub max_jobs_per_registry: u32,
    /// The longest `spec.timeout` a ScanJob gets.
    #[serde(with = "duration")]
    pub max_timeout: Duration,
    pub max_attempts: u32,
    pub cpu_limit: String,
    pub memory_limit: String,
    /// How long finished ScanJobs made by the operator stay.
    #[serde(with = "duration")]
    pub keep_finished: Duration,
}

/// How one registry host may be spoken to. Tenants cannot say this.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// Host and port, as in image references.
    pub host: String,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default)]
    pub allow_private_addresses: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Hosts reached without the proxy, as `NO_PROXY` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
    /// `host[:port]` of token endpoints of another domain that may have this registry's credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_hosts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Advisories {
    /// Base URL of the advisories Deployment, or `file:PATH` of an index file that something else replaces.
    pub url: String,
    /// Where the last index is kept over restarts.
    pub directory: String,
    /// An index older than this makes policies report `DatabaseStale`.
    #[serde(with = "duration")]
    pub stale_after: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Remediation {
    /// The kill switch: nothing is acted on, restored or escalated. Containments stay.
    pub paused: bool,
    /// From the moment a reason to act, or to release, is first seen to the announcement, or the release.
    #[serde(with = "duration")]
    pub second_look: Duration,
    pub max_per_hour: u32,
    pub max_per_namespace_per_hour: u32,
    pub max_concurrent: u32,
    pub max_concurrent_per_namespace: u32,
    /// The breaker opens when one evaluation would hit more than this share of all workloads…
    pub breaker_percent: u8,
    /// … or so many in five minutes.
    pub breaker_count: u32,
    /// From one action on a workload to the next.
    #[serde(with = "duration")]
    pub cooldown: Duration,
}

mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scan: Scan::default(),
            registries: Vec::new(),
            advisories: Advisories::default(),
            store: Store::ConfigMap {},
            remediation: Remediation::default(),
            exempt_namespaces: Vec::new(),
        }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            image: String::new(),
            max_jobs: 5,
            max_jobs_per_registry: 5,
            max_timeout: Duration::from_secs(3600),
            max_attempts: 5,
            cpu_limit: "1".into(),
            memory_limit: "256Mi".into(),
            keep_finished: Duration::from_secs(24 * 3600),
        }
    }
}

impl Default for Advisories {
    fn default() -> Self {
        Self {
            url: "https://breakwater-advisories:8443".into(),
            directory: "/var/lib/breakwater".into(),
            stale_after: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

impl Default for Remediation {
    fn default() -> Self {
        Self {
            paused: false,
            second_look: Duration::from_secs(300),
            max_per_hour: 20,
            max_per_namespace_per_hour: 5,
            max_concurrent: 10,
            max_concurrent_per_namespace: 5,
            breaker_percent: 20,
            breaker_count: 10,
            cooldown: Duration::from_secs(600),
        }
    }
}
