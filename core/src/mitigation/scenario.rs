//! A model of an API server with its objects, records and outbox, and of an executor that carries out steps. Every step is checked
//! against [`super::invariants`] when it is decided and again when it arrives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    Digest, Severity,
    policy::{
        Check, Compliance, Effect, ImageRules, NamespaceScope, Policy, PolicyId, Rules, Scanning, Selector,
        Verdict,
    },
    selector::LabelSelector,
    workload::{Container, ContainerKind, ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};

pub(super) const GRACE: TimeDelta = TimeDelta::hours(1);
pub(super) const OWN_NAMESPACE: &str = "breakwater-system";
pub(super) const POLICY: &str = "policy-1";

pub(super) fn noon() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

pub(super) fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// One workload as the API server has it, as the caches have it, and as each policy judges it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) target: TargetId,
    /// Absent: deleted.
    pub(super) live: Option<Target>,
    pub(super) cached: Workload,
    /// Whether the caches hold it, and whether they follow its changes.
    pub(super) is_known: bool,
    pub(super) is_watched: bool,
    /// By policy UID.
    pub(super) verdicts: BTreeMap<String, Verdict>,
    /// The digest that new pods run.
    pub(super) runs: Digest,
    /// The count that has to come back: what was there when the operator scaled it to zero.
    pub(super) wanted: i32,
    /// Whether the operator set `spec.replicas` last.
    pub(super) is_scaled_by_operator: bool,
    versions: u64,
}

/// What happens to one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    KilledBefore,
    KilledAfter,
    /// It leaves and has not arrived when its sender is killed.
    Late,
    /// It arrives now, and once more later.
    Twice,
}

/// A write with what its sender had read.
#[derive(Debug, Clone)]
pub(super) struct Write {
    object: usize,
    step: Step,
    object_version: String,
    record_version: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) objects: Vec<Object>,
    pub(super) policies: Vec<Policy>,
    pub(super) invalid: BTreeSet<String>,
    pub(super) complete: bool,
    pub(super) selected: u32,
    pub(super) records: BTreeMap<TargetId, (u64, WorkloadRecord)>,
    versions: u64,
    pub(super) outbox: BTreeMap<String, Delivery>,
    pub(super) delivers: bool,
    /// When each message was confirmed; kept over restarts, unlike the outbox.
    pub(super) confirmed: BTreeMap<String, DateTime<Utc>>,
    pub(super) namespace: NamespaceFacts,
    pub(super) access: Option<bool>,
    pub(super) paused: Option<&'static str>,
    pub(super) index: Option<IndexFacts>,
    pub(super) breaker: Breaker,
    pub(super) settings: Settings,
    pub(super) exempt: Vec<String>,
    pub(super) late: Vec<Write>,
    /// Since when nothing stands in the way of any action.
    pub(super) calm_since: Option<DateTime<Utc>>,
    nonces: u32,
    /// Every write that took effect, and when it did.
    pub(super) log: Vec<(DateTime<Utc>, usize, Step)>,
    pub(super) notes: Vec<Note>,
}

pub(super) fn verdict(compliance: Compliance) -> Verdict {
    let check = Check {
        id: "BW-VUL-001",
        rule: "vulnerabilities.max",
        effect: Effect::Violation,
        container: "web".into(),
        image: "registry.test/web:1".into(),
        digest: Some(digest("1")),
        reported: Some(digest("1")),
        is_evidence: true,
        severity: Severity::Critical,
        observed: "1 critical".into(),
        allowed: "0".into(),
        remedy: "upgrade".into(),
        findings: vec!["CVE-2026-0001".into()],
        suppressed_by: None,
    };
    Verdict {
        compliance,
        is_complete: compliance != Compliance::Unknown,
        checks: if compliance == Compliance::Violating { vec![check] } else { vec![] },
        suppressed: 0,
        fixable_critical: 1,
        known_exploited: 0,
        changes_at: None,
        advisories_at: None,
        in_grace: Default::default(),
    }
}

pub(super) fn policy(namespace: &str, uid: &str) -> Policy {
    let trigger = Trigger { when: When::default(), action: ActionKind::ScaleToZero, grace: GRACE };
    Policy {
        id: PolicyId { namespace: namespace.into(), name: uid.into(), uid: uid.into() },
        suspended: false,
        selector: Selector {
            namespaces: if namespace == OWN_NAMESPACE {
                NamespaceScope::Labelled(LabelSelector::default())
            } else {
                NamespaceScope::Own
            },
            workloads: LabelSelector::default(),
            images: vec![],
            exclude_images: vec![],
        },
        registries: vec![],
        schedule: None,
        scanning: Scanning::default(),
        rules: Rules { vulnerabilities: None, image: ImageRules::default() },
        exceptions: vec![],
        remediation: Remediation {
            mode: Mode::Enforce,
            triggers: vec![trigger],
            restore: Restore { on_compliant: true, after: None },
            limits: Limits::default(),
            kinds: vec![],
        },
        not_evaluated: vec![],
    }
}

impl Object {
    pub(super) fn new(namespace: &str, name: &str, uid: &str) -> Self {
        let image = "registry.test/web:1";
        let id =
            WorkloadRef { kind: WorkloadKind::Deployment, namespace: namespace.into(), name: name.into() };
        let container = Container {
            name: "web".into(),
            kind: ContainerKind::App,
            image: image.into(),
            run_as_user: None,
            run_as_non_root: None,
        };
        let cached = Workload {
            id: id.clone(),
            uid: uid.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            namespace_labels: BTreeMap::new(),
            replicas: Some(3),
            running_pods: 3,
            injected: vec![],
            namespace_paused: false,
            finished: false,
            controlled_by: None,
            pull_secrets: vec![],
            containers: vec![container],
            running: vec![],
        };
        let live = Target {
            uid: uid.into(),
            resource_version: "1".into(),
            images: vec![image.into()],
            ..Target::default()
        };
        let mut object = Self {
            target: TargetId { workload: id, uid: uid.into() },
            live: Some(live),
            cached,
            is_known: true,
            is_watched: true,
            verdicts: BTreeMap::new(),
            runs: digest("1"),
            wanted: 3,
            is_scaled_by_operator: false,
            versions: 1,
        };
        object.scale(3);
        object
    }

    /// Sets `spec.replicas`, and at once the pods.
    fn scale(&mut self, replicas: i32) {
        self.versions += 1;
        let (version, uid, runs) = (self.versions, self.target.uid.clone(), self.runs.clone());
        let Some(live) = &mut self.live else { return };
        live.resource_version = version.to_string();
        live.replicas = replicas;
        live.observed_replicas = Some(replicas);
        live.pods.truncate(usize::try_from(replicas).unwrap());
        for n in live.pods.len()..usize::try_from(replicas).unwrap() {
            live.pods.push(LivePod {
                name: format!("web-{n}"),
                uid: format!("{uid}-{version}-{n}"),
                terminating: false,
                mirror: false,
                digests: vec![runs.clone()],
            });
        }
    }

    fn annotate(&mut self, copy: Option<String>) {
        self.versions += 1;
        if let Some(live) = &mut self.live {
            live.resource_version = self.versions.to_string();
            live.annotation = copy;
        }
    }

    /// Rolls out another image.
    pub(super) fn roll_out(&mut self, tag: &str) {
        let image = format!("registry.test/web:{tag}");
        self.runs = digest(tag);
        let replicas = self.live.as_ref().map_or(0, |live| live.replicas);
        if let Some(live) = &mut self.live {
            live.images = vec![image.clone()];
            live.pods.clear();
        }
        self.cached.containers[0].image = image;
        self.scale(replicas);
    }
}

impl World {
    /// Three violating replicas in a namespace with all three opt-ins; nothing is recorded yet.
    pub(super) fn new() -> Self {
        let mut world = Self {
            now: noon(),
            objects: vec![Object::new("shop", "web", "uid-1")],
            policies: vec![],
            invalid: BTreeSet::new(),
            complete: true,
            selected: 1,
            records: BTreeMap::new(),
            versions: 0,
            outbox: BTreeMap::new(),
            delivers: true,
            confirmed: BTreeMap::new(),
            namespace: NamespaceFacts { enabled: true, paused: false, terminating: false },
            access: Some(true),
            paused: None,
            index: Some(IndexFacts { revision: 7, data_at: noon() }),
            breaker: Breaker::default(),
            settings: Settings {
                second_look: minutes(5),
                cooldown: minutes(10),
                stale_after: TimeDelta::days(14),
                max_per_hour: 20,
                max_per_namespace_per_hour: 5,
                max_concurrent: 10,
                max_concurrent_per_namespace: 10,
                breaker_percent: 20,
                breaker_count: 10,
            },
            exempt: vec![],
            late: vec![],
            calm_since: None,
            nonces: 0,
            log: vec![],
            notes: vec![],
        };
        world.add_policy(policy(OWN_NAMESPACE, POLICY));
        world
    }

    /// From nothing to verified.
    pub(super) fn contained() -> Self {
        let mut world = Self::new();
        world.live_through(minutes(66));
        assert_eq!(world.phase(), Some(Phase::Verified), "{:#?}", world.log);
        world
    }

    /// Up to the moment at which it is due.
    pub(super) fn due() -> Self {
        let mut world = Self::new();
        world.live_through(minutes(64));
        world.now = noon() + minutes(65);
        world
    }

    pub(super) fn add_policy(&mut self, policy: Policy) {
        for object in &mut self.objects {
            object.verdicts.insert(policy.id.uid.clone(), verdict(Compliance::Violating));
        }
        self.policies.push(policy);
    }

    pub(super) fn add_object(&mut self, namespace: &str, name: &str, uid: &str) -> usize {
        let mut object = Object::new(namespace, name, uid);
        for policy in &self.policies {
            object.verdicts.insert(policy.id.uid.clone(), verdict(Compliance::Violating));
        }
        self.objects.push(object);
        self.objects.len() - 1
    }

    pub(super) fn delete_policy(&mut self, uid: &str) {
        self.policies.retain(|policy| policy.id.uid != uid);
        self.invalid.remove(uid);
    }

    pub(super) fn delete_object(&mut self, object: usize) {
        self.objects[object].live = None;
        self.objects[object].is_known = false;
    }

    pub(super) fn policy(&mut self) -> &mut Policy {
        &mut self.policies[0]
    }

    pub(super) fn judge(&mut self, compliance: Compliance) {
        for object in &mut self.objects {
            for judged in object.verdicts.values_mut() {
                *judged = verdict(compliance);
            }
        }
    }

    pub(super) fn verdict(&mut self) -> &mut Verdict {
        self.objects[0].verdicts.get_mut(POLICY).unwrap()
    }

    pub(super) fn target(&mut self) -> &mut Target {
        self.objects[0].live.as_mut().unwrap()
    }

    /// Something other than the operator scales it.
    pub(super) fn scaled_by_other(&mut self, object: usize, replicas: i32) {
        let object = &mut self.objects[object];
        object.is_scaled_by_operator = false;
        object.scale(replicas);
    }

    pub(super) fn undo(&mut self) {
        let nonce = self.containment().nonce.clone();
        self.target().undo = Some(nonce);
    }

    /// The process is killed: what it only had in memory is gone, and policies have not judged yet.
    pub(super) fn restart(&mut self) {
        self.outbox.clear();
        self.complete = false;
    }

    fn sync(&mut self, object: usize) {
        let enabled = self.namespace.enabled;
        let object = &mut self.objects[object];
        let Some(live) = object.live.as_ref().filter(|_| object.is_watched) else { return };
        let cached = &mut object.cached;
        cached.replicas = Some(live.replicas);
        cached.running_pods = live.replicas;
        cached.annotations.clear();
        for (key, value) in [("hold-until", &live.hold), ("undo", &live.undo)] {
            if let Some(value) = value {
                cached.annotations.insert(format!("breakwater.dev/{key}"), value.clone());
            }
        }
        cached.namespace_labels.clear();
        if enabled {
            cached.namespace_labels.insert("breakwater.dev/remediation".into(), "enabled".into());
        }
        let identity = |digest: &Digest| ImageIdentity::Pullable {
            repository: "registry.test/web".into(),
            digest: digest.clone(),
        };
        let digests: BTreeSet<&Digest> = live.pods.iter().flat_map(|pod| &pod.digests).collect();
        let image = live.images[0].clone();
        cached.running = digests
            .into_iter()
            .map(|digest| RunningImage {
                container: "web".into(),
                image: image.clone(),
                identity: identity(digest),
                platform: "linux/amd64".parse().unwrap(),
            })
            .collect();
    }

    pub(super) fn budget(&self) -> BudgetUse {
        let mut budget = BudgetUse::default();
        self.records.values().for_each(|(_, record)| budget.replace(None, Some(record)));
        budget
    }

    pub(super) fn think(&mut self, object: usize, live: Option<&Live>) -> Plan {
        self.sync(object);
        let this = &self.objects[object];
        let is_valid = |policy: &&Policy| !self.invalid.contains(&policy.id.uid);
        let judged = self.policies.iter().filter(is_valid).filter_map(|policy| {
            let verdict = this.verdicts.get(&policy.id.uid).filter(|_| this.is_known)?;
            Some(PolicyVerdict { policy, verdict, selected: self.selected })
        });
        let verdicts: Vec<PolicyVerdict<'_>> = if self.complete { judged.collect() } else { vec![] };
        let known = self.policies.iter().map(|policy| {
            let spec = is_valid(&policy).then(|| Arc::new(policy.clone()));
            (policy.id.uid.clone(), spec)
        });
        let predecessor = self.records.iter().find(|(target, (_, record))| {
            target.workload == this.target.workload
                && target.uid != this.target.uid
                && record.containment.is_some()
        });
        let facts = Facts {
            target: &this.target,
            workload: this.is_known.then_some(&this.cached),
            verdicts: &verdicts,
            policies: &Policies { known: known.collect(), complete: self.complete },
            record: self.records.get(&this.target).map(|(_, record)| record),
            predecessor: predecessor.map(|(_, (_, record))| record),
            live,
            access: self.access,
            paused: self.paused,
            index: self.index,
            deliveries: &self.outbox,
            budget: &self.budget(),
            breaker: &self.breaker,
            settings: &self.settings,
            own_namespace: OWN_NAMESPACE,
            exempt_namespaces: &self.exempt,
            nonce: &format!("nonce-{}", self.nonces),
        };
        plan(&facts, self.now)
    }

    /// Carries out steps until there is nothing left to do.
    pub(super) fn settle(&mut self, object: usize) -> Plan {
        self.settle_with(object, None).expect("no fault was asked for")
    }

    /// As [`Self::settle`], with a fault at the write of this number; `None`: the process was killed.
    pub(super) fn settle_with(&mut self, object: usize, fault: Option<(usize, Fault)>) -> Option<Plan> {
        let mut live = None;
        let mut writes = 0;
        for _ in 0..80 {
            let plan = self.think(object, live.as_ref());
            let Some(step) = plan.step.clone() else { return Some(plan) };
            if step == Step::ReadTarget {
                assert!(live.is_none(), "reads twice without doing anything");
                live = Some(Live { namespace: self.namespace, target: self.objects[object].live.clone() });
                continue;
            }
            super::invariants::decided(self, object, &step);
            self.nonces += 1;
            let target = live.as_ref().and_then(|live| live.target.as_ref());
            let write = Write {
                object,
                step,
                object_version: target.map(|target| target.resource_version.clone()).unwrap_or_default(),
                record_version: self.records.get(&self.objects[object].target).map(|(version, _)| *version),
            };
            live = None;
            let fault = fault.filter(|(at, _)| *at == writes).map(|(_, fault)| fault);
            writes += 1;
            match fault {
                Some(Fault::KilledBefore) => return None,
                Some(Fault::Late) => {
                    self.late.push(write);
                    return None;
                }
                Some(Fault::KilledAfter) => {
                    self.arrive(write);
                    return None;
                }
                Some(Fault::Twice) => {
                    self.late.push(write.clone());
                    self.arrive(write);
                }
                None => self.arrive(write),
            }
        }
        panic!("never comes to rest: {:#?}", self.log.iter().rev().take(12).collect::<Vec<_>>());
    }

    /// All late writes arrive.
    pub(super) fn deliver_late(&mut self) {
        for write in std::mem::take(&mut self.late) {
            self.arrive(write);
        }
    }

    /// The API server takes the write, or refuses it because what it rests on has changed.
    fn arrive(&mut self, write: Write) {
        let Write { object, step, object_version, record_version } = write;
        let target = self.objects[object].target.clone();
        let live = self.objects[object].live.as_ref();
        let is_current = match &step {
            Step::Scale { .. } | Step::Annotate { .. } => {
                live.is_some_and(|live| live.resource_version == object_version)
            }
            Step::Evict { uid, .. } => live.is_some_and(|live| live.pods.iter().any(|pod| pod.uid == *uid)),
            _ => self.records.get(&target).map(|(version, _)| *version) == record_version,
        };
        if !is_current {
            return;
        }
        super::invariants::arrives(self, object, &step);
        match &step {
            Step::ReadTarget => {}
            Step::Announce { record, message } => {
                self.save(target, record);
                if !self.outbox.contains_key(&message.id) {
                    self.notes.extend(message.notes.clone());
                    self.outbox.insert(message.id.clone(), Delivery::Pending);
                    if self.delivers {
                        self.outbox.insert(message.id.clone(), Delivery::Confirmed(self.now));
                        self.confirmed.insert(message.id.clone(), self.now);
                    }
                }
            }
            Step::Save { record, notes } => {
                self.save(target, record);
                self.notes.extend(notes.clone());
            }
            Step::Scale { replicas } => {
                let is_first = self.containment_of(object).is_some_and(|open| open.phase == Phase::Recorded);
                let this = &mut self.objects[object];
                if is_first {
                    this.wanted = this.live.as_ref().unwrap().replicas;
                }
                this.is_scaled_by_operator = true;
                this.scale(*replicas);
            }
            Step::Annotate { copy } => self.objects[object].annotate(copy.clone()),
            Step::Evict { uid, .. } => {
                let this = &mut self.objects[object];
                let live = this.live.as_mut().unwrap();
                live.pods.retain(|pod| pod.uid != *uid);
                let replicas = live.replicas;
                this.scale(replicas);
            }
            Step::DeleteRecord => {
                self.records.remove(&target);
            }
        }
        self.log.push((self.now, object, step));
        let records = self.records.values().map(|(_, record)| record);
        if let Some(open) = self.breaker.trip(records, 100, &self.settings, self.now) {
            self.breaker = open;
        }
    }

    fn save(&mut self, target: TargetId, record: &WorkloadRecord) {
        self.versions += 1;
        let json = serde_json::to_string(record).unwrap();
        self.records.insert(target, (self.versions, serde_json::from_str(&json).unwrap()));
    }

    /// Lets time pass; every object is looked at when its plan asks for it.
    pub(super) fn live_through(&mut self, time: TimeDelta) -> MitigationStatus {
        let end = self.now + time;
        loop {
            let mut next = end;
            for object in 0..self.objects.len() {
                let wake = self.settle(object).wake.filter(|wake| *wake > self.now);
                next = wake.map_or(next, |wake| wake.min(next));
            }
            if self.now >= end {
                return self.status();
            }
            self.now = next;
        }
    }

    pub(super) fn pass(&mut self, time: TimeDelta) -> MitigationStatus {
        self.now += time;
        self.live_through(TimeDelta::zero())
    }

    /// How the first object stands to the first policy, or to any.
    pub(super) fn status(&mut self) -> MitigationStatus {
        let statuses = self.settle(0).statuses;
        let status = statuses.get(POLICY).or_else(|| statuses.values().next());
        status.cloned().unwrap_or(MitigationStatus {
            action: ActionKind::Alert,
            mode: Mode::Off,
            state: State::Cancelled,
            previous_replicas: None,
            reason: "nothing to show".into(),
            until: None,
        })
    }

    pub(super) fn record(&self) -> &WorkloadRecord {
        &self.records[&self.objects[0].target].1
    }

    pub(super) fn containment_of(&self, object: usize) -> Option<&Containment> {
        self.records.get(&self.objects[object].target)?.1.containment.as_ref()
    }

    pub(super) fn containment(&self) -> &Containment {
        self.containment_of(0).unwrap()
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        Some(self.containment_of(0)?.phase)
    }

    /// What the operator set the replicas of an object to, in order.
    pub(super) fn scales(&self, object: usize) -> Vec<i32> {
        let of = |(_, of, step): &(_, usize, Step)| match step {
            Step::Scale { replicas } if *of == object => Some(*replicas),
            _ => None,
        };
        self.log.iter().filter_map(of).collect()
    }

    pub(super) fn scaled_at(&self) -> Option<DateTime<Utc>> {
        self.log.iter().find(|(_, _, step)| matches!(step, Step::Scale { .. })).map(|(time, ..)| *time)
    }

    pub(super) fn evicted(&self) -> Vec<String> {
        let of = |(_, _, step): &(_, usize, Step)| match step {
            Step::Evict { pod, .. } => Some(pod.clone()),
            _ => None,
        };
        self.log.iter().filter_map(of).collect()
    }

    pub(super) fn has_mutated(&self) -> bool {
        self.log.iter().any(|(_, _, step)| step.mutates())
    }

    /// The reasons of what owners of workloads were told, in order.
    pub(super) fn reasons(&self) -> Vec<&'static str> {
        let of_workload = self.notes.iter().filter(|note| matches!(note.about, About::Workload(_)));
        of_workload.map(|note| note.reason).collect()
    }
}
