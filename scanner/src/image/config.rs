//! The image configuration (OCI image-spec, "Image Configuration"; Docker's is the same in what we read).

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{Digest, Platform, inventory::ImageConfig, printable};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::limits::{MAX_CONFIG_ITEMS, MAX_CONFIG_TEXT, MAX_LAYERS};

/// What the configuration says, bounded and printable.
#[derive(Debug, Clone)]
pub struct ImageDescription {
    pub platform: Platform,
    pub created: Option<DateTime<Utc>>,
    pub config: ImageConfig,
    pub diff_ids: Vec<Digest>,
    /// The build instruction of each layer, bottom first; empty where the history does not tell.
    pub instructions: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the image configuration is not the JSON it should be: {0}")]
    Malformed(String),
    #[error("the image configuration names no platform: {0}")]
    Platform(String),
    #[error("the image configuration lists more than {MAX_LAYERS} layers")]
    TooManyLayers,
    #[error("the image configuration lists a layer by something that is no digest")]
    DiffId,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    config: Option<Execution>,
    #[serde(default)]
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<Step>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    empty_layer: bool,
}

impl ImageDescription {
    /// # Errors
    /// [`ConfigError`]: not such a document, or one without a platform or with layers that are not named by digests.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| ConfigError::Malformed(printable::line(&error.to_string(), 120)))?;
        let variant = document.variant.filter(|variant| !variant.is_empty());
        let platform = [Some(document.os), Some(document.architecture), variant];
        let platform = platform.into_iter().flatten().collect::<Vec<_>>().join("/");
        let platform =
            platform.parse::<Platform>().map_err(|error| ConfigError::Platform(error.to_string()))?;
        if document.rootfs.diff_ids.len() > MAX_LAYERS {
            return Err(ConfigError::TooManyLayers);
        }
        let diff_ids = document.rootfs.diff_ids.iter().map(|id| id.parse().map_err(|_| ConfigError::DiffId));
        let steps = document.history.unwrap_or_default();
        let made_layers = steps.into_iter().filter(|step| !step.empty_layer);
        Ok(Self {
            platform,
            created: document.created.and_then(|time| time.parse().ok()),
            diff_ids: diff_ids.collect::<Result<_, _>>()?,
            instructions: made_layers
                .map(|step| text(&step.created_by.unwrap_or_default()))
                .take(MAX_LAYERS)
                .collect(),
            config: document.config.map(config).unwrap_or_default(),
        })
    }
}

fn config(document: Execution) -> ImageConfig {
    let list = |items: Option<Vec<String>>| -> Vec<String> {
        items.unwrap_or_default().iter().take(MAX_CONFIG_ITEMS).map(|item| text(item)).collect()
    };
    let keys = |map: Option<BTreeMap<String, _>>| list(map.map(|map| map.into_keys().collect()));
    // Names alone, once each: values are where secrets are.
    let names: BTreeSet<String> = document
        .env
        .unwrap_or_default()
        .iter()
        .map(|variable| text(variable.split_once('=').map_or(variable, |(name, _)| name)))
        .collect();
    let labels = document.labels.unwrap_or_default().into_iter().take(MAX_CONFIG_ITEMS);
    ImageConfig {
        user: text(&document.user.unwrap_or_default()),
        env: names.into_iter().take(MAX_CONFIG_ITEMS).collect(),
        entrypoint: list(document.entrypoint),
        cmd: list(document.cmd),
        exposed_ports: keys(document.exposed_ports),
        volumes: keys(document.volumes),
        labels: labels.map(|(key, value)| (text(&key), text(&value))).collect(),
    }
}

fn text(text: &str) -> String {
    printable::line(text, MAX_CONFIG_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_policies_ask_for_and_no_value_of_the_environment() {
        let id = Digest::of(b"layer");
        let json = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","created":"2024-05-01T10:00:00.123456789Z",
            "config":{{"User":"app:1","Env":["PATH=/bin","TOKEN=s3cr3t","PATH=/x"],"Entrypoint":["/app"],"Cmd":null,
              "ExposedPorts":{{"80/tcp":{{}}}},"Volumes":{{"/data":{{}}}},"Labels":{{"a":"b\u001b[0m"}}}},
            "rootfs":{{"type":"layers","diff_ids":["{id}"]}},
            "history":[{{"created_by":"ADD rootfs"}},{{"created_by":"ENV x","empty_layer":true}}]}}"#
        );
        let read = ImageDescription::parse(json.as_bytes()).unwrap();
        assert_eq!(read.platform.to_string(), "linux/arm64");
        assert_eq!(read.config.env, ["PATH", "TOKEN"]);
        assert_eq!(read.config.exposed_ports, ["80/tcp"]);
        assert_eq!(read.config.labels["a"], "b\u{fffd}[0m");
        assert_eq!(read.instructions, ["ADD rootfs"]);
        assert_eq!(read.diff_ids, [id]);
        assert!(read.created.is_some());
        assert!(!format!("{read:?}").contains("s3cr3t"));
    }

    #[test]
    fn refuses_what_is_no_configuration() {
        for bad in ["", "[]", "{}", r#"{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["x"]}}"#] {
            assert!(ImageDescription::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
