//! One policy's request for one workload, on its way to an action. No other policy delays, weakens or blocks it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ActionKind, Blocker, CloseReason, ContainedPod, Facts, Live, MAX_RECORDS, MAX_RECORDS_OF_NAMESPACE,
    Message, MitigationStatus, Mode, Notice, OptIns, Phase, State, Step, Target, WorkloadRecord, budget,
    facts::Delivery, record::MAX_NOTICES, request::RequestedAction, safeguards, step,
};
use crate::{names, workload::Workload};

/// What only the live object can tell is looked at again after so long.
pub(super) const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(5);

/// So many actions on pods within an hour show that deleting them contains nothing.
const MAX_KILLS: u32 = 3;

/// So many undone actions show that people know better.
const MAX_UNDONE: u32 = 3;

/// What a person undid is left alone for at least so long, whatever the cool-down.
const AFTER_UNDO: TimeDelta = TimeDelta::minutes(10);

/// A roll-out that replaces the violating images may take so long after the deadline.
const ROLL_OUT: TimeDelta = TimeDelta::minutes(10);

/// The most pods that one DeletePod is about.
const MAX_PODS: usize = 64;

#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) workload: &'a Workload,
    pub(super) request: &'a RequestedAction,
    /// How many workloads the policy selects.
    pub(super) selected: u32,
    pub(super) now: DateTime<Utc>,
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// Something is to be written or read first.
    Step(MitigationStatus, Step),
    Wait(MitigationStatus, Option<DateTime<Utc>>),
    /// It may act now, on the target that was read.
    Due(MitigationStatus),
}

pub(super) fn blocked(action: ActionKind, mode: Mode, blocker: &Blocker) -> MitigationStatus {
    let state = match blocker {
        Blocker::ConfirmationPending(_) => State::Planned,
        Blocker::Paused(_) => State::Held,
        _ => State::Blocked,
    };
    MitigationStatus {
        action,
        mode,
        state,
        previous_replicas: None,
        reason: blocker.to_string(),
        until: blocker.until(),
    }
}

impl<'a> Candidate<'a> {
    pub(super) fn progress(&self) -> Progress {
        self.next().unwrap_or_else(|blocker| self.blocked(&blocker))
    }

    /// Which of several that may act is carried out: the strongest action, then the order of names.
    pub(super) fn precedence(&self) -> impl Ord + use<> {
        (self.request.action, std::cmp::Reverse(self.request.policy.clone()))
    }

    /// An announcement that can never come true while it is so is withdrawn, so that no old deadline is feared; the rest waits. A notice
    /// that is only planned stays: withdrawing it would plan it again at the next look, endlessly.
    fn blocked(&self, blocker: &Blocker) -> Progress {
        let status = blocked(self.request.action, self.mode(), blocker);
        if let Some((record, notice)) = self.notice() {
            if blocker.is_lasting() && notice.message.is_some() {
                return Progress::Step(status, self.withdraw(record, notice, &blocker.to_string()));
            }
            if let Some(step) = self.heartbeat(record, notice) {
                return Progress::Step(status, step);
            }
        }
        let again = status.until.unwrap_or(self.now + LOOK_AGAIN);
        let heartbeat = self.notice().and_then(|(_, notice)| notice.heartbeat_due());
        let wake = heartbeat.filter(|time| *time > self.now).map_or(again, |time| time.min(again));
        Progress::Wait(status, Some(wake))
    }

    fn next(&self) -> Result<Progress, Blocker> {
        self.check_safeguards()?;
        if let Some(live) = self.facts.live {
            self.check_live(live)?;
        }
        let enforce = self.is_enforced()?;
        let Some((record, notice)) = self.notice() else { return self.open(None) };
        // A cached label may be outdated: the live one decides before anything is written about it.
        if notice.enforce != enforce && self.facts.live.is_none() && self.request.action != ActionKind::Alert
        {
            return Ok(self.read_target());
        }
        if notice.enforce && !enforce {
            return self.demote(record, notice);
        }
        if !notice.covers(self.request, enforce) {
            return self.open(Some(notice));
        }
        if notice.sent_at.is_none() {
            return self.announce(record, notice, enforce);
        }
        self.wait_or_act(record, notice, enforce)
    }

    fn notice(&self) -> Option<(&'a WorkloadRecord, &'a Notice)> {
        let record = self.facts.record?;
        record.notices.get(&self.request.policy.uid).map(|notice| (record, notice))
    }

    /// Checks what holds for this workload and action whoever asks.
    pub(super) fn check_safeguards(&self) -> Result<(), Blocker> {
        let (facts, request) = (self.facts, self.request);
        let workload = &facts.target.workload;
        safeguards::namespace(&workload.namespace, facts.own_namespace, facts.exempt_namespaces)?;
        safeguards::kind(workload, request.action, &request.kinds)?;
        if request.action == ActionKind::Alert {
            return Ok(());
        }
        if let Some(owner) = &self.workload.controlled_by {
            return Err(Blocker::OwnedBy(owner.clone()));
        }
        if request.digests.is_empty() {
            let is_stopped = self.workload.replicas == Some(0);
            return Err(if is_stopped { Blocker::NothingRuns } else { Blocker::NoEvidence });
        }
        let undone = facts.record.map(|record| &record.history.undone);
        let times = |rule| undone.and_then(|by| by.get(rule)).copied().unwrap_or(0);
        match request.rules.iter().map(times).min() {
            Some(times) if times >= MAX_UNDONE => Err(Blocker::UndoneTooOften(MAX_UNDONE)),
            _ => Ok(()),
        }
    }

    fn check_live(&self, live: &Live) -> Result<(), Blocker> {
        if live.namespace.terminating {
            return Err(Blocker::NamespaceTerminating);
        }
        let target = live.target.as_ref().ok_or(Blocker::TargetGone)?;
        if target.uid != self.facts.target.uid || target.images != template_images(self.workload) {
            return Err(Blocker::EvidenceChanged);
        }
        if target.terminating {
            return Err(Blocker::TargetTerminating);
        }
        if self.request.action == ActionKind::Alert {
            return Ok(());
        }
        if let Some(owner) = &target.controlled_by {
            return Err(Blocker::OwnedBy(owner.clone()));
        }
        if self.request.action == ActionKind::ScaleToZero {
            if target.deletes_volumes {
                return Err(Blocker::VolumesWouldBeDeleted);
            }
            if target.replicas < 1 {
                return Err(Blocker::NothingRuns);
            }
        }
        Ok(())
    }

    /// The first look only plans. A reason that was seen before keeps the time at which it was first seen.
    fn open(&self, before: Option<&Notice>) -> Result<Progress, Blocker> {
        self.check_room(before)?;
        let record = self.facts.record.cloned();
        let record = record.unwrap_or_else(|| WorkloadRecord::new(self.facts.target, super::Cause::Image));
        Ok(Progress::Step(self.planned(), self.with(&record, self.first_look(before)?)))
    }

    /// An opt-in was withdrawn: what was announced is cancelled, and what would be done is shown as a dry-run.
    fn demote(&self, record: &WorkloadRecord, notice: &Notice) -> Result<Progress, Blocker> {
        let why = self.missing_opt_ins().unwrap_or_else(|| "an opt-in was withdrawn".to_owned());
        let uid = &self.request.policy.uid;
        let mut next = record.clone();
        next.notices.insert(uid.clone(), self.first_look(Some(notice))?);
        let notes = step::cancelled(self.facts.target, uid, notice, &why);
        Ok(Progress::Step(self.planned(), Step::Save { record: Box::new(next), notes }))
    }

    fn first_look(&self, before: Option<&Notice>) -> Result<Notice, Blocker> {
        let request = self.request;
        let is_same_reason = |notice: &&Notice| {
            let known = Notice {
                action: ActionKind::ScaleToZero,
                grace_seconds: i64::MAX,
                enforce: true,
                ..(*notice).clone()
            };
            known.covers(request, true)
        };
        let planned_at = before.filter(is_same_reason).map_or(self.now, |notice| notice.planned_at);
        Ok(Notice {
            policy_namespace: request.policy.namespace.clone(),
            policy_name: request.policy.name.clone(),
            action: request.action,
            enforce: self.is_enforced()?,
            rules: request.rules.clone(),
            findings: request.findings.clone(),
            grace_seconds: request.grace.num_seconds(),
            grace_served: self.predecessor().is_some(),
            index_revision: self.facts.index.map_or(0, |index| index.revision),
            planned_at,
            message: None,
            sent_at: None,
            seen_at: self.now,
        })
    }

    /// A tenant's policies never take the places of the operator's, nor one namespace those of all others.
    fn check_room(&self, before: Option<&Notice>) -> Result<(), Blocker> {
        let (all, of_namespace) = self.facts.budget.records(&self.facts.target.workload.namespace);
        match self.facts.record {
            None if of_namespace >= MAX_RECORDS_OF_NAMESPACE => {
                Err(Blocker::TooManyRecords(MAX_RECORDS_OF_NAMESPACE, "in one namespace"))
            }
            None if all >= MAX_RECORDS => Err(Blocker::TooManyRecords(MAX_RECORDS, "in the cluster")),
            Some(record) if before.is_none() => {
                let is_own = |namespace: &str| namespace == self.facts.own_namespace;
                let is_ours = is_own(&self.request.policy.namespace);
                let same = record.notices.values().filter(|known| is_own(&known.policy_namespace) == is_ours);
                let most = MAX_NOTICES / 2;
                if same.count() >= most { Err(Blocker::TooManyPolicies(most)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// On the second look the owner is told; grace starts when that is confirmed.
    fn announce(&self, record: &WorkloadRecord, notice: &Notice, enforce: bool) -> Result<Progress, Blocker> {
        let second_look = self.facts.second_look_at(notice.planned_at);
        if !notice.grace_served && self.now < second_look {
            return match self.missing_opt_ins() {
                Some(missing) => Ok(Progress::Wait(
                    self.status(State::Planned, missing, Some(second_look)),
                    Some(second_look),
                )),
                None => Err(Blocker::ConfirmationPending(second_look)),
            };
        }
        self.check_switches(enforce)?;
        if enforce {
            self.check_cooldown(record)?;
        }
        let delivery = notice.message.as_ref().and_then(|id| self.facts.deliveries.get(id));
        match delivery {
            Some(Delivery::Pending) => {
                let status = self.status(State::Planned, "the notice is being delivered".into(), None);
                Ok(Progress::Wait(status, Some(self.now + LOOK_AGAIN)))
            }
            Some(Delivery::Confirmed(at)) => {
                let told = Notice { sent_at: Some(*at), seen_at: self.now, ..notice.clone() };
                Ok(Progress::Step(self.planned(), self.with(record, told)))
            }
            None if self.facts.live.is_none() => Ok(self.read_target()),
            None => Ok(self.send(record, notice)),
        }
    }

    fn send(&self, record: &WorkloadRecord, notice: &Notice) -> Progress {
        let id = notice.message.clone().unwrap_or_else(|| {
            let key = format!("{} {}", self.facts.nonce, self.request.policy.uid);
            crate::Digest::of(key.as_bytes()).short()
        });
        let told = Notice { message: Some(id.clone()), ..notice.clone() };
        let earliest = self.now.checked_add_signed(told.grace()).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let replicas = self.facts.live.and_then(|live| live.target.as_ref()).map(|target| target.replicas);
        let notes =
            step::announcement(self.facts.target, self.request, earliest, replicas, self.missing_opt_ins());
        let mut next = record.clone();
        next.notices.insert(self.request.policy.uid.clone(), told);
        let step = Step::Announce { record: Box::new(next), message: Message { id, notes } };
        Progress::Step(self.planned(), step)
    }

    fn wait_or_act(
        &self,
        record: &WorkloadRecord,
        notice: &Notice,
        enforce: bool,
    ) -> Result<Progress, Blocker> {
        if self.request.action == ActionKind::Alert {
            return Ok(Progress::Wait(self.status(State::Applied, "the owner was told".into(), None), None));
        }
        if !enforce {
            let missing = self.missing_opt_ins().unwrap_or_default();
            return Ok(Progress::Wait(self.status(State::Planned, missing, None), None));
        }
        if notice.was_abandoned(self.now) {
            let renewed = Notice { message: None, sent_at: None, seen_at: self.now, ..notice.clone() };
            return Ok(Progress::Step(self.planned(), self.with(record, renewed)));
        }
        if let Some(deadline) = notice.deadline().filter(|deadline| self.now < *deadline) {
            let status = self.status(State::Announced, "the owner was told".into(), Some(deadline));
            if let Some(step) = self.heartbeat(record, notice) {
                return Ok(Progress::Step(status, step));
            }
            let wake = notice.heartbeat_due().map_or(deadline, |time| time.min(deadline));
            return Ok(Progress::Wait(status, Some(wake)));
        }
        self.check_due(record, notice)?;
        let Some(target) = self.facts.live.and_then(|live| live.target.as_ref()) else {
            return Ok(self.read_target());
        };
        self.check_pods(notice, target)?;
        Ok(Progress::Due(self.planned()))
    }

    fn check_switches(&self, enforce: bool) -> Result<(), Blocker> {
        if let Some(by) = self.facts.paused() {
            return Err(Blocker::Paused(by));
        }
        if enforce && self.facts.breaker.is_open() {
            return Err(Blocker::BreakerOpen);
        }
        Ok(())
    }

    fn check_due(&self, record: &WorkloadRecord, notice: &Notice) -> Result<(), Blocker> {
        let facts = self.facts;
        self.check_switches(true)?;
        facts.check_index(notice.index_revision, self.now)?;
        let verdict = facts.verdicts.iter().find(|verdict| verdict.policy.id == self.request.policy);
        if verdict.is_some_and(|verdict| verdict.verdict.changes_at.is_some_and(|time| time <= self.now)) {
            return Err(Blocker::EvidenceChanged);
        }
        self.check_cooldown(record)?;
        let kills = record.history.acted_since(self.now - TimeDelta::hours(1));
        if self.request.action == ActionKind::DeletePod && kills >= MAX_KILLS {
            return Err(Blocker::PodsRecreated(MAX_KILLS));
        }
        let asked = budget::Asked {
            cause: self.cause(),
            namespace: &facts.target.workload.namespace,
            policy_uid: &self.request.policy.uid,
            limits: &self.request.limits,
            selected: self.selected,
        };
        facts.budget.allows(facts.settings, &asked, self.now)
    }

    fn check_cooldown(&self, record: &WorkloadRecord) -> Result<(), Blocker> {
        let cooldown = self.facts.settings.cooldown;
        let acted = record.history.acted.last().and_then(|acted| acted.checked_add_signed(cooldown));
        let closed = record.containment.as_ref().and_then(|containment| match containment.phase {
            Phase::Closed(CloseReason::Undo) => {
                containment.since.checked_add_signed(cooldown.max(AFTER_UNDO))
            }
            Phase::Closed(CloseReason::Superseded) => None,
            _ => containment.since.checked_add_signed(cooldown),
        });
        // A weaker action that was taken does not delay the stronger one.
        let acted = acted.filter(|_| {
            record.containment.as_ref().is_none_or(|before| before.action >= self.request.action)
        });
        match acted.max(closed).filter(|cool| self.now < *cool) {
            Some(cool) => Err(Blocker::CoolDown(cool)),
            None => Ok(()),
        }
    }

    /// The pods right before the act: they run what violates, and are not being replaced by what does not.
    fn check_pods(&self, notice: &Notice, target: &Target) -> Result<(), Blocker> {
        let digests = &self.request.digests;
        if self.request.action == ActionKind::DeletePod {
            return if self.pods(target).is_empty() { Err(Blocker::NothingRuns) } else { Ok(()) };
        }
        let known = |pod: &&super::LivePod| !pod.terminating && !pod.digests.is_empty();
        let mut pods = target.pods.iter().filter(known).peekable();
        if pods.peek().is_none() || pods.clone().all(|pod| pod.runs(digests)) {
            return Ok(());
        }
        if !target.runs(digests) {
            return Err(Blocker::EvidenceChanged);
        }
        let until = notice.deadline().and_then(|deadline| deadline.checked_add_signed(ROLL_OUT));
        match until.filter(|until| self.now < *until) {
            Some(until) => Err(Blocker::RollOutInProgress(until)),
            None => Ok(()),
        }
    }

    pub(super) fn pods(&self, target: &Target) -> Vec<ContainedPod> {
        let violating = target
            .pods
            .iter()
            .filter(|pod| !pod.mirror && !pod.terminating && pod.runs(&self.request.digests));
        violating
            .map(|pod| ContainedPod { name: pod.name.clone(), uid: pod.uid.clone() })
            .take(MAX_PODS)
            .collect()
    }

    /// Records from time to time that the notice is attended to.
    fn heartbeat(&self, record: &WorkloadRecord, notice: &Notice) -> Option<Step> {
        notice.sent_at?;
        if notice.was_abandoned(self.now) {
            return None;
        }
        notice.heartbeat_due().filter(|time| *time <= self.now)?;
        Some(self.with(record, Notice { seen_at: self.now, ..notice.clone() }))
    }

    fn withdraw(&self, record: &WorkloadRecord, notice: &Notice, why: &str) -> Step {
        let uid = &self.request.policy.uid;
        let mut next = record.clone();
        next.notices.remove(uid);
        Step::Save { record: Box::new(next), notes: step::cancelled(self.facts.target, uid, notice, why) }
    }

    fn with(&self, record: &WorkloadRecord, notice: Notice) -> Step {
        let mut next = record.clone();
        next.notices.insert(self.request.policy.uid.clone(), notice);
        Step::Save { record: Box::new(next), notes: vec![] }
    }

    fn opt_ins(&self) -> OptIns {
        let label = self.workload.namespace_labels.get(names::REMEDIATION);
        OptIns {
            rbac: self.facts.access.unwrap_or(false),
            mode: self.request.mode,
            namespace: self
                .facts
                .live
                .map_or(label.is_some_and(|value| value == names::ENABLED), |live| live.namespace.enabled),
        }
    }

    /// Returns the missing opt-ins, as users read them. An alert needs none.
    pub(super) fn missing_opt_ins(&self) -> Option<String> {
        self.opt_ins().explain().filter(|_| self.request.action != ActionKind::Alert)
    }

    /// Reports whether all three opt-ins are present. A right that could not be asked for is neither present nor missing.
    pub(super) fn is_enforced(&self) -> Result<bool, Blocker> {
        if self.request.action == ActionKind::Alert {
            return Ok(false);
        }
        let others = OptIns { rbac: true, ..self.opt_ins() };
        match self.facts.access {
            None if others.missing().is_empty() => Err(Blocker::AccessUnknown),
            access => Ok(access == Some(true) && others.missing().is_empty()),
        }
    }

    fn mode(&self) -> Mode {
        if self.is_enforced() == Ok(true) { Mode::Enforce } else { Mode::DryRun }
    }

    fn read_target(&self) -> Progress {
        Progress::Step(self.planned(), Step::ReadTarget)
    }

    fn planned(&self) -> MitigationStatus {
        self.status(State::Planned, self.missing_opt_ins().unwrap_or_else(|| "planned".to_owned()), None)
    }

    pub(super) fn status(
        &self,
        state: State,
        reason: String,
        until: Option<DateTime<Utc>>,
    ) -> MitigationStatus {
        MitigationStatus {
            action: self.request.action,
            mode: self.mode(),
            state,
            previous_replicas: None,
            reason,
            until,
        }
    }
}

impl Facts<'_> {
    /// When what was first seen at `first` may be taken for confirmed.
    pub(super) fn second_look_at(&self, first: DateTime<Utc>) -> DateTime<Utc> {
        first.checked_add_signed(self.settings.second_look).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Reports whether the advisories suffice to act or to release: in use, at least of revision `needed`, and fresh.
    pub(super) fn check_index(&self, needed: u64, now: DateTime<Utc>) -> Result<(), Blocker> {
        let index = self.index.ok_or(Blocker::IndexMissing)?;
        if index.revision < needed {
            return Err(Blocker::IndexOlder { have: index.revision, needed });
        }
        if now - index.data_at > self.settings.stale_after {
            return Err(Blocker::AdvisoriesStale);
        }
        Ok(())
    }
}

/// As [`Target::images`]: template is compared with template.
fn template_images(workload: &Workload) -> Vec<String> {
    let mut images: Vec<String> =
        workload.containers.iter().map(|container| container.image.clone()).collect();
    images.sort_unstable();
    images.dedup();
    images
}
