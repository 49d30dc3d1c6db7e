//! Case files and the breaker: ConfigMaps in our own namespace, one object per workload, written as a whole.

use std::collections::BTreeMap;

use breakwater_core::{
    mitigation::{Breaker, Case, Phase, case_name},
    workload::WorkloadRef,
};
use breakwater_crds::names::labels;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use super::{MitigationError, within};

/// The key that holds a case, as JSON.
const RECORD: &str = "record";
/// The ConfigMap of the breaker. A person resets it by setting its key `state` to `Closed`.
const BREAKER: &str = "breakwater-breaker";
const STATE: &str = "state";
/// One page of a list.
const PAGE: u32 = 200;

/// All case files, as they are stored. Only the leader has them, and only the leader writes them.
#[derive(Debug)]
pub(super) struct Records {
    api: Api<ConfigMap>,
    cases: BTreeMap<WorkloadRef, Stored>,
    breaker: Breaker,
    breaker_version: Option<String>,
}

#[derive(Debug)]
struct Stored {
    case: Case,
    resource_version: Option<String>,
}

impl Records {
    /// Reads everything. A record that cannot be read ends this: acting without knowing what was done could do it twice.
    pub(super) async fn load(api: Api<ConfigMap>) -> Result<Self, MitigationError> {
        let mut cases = BTreeMap::new();
        let mut page = ListParams::default().labels(labels::LATCH).limit(PAGE);
        loop {
            let list = within(api.list(&page)).await?;
            for object in list.items {
                let (case, resource_version) = read(object)?;
                cases.insert(case.workload.clone(), Stored { case, resource_version });
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => break,
            }
        }
        let mut records = Self { api, cases, breaker: Breaker::default(), breaker_version: None };
        records.read_breaker().await?;
        Ok(records)
    }

    pub(super) fn get(&self, workload: &WorkloadRef) -> Option<&Case> {
        self.cases.get(workload).map(|stored| &stored.case)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Case> {
        self.cases.values().map(|stored| &stored.case)
    }

    /// Writes a case on top of the version that was read. A latch is read back before anything is done on its account.
    pub(super) async fn save(&mut self, case: Case) -> Result<(), MitigationError> {
        let name = case_name(&case.workload);
        let before = self.cases.get(&case.workload).and_then(|stored| stored.resource_version.clone());
        let is_new = before.is_none();
        let object = write(&case, &name, before)?;
        let stored = if is_new {
            within(self.api.create(&PostParams::default(), &object)).await
        } else {
            within(self.api.replace(&name, &PostParams::default(), &object)).await
        };
        let stored = match stored {
            Ok(stored) => stored,
            // Somebody (a person, or this process before a lost answer) wrote it: theirs is the truth, and everything is thought over.
            Err(error) if error.is_conflict() => {
                self.reload(&case.workload, &name).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let (mut kept, mut resource_version) = read(stored)?;
        if case.latch.as_ref().is_some_and(|latch| latch.phase == Phase::Latched) {
            (kept, resource_version) = read(within(self.api.get(&name)).await?)?;
        }
        if kept != case {
            return Err(MitigationError::RecordDiffers { name });
        }
        self.cases.insert(case.workload.clone(), Stored { case, resource_version });
        Ok(())
    }

    pub(super) async fn forget(&mut self, workload: &WorkloadRef) -> Result<(), MitigationError> {
        let resource_version = self.cases.get(workload).and_then(|stored| stored.resource_version.clone());
        let precondition = Preconditions { resource_version, uid: None };
        let params = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
        let name = case_name(workload);
        match within(self.api.delete(&name, &params)).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_conflict() => return self.reload(workload, &name).await,
            Err(error) => return Err(error),
        }
        self.cases.remove(workload);
        Ok(())
    }

    async fn reload(&mut self, workload: &WorkloadRef, name: &str) -> Result<(), MitigationError> {
        match within(self.api.get_opt(name)).await? {
            Some(object) => {
                let (case, resource_version) = read(object)?;
                self.cases.insert(case.workload.clone(), Stored { case, resource_version });
            }
            None => {
                self.cases.remove(workload);
            }
        }
        Ok(())
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Reads the breaker as people may have set it.
    pub(super) async fn read_breaker(&mut self) -> Result<(), MitigationError> {
        let Some(object) = within(self.api.get_opt(BREAKER)).await? else {
            self.breaker = Breaker::default();
            self.breaker_version = None;
            return Ok(());
        };
        self.breaker = read_breaker(object.data.unwrap_or_default())?;
        self.breaker_version = object.metadata.resource_version;
        Ok(())
    }

    pub(super) async fn save_breaker(&mut self, breaker: Breaker) -> Result<(), MitigationError> {
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some(BREAKER.into()),
                resource_version: self.breaker_version.clone(),
                ..ObjectMeta::default()
            },
            data: Some(write_breaker(&breaker)?),
            ..ConfigMap::default()
        };
        let stored = if self.breaker_version.is_none() {
            within(self.api.create(&PostParams::default(), &object)).await?
        } else {
            within(self.api.replace(BREAKER, &PostParams::default(), &object)).await?
        };
        self.breaker = breaker;
        self.breaker_version = stored.metadata.resource_version;
        Ok(())
    }
}

/// The breaker that a ConfigMap's `data` holds. A person may have written it.
///
/// # Errors
/// [`MitigationError::RecordMalformed`].
pub fn read_breaker(data: BTreeMap<String, String>) -> Result<Breaker, MitigationError> {
    let fields: serde_json::Map<_, _> = data.into_iter().map(|(key, value)| (key, value.into())).collect();
    serde_json::from_value(fields.into())
        .map_err(|source| MitigationError::RecordMalformed { name: BREAKER.into(), source })
}

/// The `data` that [`read_breaker`] reads.
///
/// # Errors
/// [`MitigationError::RecordMalformed`] if it cannot be written as JSON.
pub fn write_breaker(breaker: &Breaker) -> Result<BTreeMap<String, String>, MitigationError> {
    let malformed = |source| MitigationError::RecordMalformed { name: BREAKER.into(), source };
    let mut data = BTreeMap::new();
    if let serde_json::Value::Object(fields) = serde_json::to_value(breaker).map_err(malformed)? {
        for (key, value) in fields {
            data.insert(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    debug_assert!(data.contains_key(STATE));
    Ok(data)
}

/// The ConfigMap that holds `case`, to be written over the version that was read, if there is one.
///
/// # Errors
/// [`MitigationError::RecordMalformed`] if it cannot be written as JSON.
pub fn write(
    case: &Case,
    name: &str,
    resource_version: Option<String>,
) -> Result<ConfigMap, MitigationError> {
    let record = serde_json::to_string(case)
        .map_err(|source| MitigationError::RecordMalformed { name: name.to_owned(), source })?;
    let holding = if case.holding().is_some() { "true" } else { "false" };
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version,
            labels: Some(BTreeMap::from([(labels::LATCH.to_owned(), holding.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(RECORD.to_owned(), record)])),
        ..ConfigMap::default()
    })
}

/// The case that a ConfigMap holds, and the version that was read.
///
/// # Errors
/// [`MitigationError::RecordMalformed`], and [`MitigationError::RecordVersion`] for a later format.
pub fn read(object: ConfigMap) -> Result<(Case, Option<String>), MitigationError> {
    let name = object.metadata.name.unwrap_or_default();
    let record = object.data.and_then(|mut data| data.remove(RECORD)).unwrap_or_default();
    let case: Case = serde_json::from_str(&record)
        .map_err(|source| MitigationError::RecordMalformed { name: name.clone(), source })?;
    if case.version != 1 {
        return Err(MitigationError::RecordVersion { name, version: case.version });
    }
    Ok((case, object.metadata.resource_version))
}
