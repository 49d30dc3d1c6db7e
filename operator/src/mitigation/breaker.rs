//! The breaker's ConfigMap: written by the operator when it opens, by a person to reset it.

use std::collections::BTreeMap;

use breakwater_core::mitigation::{Breaker, BreakerState};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::PostParams};

use super::{MitigationError, within};

pub(super) const NAME: &str = "breakwater-breaker";

/// The breaker as it is stored.
#[derive(Debug)]
pub(super) struct StoredBreaker {
    api: Api<ConfigMap>,
    breaker: Breaker,
    resource_version: Option<String>,
    /// Why it cannot be read, if that is so. It counts as open until it can.
    problem: Option<String>,
}

impl StoredBreaker {
    pub(super) async fn load(api: Api<ConfigMap>) -> Result<Self, MitigationError> {
        let mut stored = Self { api, breaker: Breaker::default(), resource_version: None, problem: None };
        stored.refresh().await?;
        Ok(stored)
    }

    pub(super) fn get(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Reads the breaker as people may have written it. Returns whether it changed.
    pub(super) async fn refresh(&mut self) -> Result<bool, MitigationError> {
        let object = within(self.api.get_opt(NAME)).await?;
        let (breaker, problem, resource_version) = match object {
            None => (Breaker::default(), None, None),
            Some(object) => match read(object.data.unwrap_or_default()) {
                Ok(breaker) => (breaker, None, object.metadata.resource_version),
                Err(error) => {
                    let reason = error.to_string();
                    let open =
                        Breaker { state: BreakerState::Open, reason: reason.clone(), ..Breaker::default() };
                    (open, Some(reason), object.metadata.resource_version)
                }
            },
        };
        self.resource_version = resource_version;
        let has_changed = self.breaker != breaker || self.problem != problem;
        (self.breaker, self.problem) = (breaker, problem);
        Ok(has_changed)
    }

    pub(super) async fn save(&mut self, breaker: Breaker) -> Result<(), MitigationError> {
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.into()),
                resource_version: self.resource_version.clone(),
                ..ObjectMeta::default()
            },
            data: Some(write(&breaker)?),
            ..ConfigMap::default()
        };
        let stored = if self.resource_version.is_none() {
            within(self.api.create(&PostParams::default(), &object)).await?
        } else {
            within(self.api.replace(NAME, &PostParams::default(), &object)).await?
        };
        (self.breaker, self.problem) = (breaker, None);
        self.resource_version = stored.metadata.resource_version;
        Ok(())
    }
}

/// Returns the breaker that a ConfigMap's `data` holds. A person may have written it.
///
/// # Errors
/// [`MitigationError::BreakerMalformed`].
pub fn read(data: BTreeMap<String, String>) -> Result<Breaker, MitigationError> {
    let fields: serde_json::Map<_, _> = data.into_iter().map(|(key, value)| (key, value.into())).collect();
    serde_json::from_value(fields.into()).map_err(MitigationError::BreakerMalformed)
}

/// Returns the `data` that [`read`] reads.
///
/// # Errors
/// [`MitigationError::BreakerMalformed`] if it cannot be written as JSON.
pub fn write(breaker: &Breaker) -> Result<BTreeMap<String, String>, MitigationError> {
    let mut data = BTreeMap::new();
    if let serde_json::Value::Object(fields) =
        serde_json::to_value(breaker).map_err(MitigationError::BreakerMalformed)?
    {
        for (key, value) in fields {
            data.insert(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    Ok(data)
}
