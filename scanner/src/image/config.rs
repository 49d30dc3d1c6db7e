//! The image configuration (OCI image-spec, "Image Configuration"; Docker's is the same in what we read).

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    Digest, Platform,
    inventory::{ImageConfig, MAX_ENTRIES, Secret},
    printable,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    limits::{MAX_CONFIG_ITEMS, MAX_CONFIG_TEXT, MAX_LAYERS},
    secrets::{Concealed, conceal},
};

/// What the configuration says, bounded and printable.
#[derive(Debug, Clone)]
pub struct ImageDescription {
    pub platform: Platform,
    pub created: Option<DateTime<Utc>>,
    pub config: ImageConfig,
    pub diff_ids: Vec<Digest>,
    /// The build instruction of each layer, bottom first; empty where the history does not tell.
    pub instructions: Vec<String>,
    /// Found in the environment, labels, arguments and history.
    pub secrets: Vec<Secret>,
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
        let mut shown = Shown::default();
        let steps = document.history.unwrap_or_default().into_iter().enumerate();
        let instructions: Vec<(bool, String)> = steps
            .map(|(number, step)| {
                let place = format!("history:{number}");
                (!step.empty_layer, shown.text(&place, &step.created_by.unwrap_or_default()))
            })
            .collect();
        let made_layers = instructions.into_iter().filter(|(makes_layer, _)| *makes_layer);
        let config = document.config.map(|document| config(document, &mut shown)).unwrap_or_default();
        Ok(Self {
            platform,
            created: document.created.and_then(|time| time.parse().ok()),
            diff_ids: diff_ids.collect::<Result<_, _>>()?,
            instructions: made_layers.map(|(_, instruction)| instruction).take(MAX_LAYERS).collect(),
            config,
            secrets: shown.secrets,
        })
    }
}

/// Texts as they are shown: without the secrets in them, printable, bounded. Collects what was found.
#[derive(Default)]
struct Shown {
    secrets: Vec<Secret>,
}

impl Shown {
    fn text(&mut self, place: &str, text: &str) -> String {
        let path = format!("config:{}", printable::line(place, MAX_CONFIG_TEXT));
        let Concealed { text, secrets } = conceal(&path, text);
        let room = MAX_ENTRIES.saturating_sub(self.secrets.len());
        self.secrets.extend(secrets.into_iter().take(room).map(|found| Secret {
            rule: found.rule.to_owned(),
            path: path.clone(),
            line: found.line,
            fingerprint: found.fingerprint,
            layer: None,
            deleted: false,
        }));
        printable::line(&text, MAX_CONFIG_TEXT)
    }

    fn list(&mut self, place: &str, items: impl IntoIterator<Item = String>) -> Vec<String> {
        items.into_iter().take(MAX_CONFIG_ITEMS).map(|item| self.text(place, &item)).collect()
    }

    /// Arguments, of which one may be the value of the one before it: `--token`, `…`.
    fn arguments(&mut self, place: &str, items: Option<Vec<String>>) -> Vec<String> {
        let mut before = String::new();
        let mut shown = Vec::new();
        for item in items.unwrap_or_default().into_iter().take(MAX_CONFIG_ITEMS) {
            let pair = format!("{before} {item}");
            let pair =
                if before.starts_with('-') { self.text(place, &pair) } else { self.text(place, &item) };
            let start = format!("{} ", printable::line(&before, MAX_CONFIG_TEXT));
            shown.push(match pair.strip_prefix(&start) {
                Some(rest) if before.starts_with('-') => rest.to_owned(),
                _ => pair,
            });
            before = item;
        }
        self.secrets.dedup();
        shown
    }
}

fn config(document: Execution, shown: &mut Shown) -> ImageConfig {
    // Names alone, once each: values are where secrets are.
    let names: BTreeSet<String> = document
        .env
        .unwrap_or_default()
        .iter()
        .map(|variable| {
            let name = variable.split_once('=').map_or(variable.as_str(), |(name, _)| name);
            shown.text(&format!("env:{name}"), variable);
            shown.text("env", name)
        })
        .collect();
    let labels = document.labels.unwrap_or_default().into_iter().take(MAX_CONFIG_ITEMS);
    let labels = labels.map(|(key, value)| {
        let pair = shown.text(&format!("label:{key}"), &format!("{key}={value}"));
        let key = shown.text("label", &key);
        let value = pair.strip_prefix(&format!("{key}=")).unwrap_or_default().to_owned();
        (key, value)
    });
    let labels = labels.collect();
    let mut keys =
        |place, map: Option<BTreeMap<String, _>>| shown.list(place, map.unwrap_or_default().into_keys());
    ImageConfig {
        exposed_ports: keys("ports", document.exposed_ports),
        volumes: keys("volumes", document.volumes),
        user: shown.text("user", &document.user.unwrap_or_default()),
        env: names.into_iter().take(MAX_CONFIG_ITEMS).collect(),
        entrypoint: shown.arguments("entrypoint", document.entrypoint),
        cmd: shown.arguments("cmd", document.cmd),
        labels,
    }
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
