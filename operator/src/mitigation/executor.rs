use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use breakwater_core::{
    Digest,
    mitigation::{
        About, Case, Facts, Live, Mode, Note, Opinion, Outlook, Plan, Policies, Settings, State, Step, plan,
    },
    policy::Compliance,
    printable,
    workload::{Workload, WorkloadRef},
};
use breakwater_crds::ImagePolicy;
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Api, api::ListParams};

use super::{
    MitigationError,
    access::Access,
    act, audit,
    board::{Board, Judgement, Submitted},
    live,
    records::Records,
    within,
};
use crate::{
    config,
    context::Context,
    inventory::Images,
    kube::{
        events::{Events, Kind},
        lease::Leadership,
    },
    workloads::Workloads,
};

/// More steps than any workload needs in one go; the rest comes in the next pass.
const MAX_STEPS: usize = 24;
/// After a failure a workload is tried again so much later.
const RETRY: TimeDelta = TimeDelta::seconds(10);
/// An eviction that a disruption budget forbids is asked for again so much later.
const RETRY_EVICTION: TimeDelta = TimeDelta::seconds(30);
/// While latches hold, it is checked so often which policies exist: a deletion may have been missed.
const LIST_POLICIES: Duration = Duration::from_secs(60);
/// Changes within this time become one pass.
const SETTLE: Duration = Duration::from_millis(100);
/// A person may reset the breaker at any time; so often it is looked whether somebody did.
const LOOK_AT_BREAKER: TimeDelta = TimeDelta::seconds(10);

/// What the caches say while a pass lasts.
pub(super) struct Surroundings<'a> {
    pub(super) workload: &'a (dyn Fn(&WorkloadRef) -> Option<Arc<Workload>> + Send + Sync),
    /// How many workloads there are.
    pub(super) total: u32,
    /// Revision of the index in use; none while this replica is behind the newest revision ever used.
    pub(super) revision: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Executor {
    context: Context,
    board: Arc<Board>,
    leadership: Leadership,
    events: Events,
    access: Access,
    pub(super) records: Records,
    started: DateTime<Utc>,
    revision: (Option<u64>, DateTime<Utc>),
    /// UIDs of all ImagePolicies, as last listed.
    listed: Option<(Instant, BTreeSet<String>)>,
    submitted: BTreeSet<String>,
    rests: BTreeMap<WorkloadRef, Rest>,
}

/// A workload that was looked at and needs nothing for a while, unless what was known changes.
#[derive(Debug)]
struct Rest {
    until: DateTime<Utc>,
    known: Digest,
}

/// What is the same for all workloads of one pass.
struct Pass<'a> {
    around: &'a Surroundings<'a>,
    policies: BTreeMap<String, Submitted>,
    known: Policies,
    settings: Settings,
    paused: bool,
    exempt: Vec<String>,
}

enum Done {
    Fully,
    /// A disruption budget forbids it for now.
    NotYet,
}

impl Executor {
    pub(super) async fn new(
        context: Context,
        board: Arc<Board>,
        leadership: Leadership,
        events: Events,
    ) -> Result<Self, MitigationError> {
        let api = Api::namespaced(context.client.clone(), &context.namespace);
        let records = Records::load(api).await?;
        let now = context.clock.now();
        Ok(Self {
            context,
            board,
            leadership,
            events,
            access: Access::default(),
            records,
            started: now,
            revision: (None, now),
            listed: None,
            submitted: BTreeSet::new(),
            rests: BTreeMap::new(),
        })
    }

    pub(super) async fn run(mut self, workloads: &Workloads, images: &Images) -> Result<(), MitigationError> {
        let mut workloads_changed = workloads.changed();
        let mut images_changed = images.changed();
        let stop = self.context.stop.clone();
        let board = Arc::clone(&self.board);
        loop {
            let matched = images.matched().filter(|_| !images.index().is_behind());
            let around = Surroundings {
                workload: &|id| workloads.get(id),
                total: u32::try_from(workloads.all().len()).unwrap_or(u32::MAX),
                revision: matched.map(|matched| matched.revision),
            };
            let wake = match self.pass(&around).await {
                Ok(wake) => wake,
                Err(error @ MitigationError::NotLeading) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a pass of mitigation ended early and is tried again");
                    Some(self.context.clock.now() + RETRY)
                }
            };
            let pause = wake.map(|wake| (wake - self.context.clock.now()).to_std().unwrap_or_default());
            let sleep = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = board.submitted.notified() => {}
                _ = workloads_changed.changed() => {}
                _ = images_changed.changed() => {}
                () = sleep => {}
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Takes every workload that needs it as far as it goes now. Returns when to come back though nothing changes.
    pub(super) async fn pass(
        &mut self,
        around: &Surroundings<'_>,
    ) -> Result<Option<DateTime<Utc>>, MitigationError> {
        let now = self.context.clock.now();
        let config = self.context.config.load_full();
        if self.revision.0 != around.revision {
            self.revision = (around.revision, now);
        }
        let settings = settings(&config.remediation);
        let policies = self.board.snapshot();
        let known = self.policies(&policies).await?;
        let mut wake = self.mind_breaker(around, &settings, now).await?;
        let pass = Pass {
            around,
            policies,
            known,
            settings,
            paused: config.remediation.paused,
            exempt: config.exempt_namespaces.clone(),
        };
        for workload in self.targets(&pass) {
            if self.context.stop.is_cancelled() {
                return Ok(None);
            }
            let next = self.workload(&pass, &workload).await?;
            wake = [wake, next].into_iter().flatten().min();
        }
        // What was planned in this very pass may be too much.
        let opened = self.mind_breaker(around, &pass.settings, self.context.clock.now()).await?;
        if self.records.all().any(|case| case.holding().is_some()) {
            let list = now + TimeDelta::from_std(LIST_POLICIES).unwrap_or(TimeDelta::MAX);
            wake = Some(wake.map_or(list, |wake| wake.min(list)));
        }
        Ok([wake, opened].into_iter().flatten().min())
    }

    /// Opens the breaker if it has to; notices that a person reset it.
    async fn mind_breaker(
        &mut self,
        around: &Surroundings<'_>,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, MitigationError> {
        if self.records.breaker().is_open() {
            self.records.read_breaker().await?;
            if self.records.breaker().is_open() {
                return Ok(Some(now + LOOK_AT_BREAKER));
            }
            let reset =
                breakwater_core::mitigation::Breaker { since: Some(now), ..self.records.breaker().clone() };
            tracing::warn!("a person reset the breaker");
            self.fence()?;
            self.records.save_breaker(reset).await?;
            self.rests.clear();
        }
        let Some(open) = self.records.breaker().trip(self.records.all(), around.total, settings, now) else {
            return Ok(None);
        };
        tracing::error!(
            reason = open.reason,
            "the breaker is open: nothing is acted upon until a person resets it"
        );
        self.fence()?;
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("ConfigMap".into()),
            namespace: Some(self.context.namespace.to_string()),
            name: Some("breakwater-breaker".into()),
            ..ObjectReference::default()
        };
        let note =
            format!("{}: nothing is acted upon until a person sets its key state to Closed", open.reason);
        self.records.save_breaker(open).await?;
        self.rests.clear();
        self.events.tell(&about, Kind::Warning, "BreakerOpen", "Mitigate", &note).await;
        Ok(Some(now + LOOK_AT_BREAKER))
    }

    /// Which policies exist. Listed only while something is held: to tell a deleted policy from one that was not judged yet.
    async fn policies(
        &mut self,
        submitted: &BTreeMap<String, Submitted>,
    ) -> Result<Policies, MitigationError> {
        let now = self.context.clock.monotonic();
        if let Some((_, uids)) = &mut self.listed {
            // Submitted before and not any more: withdrawn.
            self.submitted.iter().filter(|uid| !submitted.contains_key(*uid)).for_each(|uid| {
                uids.remove(uid);
            });
        }
        self.submitted = submitted.keys().cloned().collect();
        let is_due =
            self.listed.as_ref().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= LIST_POLICIES);
        if is_due && self.records.all().next().is_some() {
            let api = Api::<ImagePolicy>::all(self.context.client.clone());
            let list = within(api.list_metadata(&ListParams::default())).await?;
            let uids = list.items.into_iter().filter(|policy| policy.metadata.deletion_timestamp.is_none());
            self.listed = Some((now, uids.filter_map(|policy| policy.metadata.uid).collect()));
        }
        let mut known: BTreeMap<_, _> =
            self.listed.iter().flat_map(|(_, uids)| uids).map(|uid| (uid.clone(), None)).collect();
        for (uid, submitted) in submitted {
            known.insert(uid.clone(), Some(Arc::clone(&submitted.policy)));
        }
        Ok(Policies { known, complete: self.listed.is_some() })
    }

    /// What is held comes first, then the worst.
    fn targets(&self, pass: &Pass<'_>) -> Vec<WorkloadRef> {
        let mut order: BTreeMap<WorkloadRef, (u8, u32, u32)> = BTreeMap::new();
        for judged in pass.policies.values().flat_map(|policy| policy.judgements.values()) {
            if judged.verdict.compliance == Compliance::Violating {
                let urgency = (1, judged.verdict.known_exploited, judged.verdict.fixable_critical);
                let known = order.entry(judged.workload.id.clone()).or_default();
                *known = urgency.max(*known);
            }
        }
        for case in self.records.all() {
            let known = order.entry(case.workload.clone()).or_default();
            if case.holding().is_some() {
                known.0 = 2;
            }
        }
        let mut targets: Vec<_> = order.into_iter().collect();
        targets.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        targets.into_iter().map(|(workload, _)| workload).collect()
    }

    /// Takes one workload as far as it goes now.
    async fn workload(
        &mut self,
        pass: &Pass<'_>,
        id: &WorkloadRef,
    ) -> Result<Option<DateTime<Utc>>, MitigationError> {
        let judged: Vec<(Submitted, Arc<Judgement>)> = pass
            .policies
            .values()
            .filter_map(|policy| policy.judgements.get(id).map(|judged| (policy.clone(), Arc::clone(judged))))
            .collect();
        let workload = current(pass, id, &judged);
        let client = self.context.client.clone();
        let monotonic = self.context.clock.monotonic();
        // Nobody is asked for a right that nobody wants to use.
        let is_wanted = self.records.get(id).is_some()
            || judged.iter().any(|(submitted, _)| {
                let remediation = &submitted.policy.remediation;
                remediation.mode != Mode::Off && !remediation.triggers.is_empty()
            });
        let rbac = is_wanted && self.access.may_act(&client, &id.namespace, id.kind, monotonic).await;
        let mut live: Option<Live> = None;
        let mut shown: Option<Outlook> = None;
        for round in 0..MAX_STEPS {
            let now = self.context.clock.now();
            let plan = self.think(pass, id, &judged, workload.as_deref(), live.as_ref(), rbac, now);
            shown = plan.outlook.clone().or(shown);
            let Some(step) = &plan.step else {
                self.show(id, &judged, shown.as_ref(), now);
                self.rest(id, plan.wake, self.known(pass, &judged, workload.as_deref(), rbac));
                return Ok(plan.wake);
            };
            if *step == Step::Look {
                let known = self.known(pass, &judged, workload.as_deref(), rbac);
                let rest =
                    self.rests.get(id).filter(|rest| round == 0 && rest.until > now && rest.known == known);
                if let Some(rest) = rest {
                    return Ok(Some(rest.until));
                }
            }
            let outcome = self.carry_out(id, step, &mut live).await;
            let failed = match outcome {
                Ok(Done::Fully) => continue,
                Ok(Done::NotYet) => {
                    ("DisruptionBudget: it does not allow another eviction now".to_owned(), RETRY_EVICTION)
                }
                Err(error @ MitigationError::NotLeading) => return Err(error),
                Err(error) if error.is_conflict() => {
                    tracing::info!(workload = %id, step = step.name(), "somebody else wrote it first: looked at again");
                    live = None;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(workload = %id, step = step.name(), %error, "a step failed and is tried again");
                    (printable::line(&format!("{}: {error}", step.name()), 300), RETRY)
                }
            };
            let (reason, later) = failed;
            let outlook = shown.map(|outlook| Outlook { state: State::Failed, reason, ..outlook });
            self.show(id, &judged, outlook.as_ref(), now);
            self.rests.remove(id);
            return Ok(Some(now + later));
        }
        Ok(Some(self.context.clock.now() + RETRY))
    }

    #[allow(clippy::too_many_arguments, reason = "every argument is one fact of this very moment")]
    fn think(
        &self,
        pass: &Pass<'_>,
        id: &WorkloadRef,
        judged: &[(Submitted, Arc<Judgement>)],
        workload: Option<&Workload>,
        live: Option<&Live>,
        rbac: bool,
        now: DateTime<Utc>,
    ) -> Plan {
        let opinions: Vec<Opinion<'_>> = judged
            .iter()
            .map(|(submitted, judgement)| Opinion {
                policy: &submitted.policy,
                verdict: &judgement.verdict,
                selected: u32::try_from(submitted.judgements.len()).unwrap_or(u32::MAX),
            })
            .collect();
        let changed = judged.iter().map(|(submitted, _)| submitted.since).max();
        let settled_since = [Some(self.started), Some(self.revision.1), changed].into_iter().flatten().max();
        let case = self.records.get(id);
        let cases: Vec<&Case> = self.records.all().collect();
        // Unique is enough: whoever may read the workload may see it anyway.
        let nonce = Digest::of(
            format!("{} {id} {now:?} {}", self.context.instance, self.leadership.epoch()).as_bytes(),
        )
        .short();
        let facts = Facts {
            target: id,
            workload,
            opinions: &opinions,
            policies: &pass.known,
            case,
            live,
            rbac,
            paused: pass.paused.then_some("by the operator's configuration"),
            index_revision: pass.around.revision,
            settled_since: settled_since.unwrap_or(self.started),
            cases: &cases,
            breaker: self.records.breaker(),
            settings: &pass.settings,
            own_namespace: &self.context.namespace,
            exempt_namespaces: &pass.exempt,
            nonce: &nonce,
        };
        let plan = plan(&facts, now);
        if let Some(step) = plan.step.as_ref().filter(|step| **step != Step::Look) {
            audit::decision(&facts, &plan, step, self.leadership.epoch());
        }
        plan
    }

    /// One step, and nothing else. After it everything is looked at anew.
    async fn carry_out(
        &mut self,
        id: &WorkloadRef,
        step: &Step,
        live: &mut Option<Live>,
    ) -> Result<Done, MitigationError> {
        let client = self.context.client.clone();
        if *step == Step::Look {
            *live = Some(live::look(&client, id).await?);
            return Ok(Done::Fully);
        }
        let target = live.take().and_then(|live| live.target);
        self.fence()?;
        match (step, target) {
            (Step::Look, _) => {}
            (Step::Notify { notes, case }, _) => {
                // Grace starts when the owner was told, not when we meant to.
                for note in notes {
                    self.publish(id, note).await?;
                }
                self.fence()?;
                self.records.save((**case).clone()).await?;
            }
            (Step::Save { case, notes }, _) => {
                self.records.save((**case).clone()).await?;
                for note in notes {
                    if let Err(error) = self.publish(id, note).await {
                        tracing::warn!(%error, reason = note.reason, "an Event was not published");
                    }
                }
            }
            (Step::Forget, _) => self.records.forget(id).await?,
            (Step::Scale { replicas }, Some(target)) => act::scale(&client, id, &target, *replicas).await?,
            (Step::Annotate { copy }, Some(target)) => {
                act::annotate(&client, id, &target, copy.as_deref()).await?;
            }
            (Step::Evict { pod, uid }, _) => {
                if !act::evict(&client, &id.namespace, pod, uid).await? {
                    return Ok(Done::NotYet);
                }
            }
            // Nothing is done to what was not looked at.
            (Step::Scale { .. } | Step::Annotate { .. }, None) => {}
        }
        Ok(Done::Fully)
    }

    /// Nothing is written by a replica that does not lead.
    fn fence(&self) -> Result<(), MitigationError> {
        if self.leadership.is_current() { Ok(()) } else { Err(MitigationError::NotLeading) }
    }

    async fn publish(&self, id: &WorkloadRef, note: &Note) -> Result<(), MitigationError> {
        let about = match &note.about {
            About::Workload { uid } => {
                reference(id.kind.api_version(), id.kind.as_str(), &id.namespace, &id.name, uid)
            }
            About::Policy { uid, namespace, name } => {
                reference("breakwater.dev/v1alpha1", "ImagePolicy", namespace, name, uid)
            }
        };
        let kind = if note.warning { Kind::Warning } else { Kind::Normal };
        within(self.events.publish(&about, kind, note.reason, "Mitigate", &note.text)).await
    }

    fn show(
        &self,
        id: &WorkloadRef,
        judged: &[(Submitted, Arc<Judgement>)],
        outlook: Option<&Outlook>,
        now: DateTime<Utc>,
    ) {
        let mut outlooks = BTreeMap::new();
        if let Some(outlook) = outlook {
            for (submitted, judgement) in judged {
                let policy = &submitted.policy;
                let asks = judgement.verdict.compliance == Compliance::Violating
                    && policy.remediation.mode != Mode::Off
                    && !policy.remediation.triggers.is_empty();
                if asks {
                    outlooks.insert(policy.id.uid.clone(), as_seen_by(policy.remediation.mode, outlook));
                }
            }
            let latch = self.records.get(id).and_then(|case| case.latch.as_ref());
            for holder in latch.iter().flat_map(|latch| &latch.holders) {
                outlooks.insert(holder.policy_uid.clone(), outlook.clone());
            }
        }
        if self.board.show(id, &outlooks, now)
            && let Some(outlook) = outlook
        {
            let mode = if outlook.mode == Mode::Enforce { "Enforce" } else { "DryRun" };
            self.context.metrics.acted(outlook.action.as_str(), mode, outlook.state.as_str());
        }
    }

    fn rest(&mut self, id: &WorkloadRef, wake: Option<DateTime<Utc>>, known: Digest) {
        match wake {
            Some(until) => {
                self.rests.insert(id.clone(), Rest { until, known });
            }
            None => {
                self.rests.remove(id);
            }
        }
    }

    /// Everything that may change what a look leads to.
    fn known(
        &self,
        pass: &Pass<'_>,
        judged: &[(Submitted, Arc<Judgement>)],
        workload: Option<&Workload>,
        rbac: bool,
    ) -> Digest {
        let opinions: Vec<_> =
            judged.iter().map(|(submitted, judgement)| (&submitted.policy, &judgement.verdict)).collect();
        let text = format!("{workload:?} {rbac} {} {:?} {opinions:?}", pass.paused, pass.around.revision);
        Digest::of(text.as_bytes())
    }
}

/// As it was judged, with the metadata it has now: undo, hold and the namespace's key are read from what is newest.
fn current(
    pass: &Pass<'_>,
    id: &WorkloadRef,
    judged: &[(Submitted, Arc<Judgement>)],
) -> Option<Arc<Workload>> {
    let newest = (pass.around.workload)(id);
    let Some((_, judgement)) = judged.first() else { return newest };
    let judged = &judgement.workload;
    match newest.filter(|newest| newest.uid == judged.uid) {
        Some(newest) if newest != *judged => Some(Arc::new(Workload {
            annotations: newest.annotations.clone(),
            namespace_labels: newest.namespace_labels.clone(),
            replicas: newest.replicas,
            ..(**judged).clone()
        })),
        _ => Some(Arc::clone(judged)),
    }
}

/// A policy in dry-run does not act, though another one does.
fn as_seen_by(mode: Mode, outlook: &Outlook) -> Outlook {
    if mode == Mode::Enforce || outlook.mode == Mode::DryRun {
        return outlook.clone();
    }
    Outlook {
        mode: Mode::DryRun,
        state: State::Planned,
        previous_replicas: None,
        reason: "missing key: policy mode Enforce; another policy acts".into(),
        until: None,
        ..outlook.clone()
    }
}

fn reference(api_version: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.into()),
        kind: Some(kind.into()),
        namespace: Some(namespace.into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    }
}

fn settings(config: &config::Remediation) -> Settings {
    let delta = |time: Duration| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
    Settings {
        second_look: delta(config.second_look),
        cooldown: delta(config.cooldown),
        max_per_hour: config.max_per_hour,
        max_per_namespace_per_hour: config.max_per_namespace_per_hour,
        max_concurrent: config.max_concurrent,
        breaker_percent: config.breaker_percent,
        breaker_count: config.breaker_count,
    }
}
