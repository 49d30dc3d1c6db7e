//! Mitigation records and the breaker: ConfigMaps in the operator's namespace, one object per target and cause, written as a whole.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::{
    mitigation::{BudgetUse, Cause, Phase, RECORD_VERSION, TargetId, WorkloadRecord, record_name},
    workload::WorkloadRef,
};
use breakwater_crds::names::labels;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use super::{MitigationError, within};

/// The key that holds a record, as JSON.
const RECORD: &str = "record";
/// One page of a list.
const PAGE: u32 = 200;

/// All records, as they are stored. Only the leader has them, and only the leader writes them.
#[derive(Debug)]
pub(super) struct Records {
    api: Api<ConfigMap>,
    stored: BTreeMap<TargetId, Stored>,
    by_workload: BTreeMap<WorkloadRef, BTreeSet<String>>,
    budget: BudgetUse,
    /// By the ConfigMap's name: why it cannot be read. Its target is fenced off; all others go on.
    unreadable: BTreeMap<String, Unreadable>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) resource_version: Option<String>,
    pub(super) why: String,
}

#[derive(Debug)]
struct Stored {
    record: WorkloadRecord,
    /// Absent: to be created (again).
    resource_version: Option<String>,
}

/// What a comparison with the API server brought.
#[derive(Debug, Default)]
pub(super) struct Refreshed {
    /// Targets whose record was written or deleted by something else.
    pub(super) changed: Vec<TargetId>,
    /// Names of ConfigMaps that cannot be read, found now.
    pub(super) unreadable: Vec<String>,
}

impl Records {
    /// Reads everything.
    pub(super) async fn load(api: Api<ConfigMap>) -> Result<(Self, Refreshed), MitigationError> {
        let mut records = Self {
            api,
            stored: BTreeMap::new(),
            by_workload: BTreeMap::new(),
            budget: BudgetUse::default(),
            unreadable: BTreeMap::new(),
        };
        let refreshed = records.refresh().await?;
        Ok((records, refreshed))
    }

    /// Compares with what the API server has. A record that something else wrote is the truth from then on, one that cannot be read is
    /// fenced off by itself, and one that was deleted is written again from memory.
    pub(super) async fn refresh(&mut self) -> Result<Refreshed, MitigationError> {
        let mut refreshed = Refreshed::default();
        let mut named = BTreeSet::new();
        let mut page = ListParams::default().labels(labels::MITIGATION).limit(PAGE);
        loop {
            let list = within(self.api.list(&page)).await?;
            for object in list.items {
                named.extend(object.metadata.name.clone());
                self.take(object, &mut refreshed);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => break,
            }
        }
        self.unreadable.retain(|name, _| named.contains(name));
        let lost: Vec<WorkloadRecord> = self
            .stored
            .values()
            .filter(|stored| !named.contains(&name_of(&stored.record)))
            .map(|stored| stored.record.clone())
            .collect();
        for record in lost {
            tracing::warn!(workload = %record.target.workload, "a mitigation record was deleted and is written again");
            let target = record.target.clone();
            if let Some(stored) = self.stored.get_mut(&target) {
                stored.resource_version = None;
            }
            self.save(record).await?;
            refreshed.changed.push(target);
        }
        Ok(refreshed)
    }

    /// Takes in what the API server has, unless it is what was written last.
    fn take(&mut self, object: ConfigMap, refreshed: &mut Refreshed) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let resource_version = object.metadata.resource_version.clone();
        let known = self.unreadable.get(&name);
        if known.is_some_and(|known| known.resource_version == resource_version) {
            return;
        }
        match read(object) {
            Ok((record, resource_version)) => {
                self.unreadable.remove(&name);
                let known = self.stored.get(&record.target);
                if known.is_none_or(|known| known.resource_version != resource_version) {
                    refreshed.changed.push(record.target.clone());
                    self.put(record, resource_version);
                }
            }
            Err(error) => {
                self.unreadable.insert(name.clone(), Unreadable { resource_version, why: error.to_string() });
                refreshed.unreadable.push(name);
            }
        }
    }

    pub(super) fn get(&self, target: &TargetId) -> Option<&WorkloadRecord> {
        self.stored.get(target).map(|stored| &stored.record)
    }

    /// Why the record of this target cannot be read, if that is so.
    pub(super) fn problem(&self, target: &TargetId) -> Option<&str> {
        let unreadable = self.unreadable.get(&record_name(target, Cause::Image));
        unreadable.map(|unreadable| unreadable.why.as_str())
    }

    pub(super) fn unreadable(&self) -> &BTreeMap<String, Unreadable> {
        &self.unreadable
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &WorkloadRecord> {
        self.stored.values().map(|stored| &stored.record)
    }

    /// Every record of objects with this reference, whatever their UID.
    pub(super) fn of<'a>(&'a self, workload: &'a WorkloadRef) -> impl Iterator<Item = &'a WorkloadRecord> {
        let uids = self.by_workload.get(workload).into_iter().flatten();
        uids.filter_map(|uid| self.get(&TargetId { workload: workload.clone(), uid: uid.clone() }))
    }

    pub(super) fn budget(&self) -> &BudgetUse {
        &self.budget
    }

    /// Writes a record on top of the version that was read. A new containment is read back before anything is done on its account.
    pub(super) async fn save(&mut self, record: WorkloadRecord) -> Result<(), MitigationError> {
        let name = name_of(&record);
        let stored = self.stored.get(&record.target);
        if stored.is_some_and(|stored| stored.record == record && stored.resource_version.is_some()) {
            return Ok(());
        }
        let before = stored.and_then(|stored| stored.resource_version.clone());
        let mut object = write(&record, &name, before)?;
        let is_new = object.metadata.resource_version.is_none();
        let mut answer = if is_new {
            within(self.api.create(&PostParams::default(), &object)).await
        } else {
            within(self.api.replace(&name, &PostParams::default(), &object)).await
        };
        // A person deleted it: it is written again from memory.
        if !is_new && answer.as_ref().is_err_and(MitigationError::is_not_found) {
            tracing::warn!(record = name, "a mitigation record was deleted and is written again");
            object.metadata.resource_version = None;
            answer = within(self.api.create(&PostParams::default(), &object)).await;
        }
        let answer = match answer {
            Ok(answer) => answer,
            // Something else (a person, or this process before a lost answer) wrote it: that is the truth, and everything is planned anew.
            Err(error) if error.is_conflict() => {
                self.reload(&record.target, &name).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let (mut kept, mut resource_version) = read(answer)?;
        if record.containment.as_ref().is_some_and(|containment| containment.phase == Phase::Recorded) {
            (kept, resource_version) = read(within(self.api.get(&name)).await?)?;
        }
        if kept != record {
            return Err(MitigationError::RecordDiffers { name });
        }
        self.put(record, resource_version);
        Ok(())
    }

    pub(super) async fn delete(&mut self, target: &TargetId) -> Result<(), MitigationError> {
        let Some(stored) = self.stored.get(target) else { return Ok(()) };
        let precondition = Preconditions { resource_version: stored.resource_version.clone(), uid: None };
        let params = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
        let name = name_of(&stored.record);
        match within(self.api.delete(&name, &params)).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_conflict() => return self.reload(target, &name).await,
            Err(error) => return Err(error),
        }
        self.remove(target);
        Ok(())
    }

    async fn reload(&mut self, target: &TargetId, name: &str) -> Result<(), MitigationError> {
        match within(self.api.get_opt(name)).await? {
            Some(object) => self.take(object, &mut Refreshed::default()),
            None => self.remove(target),
        }
        Ok(())
    }

    fn put(&mut self, record: WorkloadRecord, resource_version: Option<String>) {
        let target = record.target.clone();
        self.by_workload.entry(target.workload.clone()).or_default().insert(target.uid.clone());
        let before = self.stored.remove(&target);
        self.budget.replace(before.as_ref().map(|stored| &stored.record), Some(&record));
        self.stored.insert(target, Stored { record, resource_version });
    }

    fn remove(&mut self, target: &TargetId) {
        let before = self.stored.remove(target);
        self.budget.replace(before.as_ref().map(|stored| &stored.record), None);
        if let Some(uids) = self.by_workload.get_mut(&target.workload) {
            uids.remove(&target.uid);
            if uids.is_empty() {
                self.by_workload.remove(&target.workload);
            }
        }
    }
}

fn name_of(record: &WorkloadRecord) -> String {
    record_name(&record.target, record.cause)
}

/// Returns the ConfigMap that holds `record`, to be written over the version that was read, if there is one.
///
/// # Errors
/// [`MitigationError::RecordMalformed`] if it cannot be written as JSON.
pub fn write(
    record: &WorkloadRecord,
    name: &str,
    resource_version: Option<String>,
) -> Result<ConfigMap, MitigationError> {
    let text = serde_json::to_string(record)
        .map_err(|source| MitigationError::RecordMalformed { name: name.to_owned(), source })?;
    let state = if record.open().is_some() { "open" } else { "closed" };
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version,
            labels: Some(BTreeMap::from([(labels::MITIGATION.to_owned(), state.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(RECORD.to_owned(), text)])),
        ..ConfigMap::default()
    })
}

/// Returns the record that a ConfigMap holds, and the version that was read.
///
/// # Errors
/// [`MitigationError::RecordMalformed`], [`MitigationError::RecordVersion`] for another format, and [`MitigationError::RecordMisplaced`]
/// where the ConfigMap's name is not that of the record's target.
pub fn read(object: ConfigMap) -> Result<(WorkloadRecord, Option<String>), MitigationError> {
    let name = object.metadata.name.unwrap_or_default();
    let text = object.data.and_then(|mut data| data.remove(RECORD)).unwrap_or_default();
    let record: WorkloadRecord = serde_json::from_str(&text)
        .map_err(|source| MitigationError::RecordMalformed { name: name.clone(), source })?;
    if record.version != RECORD_VERSION {
        return Err(MitigationError::RecordVersion { name, version: record.version });
    }
    if name_of(&record) != name {
        return Err(MitigationError::RecordMisplaced { name });
    }
    Ok((record, object.metadata.resource_version))
}
