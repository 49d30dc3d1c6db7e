//! From the record to the verified effect, and back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ActionKind, Blocker, CloseReason, Containment, Facts, MitigationStatus, Mode, OptIns, Phase, Plan, State,
    Step, Target, WorkloadRecord,
    candidate::{Candidate, Progress},
    pending,
    release::{self, Release},
    request::request,
    step,
};
use crate::policy::Compliance;

/// How often an effect that is awaited is looked for.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(2);

/// An effect that is not seen after so long has failed; it is looked for further, but people are told.
const EFFECT_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// What stands still is looked at again after so long.
const IDLE: TimeDelta = TimeDelta::minutes(5);

/// 0 is written again at most so often; then whoever scales it up is named.
const MAX_REAPPLIED: u32 = 3;

/// The most policies that hold one containment.
const MAX_HOLDERS: usize = 32;

/// A containment that is over is shown for so long.
const SHOWN: TimeDelta = TimeDelta::hours(24);

pub(super) fn plan(
    facts: &Facts<'_>,
    record: &WorkloadRecord,
    containment: &Containment,
    now: DateTime<Utc>,
) -> Plan {
    let active = Active { facts, record, containment, now };
    let own = active.next();
    let mut statuses: BTreeMap<String, MitigationStatus> =
        containment.holders.iter().map(|holder| (holder.policy_uid.clone(), own.status.clone())).collect();
    let mut plan = Plan { step: own.step, statuses: BTreeMap::new(), wake: own.wake };
    active.others(&mut plan, &mut statuses, &own.status);
    plan.statuses = statuses;
    plan
}

/// How a containment that is over is shown, for a while.
pub(super) fn closed(containment: &Containment, now: DateTime<Utc>) -> Option<MitigationStatus> {
    let Phase::Closed(reason) = containment.phase else { return None };
    let state = match reason {
        CloseReason::Done => State::Verified,
        CloseReason::RolledBack => State::Cancelled,
        CloseReason::TargetGone => return None,
        _ => State::Restored,
    };
    (now - containment.since < SHOWN).then(|| MitigationStatus {
        action: containment.action,
        mode: Mode::Enforce,
        state,
        previous_replicas: containment.previous_replicas,
        reason: reason.explain().to_owned(),
        until: None,
    })
}

/// The next step of the containment itself.
struct Next {
    step: Option<Step>,
    status: MitigationStatus,
    wake: Option<DateTime<Utc>>,
}

struct Active<'a> {
    facts: &'a Facts<'a>,
    record: &'a WorkloadRecord,
    containment: &'a Containment,
    now: DateTime<Utc>,
}

impl Active<'_> {
    fn next(&self) -> Next {
        if let Some(by) = self.facts.paused() {
            return self.idle(State::Held, Blocker::Paused(by).to_string());
        }
        if self.facts.live.is_some_and(|live| live.namespace.terminating) {
            return self.idle(State::Held, Blocker::NamespaceTerminating.to_string());
        }
        if let Some(next) = self.gone() {
            return next;
        }
        if let Phase::Restoring(reason) = self.containment.phase {
            return self.restore(reason);
        }
        let waits = match release::release(self.facts, self.record, self.containment, self.now) {
            Ok(Release::Keep) => None,
            Ok(Release::Note(release)) => {
                let noted = Containment { release, ..self.containment.clone() };
                return self.with_step(self.save(noted, vec![]));
            }
            Ok(Release::Now(reason)) => return self.release(reason),
            Err(blocker) => Some(blocker),
        };
        match self.containment.phase {
            Phase::Recorded => self.act(),
            Phase::Reapplying => self.reapply(),
            Phase::Applied => self.verify(),
            Phase::Verified | Phase::Restoring(_) | Phase::Closed(_) => self.keep(waits.as_ref()),
        }
    }

    /// A target whose UID is gone closes at once and counts no more. The API server decides whether it is gone, not a cache.
    fn gone(&self) -> Option<Next> {
        match self.facts.live {
            None if self.facts.workload.is_none() => Some(self.read_target()),
            Some(live) if self.target().is_none() && !live.namespace.terminating => {
                Some(self.close(CloseReason::TargetGone))
            }
            _ => None,
        }
    }

    /// The live object, if it is the one that the record is about.
    fn target(&self) -> Option<&Target> {
        let target = self.facts.live.and_then(|live| live.target.as_ref());
        target.filter(|target| target.uid == self.facts.target.uid)
    }

    /// Recorded: the act may have happened before a crash, or not. The live count tells. The annotation comes before the scaling, so that
    /// a record whose object lacks it was never carried out.
    fn act(&self) -> Next {
        let Some(target) = self.target() else { return self.read_target() };
        if self.containment.action == ActionKind::DeletePod {
            return self.evict(target);
        }
        let is_annotated = target.annotation.as_deref() == Some(self.annotation().as_str());
        if target.replicas < 1 && is_annotated && self.containment.previous_replicas.is_some() {
            return self.applied();
        }
        match self.is_wanted(target) {
            None => self.idle(State::Recorded, Blocker::VerdictUnknown.to_string()),
            Some(false) => self.release(CloseReason::RolledBack),
            // Something else scaled it to zero before the operator did: there is nothing of ours to put back.
            Some(true) if target.replicas < 1 && self.containment.previous_replicas.is_some() => {
                let left_alone = Containment { previous_replicas: None, ..self.containment.clone() };
                self.with_step(self.save(left_alone, vec![]))
            }
            Some(true) if target.replicas < 1 => self.release(CloseReason::RolledBack),
            Some(true) if self.containment.previous_replicas != Some(target.replicas) => {
                let counted =
                    Containment { previous_replicas: Some(target.replicas), ..self.containment.clone() };
                self.with_step(self.save(counted, vec![]))
            }
            Some(true) if !is_annotated => self.annotate(),
            Some(true) => self.with_step(Step::Scale { replicas: 0 }),
        }
    }

    /// Reports whether what led here still holds; `None`: that is not known yet.
    fn is_wanted(&self, target: &Target) -> Option<bool> {
        let enabled = self.facts.live.is_some_and(|live| live.namespace.enabled);
        let deletes_volumes = target.deletes_volumes && self.containment.action == ActionKind::ScaleToZero;
        if !enabled || target.terminating || target.controlled_by.is_some() || deletes_volumes {
            return Some(false);
        }
        let access = self.facts.access?;
        if !access {
            return Some(false);
        }
        let is_run = target.pods.is_empty()
            || target.pods.iter().any(|pod| pod.digests.is_empty() || pod.runs(&self.containment.digests));
        if !is_run {
            return Some(false);
        }
        let holders: Vec<Option<bool>> = self
            .containment
            .holders
            .iter()
            .map(|holder| {
                let known = self.facts.policies.known.get(&holder.policy_uid);
                if known.is_none() && self.facts.policies.complete {
                    return Some(false);
                }
                let judged =
                    self.facts.verdicts.iter().find(|judged| judged.policy.id.uid == holder.policy_uid)?;
                match judged.verdict.compliance {
                    Compliance::Unknown => None,
                    Compliance::Compliant if !judged.verdict.is_complete => None,
                    Compliance::Compliant => Some(false),
                    Compliance::Violating => {
                        let asked = request(judged.policy, judged.verdict).ok().flatten();
                        Some(asked.is_some_and(|asked| {
                            asked.mode == Mode::Enforce && asked.action >= self.containment.action
                        }))
                    }
                }
            })
            .collect();
        if holders.contains(&Some(true)) {
            Some(true)
        } else if holders.contains(&None) {
            None
        } else {
            Some(false)
        }
    }

    fn evict(&self, target: &Target) -> Next {
        let remaining = |uid: &str| target.pods.iter().find(|pod| pod.uid == uid);
        let mut waiting = false;
        for pod in &self.containment.pods {
            match remaining(&pod.uid) {
                Some(live) if live.terminating => waiting = true,
                Some(live) if live.mirror => {
                    return self.idle(State::Blocked, Blocker::MirrorPod.to_string());
                }
                Some(live) => {
                    return match self.is_wanted(target) {
                        None => self.idle(State::Recorded, Blocker::VerdictUnknown.to_string()),
                        Some(false) => self.close(CloseReason::RolledBack),
                        Some(true) => {
                            self.with_step(Step::Evict { pod: live.name.clone(), uid: live.uid.clone() })
                        }
                    };
                }
                None => {}
            }
        }
        if waiting { self.wait("pods are terminating") } else { self.close(CloseReason::Done) }
    }

    fn applied(&self) -> Next {
        let containment = self.containment.enter(Phase::Applied, self.now);
        let notes = step::acted(self.facts.target, &containment);
        self.with_step(self.save(containment, notes))
    }

    fn verify(&self) -> Next {
        let Some(target) = self.target() else { return self.read_target() };
        if target.replicas > 0 {
            return self.contested(target);
        }
        if self.facts.access == Some(true) && target.annotation.as_ref() != Some(&self.annotation()) {
            return self.annotate();
        }
        if target.observed_replicas != Some(0) || !target.pods.is_empty() {
            return self.wait("pods are terminating");
        }
        self.with_step(self.save(self.containment.enter(Phase::Verified, self.now), vec![]))
    }

    /// Verified: rests until something releases it, or something else scales it up.
    fn keep(&self, waits: Option<&Blocker>) -> Next {
        // A cache lags behind our own writes: what it shows is read again before it is believed.
        let has_changed = self
            .facts
            .workload
            .is_some_and(|workload| workload.replicas.is_some_and(|replicas| replicas > 0));
        match self.target() {
            None if has_changed => return self.read_target(),
            Some(target) if target.replicas > 0 => return self.contested(target),
            _ => {}
        }
        let after = release::after_at(self.facts, self.record, self.containment);
        let reason = waits.map_or_else(|| "replicas and pods are 0".to_owned(), ToString::to_string);
        let wake = [after, waits.and_then(Blocker::until)];
        let wake = wake.into_iter().flatten().filter(|time| *time > self.now).min();
        let idle = self.idle(State::Verified, reason);
        Next { wake: wake.into_iter().chain(idle.wake).min(), ..idle }
    }

    /// Something else scaled it up. 0 is written again only when pods run what is contained, and only a few times: never a write war.
    fn contested(&self, target: &Target) -> Next {
        let manager = target.replicas_manager.as_deref().unwrap_or("an unknown field manager");
        if target.pods.iter().all(|pod| pod.terminating || !pod.runs(&self.containment.digests)) {
            let reason = format!(
                "spec.replicas was set to {} by {manager}; no pod runs a contained digest: what runs instead is judged first",
                target.replicas
            );
            let idle = self.idle(State::Held, reason);
            return Next { wake: Some(self.now + LOOK_EVERY), ..idle };
        }
        if self.containment.reapplied >= MAX_REAPPLIED {
            return self.idle(State::Contested, contest_remedy(target, manager));
        }
        match self.is_wanted(target) {
            Some(true) => {
                let again = Containment {
                    reapplied: self.containment.reapplied.saturating_add(1),
                    ..self.containment.enter(Phase::Reapplying, self.now)
                };
                let first = self.containment.reapplied == 0;
                let notes = first.then(|| step::reapplied(self.facts.target, self.containment, manager));
                self.with_step(self.save(again, notes.unwrap_or_default()))
            }
            _ => {
                let idle = self.idle(State::Held, Blocker::VerdictUnknown.to_string());
                Next { wake: Some(self.now + LOOK_EVERY), ..idle }
            }
        }
    }

    /// As recorded, after something else scaled it up; the count to restore stays the recorded one.
    fn reapply(&self) -> Next {
        let Some(target) = self.target() else { return self.read_target() };
        if target.replicas < 1 {
            return self.with_step(self.save(self.containment.enter(Phase::Applied, self.now), vec![]));
        }
        if target.annotation.as_deref() != Some(self.annotation().as_str()) {
            return self.annotate();
        }
        match self.is_wanted(target) {
            Some(true) => self.with_step(Step::Scale { replicas: 0 }),
            _ => self.with_step(self.save(self.containment.enter(Phase::Applied, self.now), vec![])),
        }
    }

    /// Releasing begins with a write to the object, so that a write which was cut off or delayed conflicts when it arrives.
    fn release(&self, reason: CloseReason) -> Next {
        if self.containment.action == ActionKind::DeletePod {
            return self.close(reason);
        }
        if let Some(missing) = self.missing_access() {
            return missing;
        }
        let Some(target) = self.target() else { return self.read_target() };
        if target.terminating {
            return self.wait("the workload is being deleted");
        }
        if target.annotation.as_deref() != Some(self.annotation().as_str()) {
            return self.annotate();
        }
        self.with_step(self.save(self.containment.enter(Phase::Restoring(reason), self.now), vec![]))
    }

    /// To be undone: the write may have happened before a crash, or not. The live count tells.
    fn restore(&self, reason: CloseReason) -> Next {
        if let Some(missing) = self.missing_access() {
            return missing;
        }
        let Some(target) = self.target() else { return self.read_target() };
        if target.terminating {
            return self.wait("the workload is being deleted");
        }
        if target.replicas < 1
            && let Some(replicas) = self.containment.previous_replicas.filter(|count| *count > 0)
        {
            return self.with_step(Step::Scale { replicas });
        }
        if target.annotation.is_some() {
            return self.with_step(Step::Annotate { copy: None });
        }
        self.close(reason)
    }

    fn missing_access(&self) -> Option<Next> {
        match self.facts.access {
            Some(true) => None,
            Some(false) => {
                let opt_ins = OptIns { rbac: false, mode: Mode::Enforce, namespace: true };
                Some(self.idle(State::Held, opt_ins.explain().unwrap_or_default()))
            }
            None => Some(self.idle(State::Held, Blocker::AccessUnknown.to_string())),
        }
    }

    fn close(&self, reason: CloseReason) -> Next {
        let containment = self.containment.enter(Phase::Closed(reason), self.now);
        let mut record = self.record.clone();
        match reason {
            CloseReason::Undo => {
                let rules = containment.holders.iter().flat_map(|holder| &holder.rules);
                for rule in rules.collect::<BTreeSet<_>>() {
                    let count = record.history.undone.entry(rule.clone()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            CloseReason::Compliant | CloseReason::OutOfScope => record.history.restored_at = Some(self.now),
            CloseReason::After => {
                record.history.restored_at = Some(self.now);
                record.history.restored_after = true;
            }
            CloseReason::PolicyOff
            | CloseReason::PolicyDeleted
            | CloseReason::RolledBack
            | CloseReason::Done
            | CloseReason::Superseded => {}
            CloseReason::TargetGone => record.gone = true,
        }
        if !matches!(reason, CloseReason::Done | CloseReason::Superseded) {
            // What was announced before a release was announced for another situation.
            record.notices.clear();
        }
        let notes = step::closed(self.facts.target, &containment, reason);
        let status = closed(&containment, self.now);
        record.containment = Some(containment);
        let step = Step::Save { record: Box::new(record), notes };
        Next {
            step: Some(step),
            status: status.unwrap_or_else(|| self.status(State::Verified, reason.explain().to_owned())),
            wake: None,
        }
    }

    /// How the policies stand that do not hold it: who asks for the same becomes a holder, a stronger action goes on by itself.
    fn others(
        &self,
        plan: &mut Plan,
        statuses: &mut BTreeMap<String, MitigationStatus>,
        own: &MitigationStatus,
    ) {
        let Some(workload) = self.facts.workload else { return };
        let is_settled = !matches!(self.containment.phase, Phase::Restoring(_) | Phase::Closed(_))
            && self.facts.paused().is_none();
        for asked in pending::requests(self.facts) {
            let uid = &asked.verdict.policy.id.uid;
            if statuses.contains_key(uid) {
                continue;
            }
            let request = match &asked.request {
                Ok(request) => request,
                Err(blocker) => {
                    let status = super::candidate::blocked(ActionKind::Alert, Mode::DryRun, blocker);
                    statuses.insert(uid.clone(), status);
                    continue;
                }
            };
            let candidate = Candidate {
                facts: self.facts,
                workload,
                request,
                selected: asked.verdict.selected,
                now: self.now,
            };
            if request.action > self.containment.action || request.action == ActionKind::Alert {
                let (status, step) = match candidate.progress() {
                    Progress::Step(status, step) => (status, Some(step)),
                    Progress::Wait(status, wake) => {
                        plan.wake = [plan.wake, wake].into_iter().flatten().min();
                        (status, None)
                    }
                    Progress::Due(status) => (status, self.close(CloseReason::Superseded).step),
                };
                statuses.insert(uid.clone(), status);
                plan.step = plan.step.take().or(step.filter(|_| is_settled));
                continue;
            }
            // At 0 replicas nothing runs, and a tag may not be resolved: that is the containment, and bars no holder.
            let barred = candidate.check_safeguards().err();
            let barred =
                barred.filter(|blocker| !matches!(blocker, Blocker::NothingRuns | Blocker::NoEvidence));
            let may_hold = candidate.is_enforced() == Ok(true) && barred.is_none();
            let joins = may_hold
                && is_settled
                && request.action == self.containment.action
                && self.containment.holders.len() < MAX_HOLDERS;
            if joins && plan.step.is_none() {
                let mut containment = self.containment.clone();
                containment.holders.push(candidate.holder());
                plan.step = Some(self.save(containment, vec![]));
            }
            let status = if may_hold {
                MitigationStatus { mode: Mode::Enforce, ..own.clone() }
            } else {
                let missing = barred.map(|blocker| blocker.to_string());
                let missing = missing.or_else(|| candidate.missing_opt_ins()).unwrap_or_default();
                candidate.status(State::Planned, format!("{missing}; another policy acts"), None)
            };
            statuses.insert(uid.clone(), status);
        }
    }

    fn wait(&self, reason: &str) -> Next {
        let is_late = self.now - self.containment.since > EFFECT_WITHIN;
        let status = if is_late {
            self.status(State::Failed, Blocker::Failed("pods are still there after five minutes").to_string())
        } else {
            self.status(self.current(), reason.to_owned())
        };
        Next { step: None, status, wake: Some(self.now + LOOK_EVERY) }
    }

    fn idle(&self, state: State, reason: String) -> Next {
        Next { step: None, status: self.status(state, reason), wake: Some(self.now + IDLE) }
    }

    fn read_target(&self) -> Next {
        self.with_step(Step::ReadTarget)
    }

    fn annotate(&self) -> Next {
        self.with_step(Step::Annotate { copy: Some(self.annotation()) })
    }

    fn with_step(&self, step: Step) -> Next {
        Next { step: Some(step), status: self.status(self.current(), "under way".into()), wake: None }
    }

    fn save(&self, containment: Containment, notes: Vec<super::Note>) -> Step {
        let record = WorkloadRecord { containment: Some(containment), ..self.record.clone() };
        Step::Save { record: Box::new(record), notes }
    }

    fn current(&self) -> State {
        match self.containment.phase {
            Phase::Recorded | Phase::Reapplying => State::Recorded,
            Phase::Applied => State::Applied,
            Phase::Verified | Phase::Restoring(_) | Phase::Closed(_) => State::Verified,
        }
    }

    /// What the workload carries for people, also for those who remove the operator by hand.
    fn annotation(&self) -> String {
        let workload = &self.facts.target.workload;
        let previous = self.containment.previous_replicas.unwrap_or_default();
        let kind = workload.kind.as_str().to_lowercase();
        let restore = if workload.kind == crate::workload::WorkloadKind::CronJob {
            format!(
                "kubectl -n {} patch {kind} {} -p '{{\"spec\":{{\"suspend\":false}}}}'",
                workload.namespace, workload.name
            )
        } else {
            format!("kubectl -n {} scale {kind} {} --replicas={previous}", workload.namespace, workload.name)
        };
        serde_json::json!({
            "nonce": self.containment.nonce,
            "action": self.containment.action,
            "previousReplicas": previous,
            "restore": restore,
        })
        .to_string()
    }

    fn status(&self, state: State, reason: String) -> MitigationStatus {
        MitigationStatus {
            action: self.containment.action,
            mode: Mode::Enforce,
            state,
            previous_replicas: self.containment.previous_replicas,
            reason,
            until: None,
        }
    }
}

/// Names what keeps scaling it up, and the exact remedy.
fn contest_remedy(target: &Target, manager: &str) -> String {
    let remedy = match (&target.keda, target.gitops.as_deref(), &target.hpa) {
        (Some(scaled_object), _, _) => format!(
            "pause it: kubectl annotate scaledobject {scaled_object} autoscaling.keda.sh/paused-replicas=0"
        ),
        (None, Some("Argo CD"), _) => {
            "add /spec/replicas to ignoreDifferences of the Application, with syncOption RespectIgnoreDifferences=true"
                .to_owned()
        }
        (None, Some("Flux"), _) => {
            "annotate the object in Git with kustomize.toolkit.fluxcd.io/ssa: IfNotPresent, or suspend the Kustomization or HelmRelease"
                .to_owned()
        }
        (None, _, Some(hpa)) => format!("set minReplicas of the HorizontalPodAutoscaler {hpa} to 1, or delete it"),
        (None, _, None) => "set replicas to 0 there, or fix the image there".to_owned(),
    };
    format!("RemediationContested: {manager} keeps scaling it up; {remedy}")
}
