//! ScanJobs as far as they tell about images: what they resolved, which failed. Every replica follows them.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use breakwater_core::{
    Digest, ImageReference, Platform,
    scan::{FailureReason, ScanStage},
};
use breakwater_crds::{
    ScanJob, Time,
    names::{annotations, conditions, labels},
    scanjob::{RegistryTarget, ScanTarget, ScannedPlatform, Trigger},
};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{Resource, runtime::watcher::Event};
use serde::Deserialize;

use crate::workloads::objects::meta;

/// A ScanJob without its findings.
#[derive(Debug, Clone, Default, Deserialize, Resource)]
#[resource(inherit = "ScanJob")]
#[serde(default)]
pub(super) struct ScanObject {
    #[serde(deserialize_with = "meta")]
    metadata: ObjectMeta,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Spec {
    image: Option<String>,
    registry: Option<RegistryTarget>,
    platforms: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Vec<Condition>,
    completion_time: Option<Time>,
    target: Option<ScanTarget>,
    images: Vec<Image>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Image {
    digest: Option<String>,
}

/// One ScanJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub namespace: String,
    pub name: String,
    /// The image it asks about, where it asks about one.
    pub image: Option<ImageReference>,
    pub platforms: Vec<Platform>,
    pub trigger: Option<Trigger>,
    /// The policy of its namespace whose registry it scans.
    pub policy: Option<String>,
    /// When the run that it is part of was due.
    pub due: Option<DateTime<Utc>>,
    pub outcome: Outcome,
    /// Digests of manifests and indexes that it named: what the store may now hold.
    pub digests: Vec<Digest>,
    /// The manifest that it found for each platform.
    pub manifests: Vec<(Platform, Digest)>,
}

/// How far a ScanJob is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Unfinished,
    Answered { at: Option<DateTime<Utc>> },
    Failed { at: Option<DateTime<Utc>>, failure: Failure },
}

/// Why an image could not be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub stage: ScanStage,
    pub reason: FailureReason,
    pub message: String,
}

/// Every ScanJob of the cluster, by UID.
#[derive(Debug, Default)]
pub(super) struct Scans {
    rows: HashMap<Box<str>, Arc<Scan>>,
    /// Which of them ask about one digest: facts are read far more often than they change.
    asked: HashMap<Digest, Vec<Arc<Scan>>>,
    /// Which of them ask about one tag.
    tagged: HashMap<ImageReference, Vec<Arc<Scan>>>,
    relisting: Option<HashMap<Box<str>, Arc<Scan>>>,
}

impl Scans {
    /// Follows one event; returns the digests that a ScanJob newly names.
    pub(super) fn follow(&mut self, event: Event<ScanObject>) -> Vec<Digest> {
        match event {
            Event::Init => {
                self.relisting = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let Some((uid, scan)) = read(object) else { return Vec::new() };
                let news = self.news(&uid, &scan);
                match &mut self.relisting {
                    Some(rows) => _ = rows.insert(uid, scan),
                    None => self.put(uid, scan),
                }
                news
            }
            Event::InitDone => {
                if let Some(rows) = self.relisting.take() {
                    self.rows = rows;
                    (self.asked, self.tagged) = Default::default();
                    for scan in self.rows.values() {
                        note(&mut self.asked, &mut self.tagged, scan);
                    }
                }
                Vec::new()
            }
            Event::Apply(object) => {
                let Some((uid, scan)) = read(object) else { return Vec::new() };
                let news = self.news(&uid, &scan);
                self.put(uid, scan);
                news
            }
            Event::Delete(object) => {
                self.remove(object.metadata.uid.unwrap_or_default().as_str());
                Vec::new()
            }
        }
    }

    fn put(&mut self, uid: Box<str>, scan: Arc<Scan>) {
        self.remove(&uid);
        note(&mut self.asked, &mut self.tagged, &scan);
        self.rows.insert(uid, scan);
    }

    fn remove(&mut self, uid: &str) {
        let Some(scan) = self.rows.remove(uid) else { return };
        let Some(image) = &scan.image else { return };
        match &image.digest {
            Some(digest) => forget(&mut self.asked, digest, &scan),
            None => forget(&mut self.tagged, image, &scan),
        }
    }

    fn news(&self, uid: &str, scan: &Scan) -> Vec<Digest> {
        let known = self.rows.get(uid);
        // An end is news about every digest: the inventory is in the store by then.
        let ended = known.is_some_and(|known| known.outcome != scan.outcome);
        let is_new = |digest: &&Digest| ended || !known.is_some_and(|known| known.digests.contains(*digest));
        scan.digests.iter().filter(is_new).cloned().collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Scan>> {
        self.rows.values().cloned().collect()
    }

    /// Returns the manifest that the newest answered scan of this reference found for `platform`. Only ScanJobs of `namespaces` count: a
    /// tag that one tenant learned serves that tenant only.
    pub(super) fn tag(
        &self,
        namespaces: [&str; 2],
        image: &ImageReference,
        platform: &Platform,
    ) -> Option<&Digest> {
        let of_tag = self.tagged.get(image)?.iter();
        let answered =
            of_tag.filter(|scan| namespaces.contains(&scan.namespace.as_str())).filter_map(|scan| {
                let Outcome::Answered { at } = scan.outcome else { return None };
                let (_, digest) = scan.manifests.iter().find(|(found, _)| found == platform)?;
                Some((at, digest))
            });
        answered.max_by_key(|(at, _)| *at).map(|(_, digest)| digest)
    }

    /// Why the image of this digest could not be scanned for this platform, and when, by the newest scan of a running image. What
    /// people's own ScanJobs meet, with their own credentials, says nothing about what runs.
    pub(super) fn failure(
        &self,
        digest: &Digest,
        platform: &Platform,
    ) -> Option<(Failure, Option<DateTime<Utc>>)> {
        let about = |scan: &&Arc<Scan>| {
            scan.trigger == Some(Trigger::NewImage)
                && (scan.platforms.is_empty() || scan.platforms.contains(platform))
        };
        let finished = self.asked.get(digest)?.iter().filter(about).filter_map(|scan| match &scan.outcome {
            Outcome::Failed { at, failure } => Some((*at, Some(failure))),
            Outcome::Answered { at } => Some((*at, None)),
            Outcome::Unfinished => None,
        });
        let (at, failure) = finished.max_by_key(|(at, _)| *at)?;
        failure.map(|failure| (failure.clone(), at))
    }
}

fn note(
    asked: &mut HashMap<Digest, Vec<Arc<Scan>>>,
    tagged: &mut HashMap<ImageReference, Vec<Arc<Scan>>>,
    scan: &Arc<Scan>,
) {
    let Some(image) = &scan.image else { return };
    match &image.digest {
        Some(digest) => asked.entry(digest.clone()).or_default().push(Arc::clone(scan)),
        None => tagged.entry(image.clone()).or_default().push(Arc::clone(scan)),
    }
}

fn forget<K: Eq + Hash>(by: &mut HashMap<K, Vec<Arc<Scan>>>, key: &K, scan: &Arc<Scan>) {
    if let Some(scans) = by.get_mut(key) {
        scans.retain(|known| !Arc::ptr_eq(known, scan));
        if scans.is_empty() {
            by.remove(key);
        }
    }
}

fn read(object: ScanObject) -> Option<(Box<str>, Arc<Scan>)> {
    let ScanObject { metadata, spec, status } = object;
    let label = |key| metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    let due = metadata.annotations.as_ref().and_then(|all| all.get(annotations::DUE));
    let target = status.target.as_ref();
    let named = target.into_iter().flat_map(|target| {
        target
            .index_digest
            .iter()
            .chain(target.platforms.iter().filter_map(|platform| platform.digest.as_ref()))
    });
    let named = named.chain(status.images.iter().filter_map(|image| image.digest.as_ref()));
    let image: Option<ImageReference> = spec.image.and_then(|image| image.parse().ok());
    let asked = image.as_ref().and_then(|image| image.digest.clone());
    let scan = Scan {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
        platforms: spec.platforms.iter().filter_map(|platform| platform.parse().ok()).collect(),
        trigger: label(labels::TRIGGER).and_then(|trigger| serde_json::from_value(trigger.into()).ok()),
        policy: spec.registry.map(|registry| registry.policy_ref.name),
        due: due.and_then(|due| due.parse().ok()),
        outcome: outcome(&status),
        manifests: target.into_iter().flat_map(|target| &target.platforms).filter_map(manifest).collect(),
        digests: named.filter_map(|digest| digest.parse().ok()).chain(asked).collect(),
        image,
    };
    Some((metadata.uid?.into(), Arc::new(scan)))
}

fn manifest(found: &ScannedPlatform) -> Option<(Platform, Digest)> {
    Some((found.platform.parse().ok()?, found.digest.as_ref()?.parse().ok()?))
}

fn outcome(status: &Status) -> Outcome {
    let holds = |kind: &str| {
        status.conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
    };
    let at = status.completion_time.map(Time::get);
    if let Some(failed) = holds(conditions::FAILED) {
        let reason =
            serde_json::from_value(failed.reason.clone().into()).unwrap_or(FailureReason::ScannerDied);
        let failure = Failure { stage: stage(reason), reason, message: failed.message.clone() };
        return Outcome::Failed { at, failure };
    }
    match holds(conditions::COMPLETE) {
        Some(_) => Outcome::Answered { at },
        None => Outcome::Unfinished,
    }
}

/// How far a scan came that ended for this reason: a condition has no word for it.
fn stage(reason: FailureReason) -> ScanStage {
    match reason {
        FailureReason::LayerCorrupt | FailureReason::ScannerDied => ScanStage::Analyse,
        FailureReason::Refused | FailureReason::IntakeUnreachable => ScanStage::Report,
        FailureReason::DigestMismatch | FailureReason::TooLarge | FailureReason::UnsupportedMediaType => {
            ScanStage::Pull
        }
        _ => ScanStage::Resolve,
    }
}

/// The labels and annotations of a scan made by the operator, by which [`read`] knows it again.
pub(crate) fn marks(
    trigger: Trigger,
    due: Option<DateTime<Utc>>,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let trigger = serde_json::to_value(trigger).ok().and_then(|value| value.as_str().map(str::to_owned));
    let labels = trigger.map(|trigger| (labels::TRIGGER.to_owned(), trigger)).into_iter().collect();
    let due =
        due.map(|due| (annotations::DUE.to_owned(), due.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
    (labels, due.into_iter().collect())
}
