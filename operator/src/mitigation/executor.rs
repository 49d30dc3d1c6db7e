use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use breakwater_core::{
    Digest,
    mitigation::{
        Breaker, Facts, IndexFacts, Live, MitigationStatus, Mode, Plan, PolicyVerdict, Settings, State, Step,
        TargetId, plan,
    },
    policy::{Compliance, Policy},
    printable,
    workload::{Workload, WorkloadKind, WorkloadRef},
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use tokio::sync::Mutex;

use super::{
    Health, MitigationError,
    access::Access,
    actions, audit,
    breaker::{self, StoredBreaker},
    outbox::Outbox,
    queue::Urgency,
    records::{Records, Refreshed},
    status_table::StatusTable,
    target,
};
use crate::{
    config,
    context::Context,
    evaluate::{JudgedWorkload, Verdicts},
    kube::{
        events::{Events, Kind},
        lease::Leadership,
    },
};

/// More steps than any target needs in one go; the rest comes a moment later.
const MAX_STEPS: usize = 32;
/// The most namespaces whose access is asked for, to be shown.
const MAX_ASKED: usize = 100;
/// After a failure a target is tried again so much later.
const RETRY: TimeDelta = TimeDelta::seconds(10);
/// An eviction that a disruption budget refuses is asked for again so much later: at most twice a minute.
const RETRY_EVICTION: TimeDelta = TimeDelta::seconds(30);

type Lookup = Box<dyn Fn(&WorkloadRef) -> Option<Arc<Workload>> + Send + Sync>;

/// What the caches know.
pub(super) struct ClusterView {
    pub(super) workload: Lookup,
    /// How many workloads exist.
    pub(super) total: Box<dyn Fn() -> u32 + Send + Sync>,
    /// The index in use; none while this replica is behind the highest revision ever used, or does not know it.
    pub(super) index: Box<dyn Fn() -> Option<IndexFacts> + Send + Sync>,
}

impl std::fmt::Debug for ClusterView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterView").finish_non_exhaustive()
    }
}

/// Carries out plans, one target at a time for each worker. Planning and the writing of records happen one after another, so that a budget
/// that was counted is not used twice; reads and writes of workloads do not wait for each other.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) context: Context,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) view: ClusterView,
    pub(super) statuses: Arc<StatusTable>,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) outbox: Outbox,
    access: Access,
    state: Mutex<Stored>,
    /// Until when a target's evictions are not asked for again.
    refused: std::sync::Mutex<BTreeMap<TargetId, DateTime<Utc>>>,
}

#[derive(Debug)]
struct Stored {
    records: Records,
    breaker: StoredBreaker,
}

/// How one step ended.
enum StepResult {
    Done,
    /// It is to be tried at that time, for this reason.
    Deferred(DateTime<Utc>, String),
}

impl Executor {
    pub(super) async fn new(
        context: Context,
        verdicts: Arc<Verdicts>,
        view: ClusterView,
        statuses: Arc<StatusTable>,
        leadership: Leadership,
        events: Events,
        outbox: Outbox,
    ) -> Result<Self, MitigationError> {
        let api = Api::namespaced(context.client.clone(), &context.namespace);
        let (records, refreshed) = Records::load(api.clone()).await?;
        let breaker = StoredBreaker::load(api).await?;
        let executor = Self {
            context,
            verdicts,
            view,
            statuses,
            leadership,
            events,
            outbox,
            access: Access::default(),
            state: Mutex::new(Stored { records, breaker }),
            refused: std::sync::Mutex::default(),
        };
        executor.tell_unreadable(&refreshed).await;
        Ok(executor)
    }

    /// Every target that there is something to decide about: those with a record, and violating ones that a policy wants acted upon.
    pub(super) async fn targets(&self) -> Vec<(TargetId, Urgency)> {
        let state = self.state.lock().await;
        let mut targets: BTreeMap<TargetId, Urgency> =
            state.records.all().map(|record| (record.target.clone(), urgency(record, None))).collect();
        drop(state);
        for id in self.verdicts.violating() {
            if let Some(target) = self.verdicts.get(&id).and_then(|judged| self.wanted(&judged)) {
                targets.entry(target).or_insert(Urgency::New);
            }
        }
        targets.into_iter().collect()
    }

    /// The targets behind one reference: the object that exists, and those that records remember.
    pub(super) async fn targets_of(&self, id: &WorkloadRef) -> Vec<(TargetId, Urgency)> {
        let judged = self.verdicts.get(id);
        let workload = (self.view.workload)(id);
        let state = self.state.lock().await;
        let recorded =
            state.records.of(id).map(|record| (record.target.clone(), urgency(record, workload.as_deref())));
        let mut targets: BTreeMap<TargetId, Urgency> = recorded.collect();
        drop(state);
        if let Some(target) = judged.and_then(|judged| self.wanted(&judged)) {
            targets.entry(target).or_insert(Urgency::New);
        }
        targets.into_iter().collect()
    }

    /// The target of a violating workload, if a policy that finds it so has remediation.
    fn wanted(&self, judged: &JudgedWorkload) -> Option<TargetId> {
        let policies = self.verdicts.policies();
        let wants = |(uid, verdict): (&String, &Arc<breakwater_core::policy::Verdict>)| {
            verdict.compliance == Compliance::Violating
                && policies
                    .known
                    .get(uid)
                    .and_then(Option::as_ref)
                    .is_some_and(|policy| has_remediation(policy))
        };
        judged
            .verdicts
            .iter()
            .any(wants)
            .then(|| TargetId { workload: judged.workload.id.clone(), uid: judged.workload.uid.clone() })
    }

    /// Takes a target as far as it goes now. Returns when to come back though nothing changes.
    ///
    /// # Errors
    /// [`MitigationError::NotLeading`]; every other failure is shown and tried again.
    pub(super) async fn work(&self, target: &TargetId) -> Result<Option<DateTime<Utc>>, MitigationError> {
        let client = &self.context.client;
        let id = &target.workload;
        let monotonic = self.context.clock.monotonic();
        let access = self.access.may_act(client, &id.namespace, id.kind, monotonic).await;
        let mut live: Option<Live> = None;
        for _ in 0..MAX_STEPS {
            let now = self.context.clock.now();
            let mut state = self.state.lock().await;
            let plan = self.plan(&state, target, live.as_ref(), access, now);
            let Some(step) = plan.step else {
                drop(state);
                self.show(target, &plan.statuses, now);
                return Ok(plan.wake);
            };
            let outcome = match step {
                Step::Save { .. } | Step::Announce { .. } | Step::DeleteRecord => {
                    live = None;
                    let outcome = self.record(&mut state, target, &step).await;
                    if outcome.is_ok() {
                        self.open_breaker(&mut state, now).await?;
                    }
                    drop(state);
                    outcome
                }
                Step::ReadTarget | Step::Scale { .. } | Step::Evict { .. } | Step::Annotate { .. } => {
                    drop(state);
                    self.act(target, &step, &mut live, now).await
                }
            };
            let (wake, reason) = match outcome {
                Ok(StepResult::Done) => continue,
                Ok(StepResult::Deferred(wake, reason)) => (wake, reason),
                Err(error @ MitigationError::NotLeading) => return Err(error),
                Err(error) if error.is_conflict() => {
                    tracing::info!(workload = %id, step = step.name(), "it was written by something else: read again");
                    live = None;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(workload = %id, step = step.name(), %error, "a step failed and is tried again");
                    (now + RETRY, printable::line(&format!("{}: {error}", step.name()), 300))
                }
            };
            let failed = |status: MitigationStatus| MitigationStatus {
                state: if step.mutates() { State::Blocked } else { State::Failed },
                reason: reason.clone(),
                ..status
            };
            let statuses = plan.statuses.into_iter().map(|(uid, status)| (uid, failed(status))).collect();
            self.show(target, &statuses, now);
            return Ok(Some(wake));
        }
        Ok(Some(self.context.clock.now() + RETRY))
    }

    fn plan(
        &self,
        state: &Stored,
        target: &TargetId,
        live: Option<&Live>,
        access: Option<bool>,
        now: DateTime<Utc>,
    ) -> Plan {
        // Read for every single step: a switch that is set now stops what is not done yet.
        let config = self.context.config.load_full();
        if let Some(why) = state.records.problem(target) {
            tracing::debug!(workload = %target.workload, why, "its record cannot be read");
            return self.fenced(target, why, now);
        }
        let policies = self.verdicts.policies();
        let judged = self.verdicts.get(&target.workload).filter(|judged| judged.workload.uid == target.uid);
        let newest = (self.view.workload)(&target.workload).filter(|workload| workload.uid == target.uid);
        let workload = current(judged.as_ref().map(|judged| &judged.workload), newest);
        let verdicts: Vec<PolicyVerdict<'_>> = judged
            .iter()
            .flat_map(|judged| &judged.verdicts)
            .filter_map(|(uid, verdict)| {
                let policy = policies.known.get(uid)?.as_deref()?;
                Some(PolicyVerdict { policy, verdict, selected: self.verdicts.selected(uid) })
            })
            .collect();
        let settings = settings(&config);
        let deliveries = self.outbox.deliveries(target);
        // Unique is enough: whoever may read the workload may see it anyway.
        let nonce = Digest::of(
            format!("{} {target:?} {now:?} {}", self.context.instance, self.leadership.epoch()).as_bytes(),
        )
        .short();
        let facts = Facts {
            target,
            workload: workload.as_deref(),
            verdicts: &verdicts,
            policies: &policies,
            record: state.records.get(target),
            predecessor: predecessor(&state.records, target),
            live,
            access,
            paused: config.remediation.paused.then_some("by the operator's configuration"),
            index: (self.view.index)(),
            deliveries: &deliveries,
            budget: state.records.budget(),
            breaker: state.breaker.get(),
            settings: &settings,
            own_namespace: &self.context.namespace,
            exempt_namespaces: &config.exempt_namespaces,
            nonce: &nonce,
        };
        let plan = plan(&facts, now);
        if let Some(step) = plan.step.as_ref().filter(|step| **step != Step::ReadTarget) {
            audit::decision(&facts, &plan, step, self.leadership.epoch());
        }
        plan
    }

    /// A target whose record cannot be read: nothing is done to it, and nothing else is affected.
    fn fenced(&self, target: &TargetId, why: &str, now: DateTime<Utc>) -> Plan {
        let blocker = breakwater_core::mitigation::Blocker::RecordUnreadable(why.to_owned());
        let judged = self.verdicts.get(&target.workload).filter(|judged| judged.workload.uid == target.uid);
        let status = MitigationStatus {
            action: breakwater_core::mitigation::ActionKind::Alert,
            mode: Mode::DryRun,
            state: State::Blocked,
            previous_replicas: None,
            reason: printable::line(&blocker.to_string(), 500),
            until: None,
        };
        let uids = judged.into_iter().flat_map(|judged| judged.verdicts.into_keys());
        Plan {
            step: None,
            statuses: uids.map(|uid| (uid, status.clone())).collect(),
            wake: Some(now + TimeDelta::minutes(5)),
        }
    }

    /// Writes the record, and hands over what is to be told.
    async fn record(
        &self,
        state: &mut Stored,
        target: &TargetId,
        step: &Step,
    ) -> Result<StepResult, MitigationError> {
        self.fence()?;
        match step {
            Step::Announce { record, message } => {
                state.records.save((**record).clone()).await?;
                if !self.outbox.send(target, message.clone()) {
                    return Err(MitigationError::OutboxFull);
                }
            }
            Step::Save { record, notes } => {
                state.records.save((**record).clone()).await?;
                self.outbox.retain(target, |id| {
                    record
                        .notices
                        .values()
                        .any(|notice| notice.sent_at.is_none() && notice.message.as_deref() == Some(id))
                });
                self.outbox.tell(target, notes.clone());
            }
            Step::DeleteRecord => {
                state.records.delete(target).await?;
                self.outbox.retain(target, |_| false);
            }
            Step::ReadTarget | Step::Scale { .. } | Step::Evict { .. } | Step::Annotate { .. } => {}
        }
        Ok(StepResult::Done)
    }

    /// One read or write of what is not the operator's, and nothing else. After it everything is planned anew.
    async fn act(
        &self,
        target: &TargetId,
        step: &Step,
        live: &mut Option<Live>,
        now: DateTime<Utc>,
    ) -> Result<StepResult, MitigationError> {
        let (client, id) = (&self.context.client, &target.workload);
        if *step == Step::ReadTarget {
            *live = Some(target::read(client, id).await?);
            return Ok(StepResult::Done);
        }
        let read = live.take().and_then(|live| live.target).ok_or(MitigationError::TargetNotRead)?;
        self.fence()?;
        match step {
            Step::Scale { replicas } => actions::scale(client, id, &read, *replicas).await?,
            Step::Annotate { copy } => actions::annotate(client, id, &read, copy.as_deref()).await?,
            Step::Evict { pod, uid } => return self.evict(target, pod, uid, now).await,
            Step::ReadTarget | Step::Save { .. } | Step::Announce { .. } | Step::DeleteRecord => {}
        }
        Ok(StepResult::Done)
    }

    async fn evict(
        &self,
        target: &TargetId,
        pod: &str,
        uid: &str,
        now: DateTime<Utc>,
    ) -> Result<StepResult, MitigationError> {
        let until = {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.retain(|_, until| *until > now);
            refused.get(target).copied()
        };
        let reason =
            || format!("DisruptionBudget: pod {pod} may not be evicted now; asked for again twice a minute");
        if let Some(until) = until {
            return Ok(StepResult::Deferred(until, reason()));
        }
        if actions::evict(&self.context.client, &target.workload.namespace, pod, uid).await? {
            return Ok(StepResult::Done);
        }
        let until = now + RETRY_EVICTION;
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(target.clone(), until);
        Ok(StepResult::Deferred(until, reason()))
    }

    /// Nothing is written by a replica that does not lead.
    fn fence(&self) -> Result<(), MitigationError> {
        if self.leadership.is_current() { Ok(()) } else { Err(MitigationError::NotLeading) }
    }

    fn show(&self, target: &TargetId, statuses: &BTreeMap<String, MitigationStatus>, now: DateTime<Utc>) {
        for status in self.statuses.set(target, statuses, now) {
            let mode = if status.mode == Mode::Enforce { "Enforce" } else { "DryRun" };
            self.context.metrics.acted(status.action.as_str(), mode, status.state.as_str());
        }
    }

    /// Opens the breaker if what is planned and done has become too much.
    async fn open_breaker(&self, state: &mut Stored, now: DateTime<Utc>) -> Result<(), MitigationError> {
        let settings = settings(&self.context.config.load());
        let total = (self.view.total)();
        let Some(open) = state.breaker.get().trip(state.records.all(), total, &settings, now) else {
            return Ok(());
        };
        tracing::error!(
            reason = open.reason,
            "the breaker is open: nothing is acted upon until a person resets it"
        );
        self.fence()?;
        let note =
            format!("{}: nothing is acted upon until a person sets its key state to Closed", open.reason);
        state.breaker.save(open).await?;
        self.tell_config_map(breaker::NAME, "BreakerOpen", &note).await;
        Ok(())
    }

    /// Compares records and breaker with what the API server has. Returns the targets to look at again, all of them if the breaker changed.
    pub(super) async fn refresh(&self) -> Result<Vec<(TargetId, Urgency)>, MitigationError> {
        let mut state = self.state.lock().await;
        self.fence()?;
        let refreshed = state.records.refresh().await?;
        let was_open = state.breaker.get().is_open();
        let has_changed = state.breaker.refresh().await?;
        if let Some(problem) = state.breaker.problem().filter(|_| has_changed).map(str::to_owned) {
            tracing::error!(problem, "the breaker cannot be read: it counts as open");
            self.tell_config_map(breaker::NAME, "BreakerUnreadable", &problem).await;
        }
        if was_open && !state.breaker.get().is_open() {
            tracing::warn!("a person reset the breaker");
            let now = self.context.clock.now();
            let reset = Breaker { since: Some(now), ..state.breaker.get().clone() };
            state.breaker.save(reset).await?;
        }
        drop(state);
        self.tell_unreadable(&refreshed).await;
        if has_changed {
            return Ok(self.targets().await);
        }
        let mut targets = Vec::new();
        for target in &refreshed.changed {
            targets.extend(self.targets_of(&target.workload).await);
        }
        Ok(targets)
    }

    pub(super) async fn health(&self) -> Health {
        let (client, now) = (&self.context.client, self.context.clock.monotonic());
        let mut granted = BTreeMap::new();
        for namespace in self.verdicts.enforced_namespaces(MAX_ASKED) {
            if let Some(may) = self.access.may_act(client, &namespace, WorkloadKind::Deployment, now).await {
                granted.insert(namespace, may);
            }
        }
        let state = self.state.lock().await;
        Health {
            is_running: true,
            breaker: state.breaker.get().is_open().then(|| state.breaker.get().reason.clone()),
            unreadable_records: state.records.unreadable().keys().cloned().collect(),
            granted,
        }
    }

    /// Digests that records name. Their inventories are kept.
    pub(super) async fn digests(&self) -> BTreeSet<Digest> {
        let state = self.state.lock().await;
        let containments = state.records.all().filter_map(|record| record.containment.as_ref());
        containments.flat_map(|containment| containment.digests.iter().cloned()).collect()
    }

    async fn tell_unreadable(&self, refreshed: &Refreshed) {
        for name in &refreshed.unreadable {
            let why = {
                let state = self.state.lock().await;
                state.records.unreadable().get(name).map(|unreadable| unreadable.why.clone())
            };
            let why = why.unwrap_or_default();
            tracing::error!(
                record = name,
                why,
                "a mitigation record cannot be read: its workload is left alone"
            );
            self.context.metrics.acted("None", "Enforce", "RecordUnreadable");
            let note = format!(
                "{why}. Its workload is left alone until the record is corrected or deleted; all others go on."
            );
            self.tell_config_map(name, "RecordUnreadable", &note).await;
        }
    }

    async fn tell_config_map(&self, name: &str, reason: &str, note: &str) {
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("ConfigMap".into()),
            namespace: Some(self.context.namespace.to_string()),
            name: Some(name.into()),
            ..ObjectReference::default()
        };
        self.events.tell(&about, Kind::Warning, reason, "Mitigate", note).await;
    }
}

fn has_remediation(policy: &Policy) -> bool {
    policy.remediation.mode != Mode::Off && !policy.remediation.triggers.is_empty()
}

fn urgency(record: &breakwater_core::mitigation::WorkloadRecord, workload: Option<&Workload>) -> Urgency {
    let is_release = record.open().is_some_and(|containment| {
        matches!(containment.phase, breakwater_core::mitigation::Phase::Restoring(_))
            || workload.is_some_and(|workload| {
                workload.annotations.get(breakwater_crds::names::annotations::UNDO)
                    == Some(&containment.nonce)
            })
    });
    match record.open() {
        Some(_) if is_release => Urgency::Release,
        Some(_) => Urgency::Contained,
        None => Urgency::Announced,
    }
}

/// The record of the newest earlier object of this name that was contained when it was deleted.
fn predecessor<'a>(
    records: &'a Records,
    target: &'a TargetId,
) -> Option<&'a breakwater_core::mitigation::WorkloadRecord> {
    let earlier = records.of(&target.workload).filter(|record| record.target.uid != target.uid);
    let contained = earlier.filter_map(|record| Some((record.containment.as_ref()?.since, record)));
    contained.max_by_key(|(since, _)| *since).map(|(_, record)| record)
}

/// As it was judged, with the metadata it has now: undo, hold and the namespace's opt-in are read from what is newest.
fn current(judged: Option<&Arc<Workload>>, newest: Option<Arc<Workload>>) -> Option<Arc<Workload>> {
    match (judged, newest) {
        (Some(judged), Some(newest)) if newest != *judged => Some(Arc::new(Workload {
            annotations: newest.annotations.clone(),
            namespace_labels: newest.namespace_labels.clone(),
            namespace_paused: newest.namespace_paused,
            replicas: newest.replicas,
            ..(**judged).clone()
        })),
        (Some(judged), _) => Some(Arc::clone(judged)),
        (None, newest) => newest,
    }
}

fn settings(config: &config::Config) -> Settings {
    let delta = |time: Duration| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
    let remediation = &config.remediation;
    Settings {
        second_look: delta(remediation.second_look),
        cooldown: delta(remediation.cooldown),
        stale_after: delta(config.advisories.stale_after),
        max_per_hour: remediation.max_per_hour,
        max_per_namespace_per_hour: remediation.max_per_namespace_per_hour,
        max_concurrent: remediation.max_concurrent,
        max_concurrent_per_namespace: remediation.max_concurrent_per_namespace,
        breaker_percent: remediation.breaker_percent,
        breaker_count: remediation.breaker_count,
    }
}
