//! Reading the configuration, and following its changes.
//!
//! What cannot be read changes nothing, but pauses mitigation: the kill switch is in there, and a switch that cannot be read counts as
//! thrown.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher},
};

use super::Config;
use crate::{
    context::Context,
    kube::{
        events::{Events, Kind},
        runner::{WATCH_TIMEOUT, WatchEnded},
    },
};

/// The ConfigMap, in the operator's namespace, and its key.
const NAME: &str = "breakwater-config";
const KEY: &str = "config.yaml";

/// Why a configuration was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("there is no ConfigMap {NAME} with the key {KEY}")]
    Missing,
    #[error("{KEY} cannot be read: {0}")]
    Malformed(String),
    #[error("{field} must be {rule}")]
    OutOfRange { field: &'static str, rule: &'static str },
}

impl ConfigError {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Malformed(_) => "Malformed",
            Self::OutOfRange { .. } => "OutOfRange",
        }
    }
}

/// What `yaml` says, if all of it makes sense.
///
/// # Errors
/// [`ConfigError`], naming the field.
pub fn parse(yaml: &str) -> Result<Config, ConfigError> {
    let config: Config =
        serde_saphyr::from_str(yaml).map_err(|error| ConfigError::Malformed(error.to_string()))?;
    let Config { scan, registries, advisories, store, remediation, exempt_namespaces } = &config;
    let rules = [
        (!scan.image.is_empty(), "scan.image", "an image reference"),
        ((1..=100).contains(&scan.max_jobs), "scan.maxJobs", "between 1 and 100"),
        ((1..=100).contains(&scan.max_jobs_per_registry), "scan.maxJobsPerRegistry", "between 1 and 100"),
        ((1..=10).contains(&scan.max_attempts), "scan.maxAttempts", "between 1 and 10"),
        ((10..=86_400).contains(&scan.max_timeout.as_secs()), "scan.maxTimeout", "between 10s and 24h"),
        (
            registries.len() <= 100 && registries.iter().all(|registry| is_host(&registry.host)),
            "registries",
            "at most 100, each with a host[:port]",
        ),
        (is_source(&advisories.url), "advisories.url", "an http(s): or file: URL"),
        (advisories.directory.starts_with('/'), "advisories.directory", "an absolute path"),
        (remediation.breaker_percent <= 100, "remediation.breakerPercent", "between 0 and 100"),
        (exempt_namespaces.len() <= 1000, "exemptNamespaces", "at most 1000"),
    ];
    match rules.into_iter().chain(store.rules()).find(|(holds, ..)| !holds) {
        None => Ok(config),
        Some((_, field, rule)) => Err(ConfigError::OutOfRange { field, rule }),
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.len() <= 260 && !host.contains(['/', ' ', '@'])
}

fn is_source(source: &str) -> bool {
    ["https://", "http://", "file:"]
        .iter()
        .any(|scheme| source.len() > scheme.len() && source.starts_with(scheme))
}

/// The configuration at start. One that cannot be used leaves the defaults, with mitigation paused, and is told like any other.
///
/// # Errors
/// What the API server answered.
pub async fn load(context: &Context, events: &Events) -> Result<(), kube::Error> {
    let stored = api(context).get_opt(NAME).await?;
    adopt(context, events, stored.as_ref()).await;
    Ok(())
}

/// Takes over every change until the process is asked to stop. A broken watch is restored with back-off.
///
/// # Errors
/// When the watch ends unasked.
pub async fn follow(context: Context, events: Events) -> Result<(), WatchEnded> {
    let scope = watcher::Config::default().fields(&format!("metadata.name={NAME}")).timeout(WATCH_TIMEOUT);
    let changes = watcher(api(&context), scope).default_backoff().for_each(|event| {
        let (context, events) = (&context, &events);
        async move {
            context.metrics.watched("configuration", context.clock.monotonic());
            match event {
                Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => {
                    adopt(context, events, Some(&map)).await
                }
                Ok(watcher::Event::Delete(_)) => adopt(context, events, None).await,
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Err(error) => tracing::warn!(%error, "the configuration's watch failed and is tried again"),
            }
        }
    });
    tokio::select! {
        () = changes => Err(WatchEnded { watch: "configuration" }),
        () = context.stop.cancelled() => Ok(()),
    }
}

async fn adopt(context: &Context, events: &Events, stored: Option<&ConfigMap>) {
    let text = stored.and_then(|map| map.data.as_ref()?.get(KEY));
    let before = context.config.load_full();
    match text.ok_or(ConfigError::Missing).and_then(|text| parse(text)) {
        Ok(config) if config == *before => {}
        Ok(config) => {
            tracing::info!("the configuration is taken over");
            context.metrics.configuration_loaded("Loaded");
            context.set_config(config);
        }
        Err(error) => {
            tracing::error!(%error, "the configuration is not usable: the last good one holds, mitigation is paused");
            context.metrics.configuration_loaded(error.reason());
            let note = format!(
                "{error}. The last good configuration holds, and mitigation is paused until this is repaired."
            );
            events
                .tell(&about(context, stored), Kind::Warning, error.reason(), "LoadConfiguration", &note)
                .await;
            let mut paused = (*before).clone();
            paused.remediation.paused = true;
            if paused != *before {
                context.set_config(paused);
            }
        }
    }
}

fn about(context: &Context, stored: Option<&ConfigMap>) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("ConfigMap".into()),
        name: Some(NAME.into()),
        namespace: Some(context.namespace.to_string()),
        uid: stored.and_then(|map| map.metadata.uid.clone()),
        ..ObjectReference::default()
    }
}

fn api(context: &Context) -> Api<ConfigMap> {
    Api::namespaced(context.client.clone(), &context.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Store;

    const GOOD: &str = "scan: {image: example.com/scanner:1, maxJobs: 3}\nremediation: {secondLook: 0s}\n";

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = parse(GOOD).unwrap();
        assert_eq!(
            (config.scan.max_jobs, config.scan.max_attempts),
            (3, Config::default().scan.max_attempts)
        );
        assert!(config.remediation.second_look.is_zero());
    }

    #[test]
    fn every_default_is_in_range_once_an_image_is_named() {
        let mut config = Config::default();
        config.scan.image = "example.com/scanner:1".into();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(parse(&text).unwrap(), config);
    }

    #[test]
    fn what_is_shipped_is_good() {
        for yaml in [
            include_str!("../../../config/operator/config.yaml"),
            include_str!("../../../config/overlays/dev/config.yaml"),
        ] {
            assert!(!parse(yaml).unwrap().remediation.paused);
        }
    }

    #[test]
    fn a_bucket_needs_an_endpoint_and_a_name() {
        let yaml =
            "scan: {image: a}\nstore: {s3: {endpoint: 'http://minio:9000', bucket: b, allowHttp: true}}";
        let Store::S3(s3) = parse(yaml).unwrap().store else { panic!("not s3") };
        let given = (s3.region.as_str(), s3.prefix.as_str(), s3.credentials.as_str(), s3.quota_gib);
        assert_eq!(given, ("us-east-1", "", "/etc/breakwater/s3", 10));
    }

    #[test]
    fn mistakes_are_named() {
        for (yaml, words) in [
            ("scan: {image: a, maxJob: 3}", "maxJob"),
            ("scan: {image: a, maxJobs: 0}", "scan.maxJobs must be between 1 and 100"),
            ("scan: {image: a, maxTimeout: 7 parsecs}", "cannot be read"),
            ("scan: {image: a}\nregistries: [{host: 'https://x'}]", "registries must be"),
            ("scan: {image: a}\nadvisories: {url: mirror}", "advisories.url must be"),
            ("scan: {image: a}\nstore: {file: {directory: here}}", "store.file.directory must be"),
            ("scan: {image: a}\nstore: {s3: {bucket: b}}", "endpoint"),
            ("scan: {image: a}\nstore: {s3: {endpoint: 'http://x', bucket: b}}", "store.s3.endpoint must be"),
            (
                "scan: {image: a}\nstore: {s3: {endpoint: 'https://x', bucket: 'b/c'}}",
                "store.s3.bucket must be",
            ),
            ("scan: {image: a}\nstore: {s3: {endpoint: 'https://x', bucket: b, secretKey: x}}", "secretKey"),
            ("{", "cannot be read"),
        ] {
            let error = parse(yaml).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
