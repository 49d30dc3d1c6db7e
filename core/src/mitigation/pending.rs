//! From a violation to the record: plan, confirm, tell the owner, wait, look again, record. Each policy's request is planned by itself.

use chrono::{DateTime, Utc};

use super::{
    ActionKind, Blocker, Cause, CloseReason, Containment, Facts, Holder, InvalidHold, Mode, Notice, Phase,
    Plan, State, Step, WorkloadRecord, active,
    candidate::{Candidate, Progress},
    record::MAX_FINDINGS,
    request::{MAX_DIGESTS, RequestedAction, distinct, request},
    step,
};
use crate::{policy::Compliance, workload::Workload};

/// What one policy asks for, or why that cannot be told.
pub(super) struct Asked<'a> {
    pub(super) verdict: &'a super::PolicyVerdict<'a>,
    pub(super) request: Result<RequestedAction, Blocker>,
}

/// Returns what each policy asks for; policies that ask for nothing are left out.
pub(super) fn requests<'a>(facts: &'a Facts<'a>) -> Vec<Asked<'a>> {
    let asked = facts.verdicts.iter().filter_map(|verdict| {
        let request = request(verdict.policy, verdict.verdict).transpose()?;
        Some(Asked { verdict, request })
    });
    asked.collect()
}

pub(super) fn plan(facts: &Facts<'_>, now: DateTime<Utc>) -> Plan {
    let mut plan = Plan::default();
    if let Some(record) = facts.record {
        if let Some(step) = withdrawal(facts, record) {
            return Plan { step: Some(step), ..plan };
        }
        plan.statuses = unheard(facts, record);
    }
    let asked = requests(facts);
    let Some(workload) = facts.workload.filter(|_| !asked.is_empty()) else {
        return no_request(facts, now, plan);
    };
    let hold = facts.hold(now);
    if let Err(why) = &hold
        && let Some(step) = refuse_hold(facts, why)
    {
        return Plan { step: Some(step), ..plan };
    }
    if let Ok(Some(hold)) = &hold {
        let reason = format!("held by annotation: {}", hold.reason);
        for asked in &asked {
            let candidate = asked.request.as_ref().ok().map(|request| Candidate {
                facts,
                workload,
                request,
                selected: asked.verdict.selected,
                now,
            });
            if let Some(candidate) = candidate {
                let status = candidate.status(State::Held, reason.clone(), Some(hold.until));
                plan.statuses.insert(candidate.request.policy.uid.clone(), status);
            }
        }
        plan.step = facts.record.and_then(|record| cancel_all(facts, record, &reason));
        plan.wake = Some(hold.until);
        return plan;
    }
    each(facts, workload, &asked, hold.err().as_ref(), now, plan)
}

/// Plans every request by itself; the strongest of those that may act is carried out, and all that may act and ask for the same hold it.
fn each(
    facts: &Facts<'_>,
    workload: &Workload,
    asked: &[Asked<'_>],
    refused: Option<&InvalidHold>,
    now: DateTime<Utc>,
    mut plan: Plan,
) -> Plan {
    let mut due: Vec<Candidate<'_>> = Vec::new();
    for asked in asked {
        let uid = &asked.verdict.policy.id.uid;
        let request = match &asked.request {
            Ok(request) => request,
            Err(blocker) => {
                let mode = Mode::DryRun;
                plan.statuses
                    .insert(uid.clone(), super::candidate::blocked(ActionKind::Alert, mode, blocker));
                continue;
            }
        };
        let candidate = Candidate { facts, workload, request, selected: asked.verdict.selected, now };
        let (mut status, step, wake) = match candidate.progress() {
            Progress::Step(status, step) => (status, Some(step), None),
            Progress::Wait(status, wake) => (status, None, wake),
            Progress::Due(status) => {
                due.push(candidate);
                (status, None, None)
            }
        };
        if let Some(refused) = refused {
            status.reason = format!("{}; the hold annotation is refused: {refused}", status.reason);
        }
        plan.statuses.insert(uid.clone(), status);
        plan.step = plan.step.or(step);
        plan.wake = [plan.wake, wake].into_iter().flatten().min();
    }
    if plan.step.is_none()
        && let Some(strongest) = due.iter().max_by_key(|candidate| candidate.precedence())
    {
        act(facts, strongest, &due, &mut plan, now);
    }
    plan
}

/// The record comes before the act.
fn act(
    facts: &Facts<'_>,
    strongest: &Candidate<'_>,
    due: &[Candidate<'_>],
    plan: &mut Plan,
    now: DateTime<Utc>,
) {
    let Some((record, target)) = facts.record.zip(facts.live.and_then(|live| live.target.as_ref())) else {
        plan.step = Some(Step::ReadTarget);
        return;
    };
    let request = strongest.request;
    let scales = request.action == ActionKind::ScaleToZero;
    let holders: Vec<&Candidate<'_>> =
        due.iter().filter(|candidate| candidate.request.action == request.action).collect();
    let digests = holders.iter().flat_map(|candidate| candidate.request.digests.iter().cloned());
    let findings = holders.iter().flat_map(|candidate| candidate.request.findings.iter().cloned());
    let containment = Containment {
        action: request.action,
        pods: if scales { vec![] } else { strongest.pods(target) },
        digests: distinct(digests, MAX_DIGESTS),
        previous_replicas: scales.then_some(target.replicas),
        hpa: target.hpa.clone(),
        keda: target.keda.clone(),
        gitops: target.gitops.clone(),
        holders: holders.iter().map(|candidate| candidate.holder()).collect(),
        findings: distinct(findings, MAX_FINDINGS),
        index_revision: facts.index.map_or(0, |index| index.revision),
        time: now,
        nonce: facts.nonce.to_owned(),
        phase: Phase::Recorded,
        since: now,
        release: None,
        reapplied: 0,
    };
    let mut next = record.clone();
    for holder in &containment.holders {
        next.notices.remove(&holder.policy_uid);
        if let Some(status) = plan.statuses.get_mut(&holder.policy_uid) {
            (status.state, status.reason) = (State::Recorded, "recorded".into());
            status.previous_replicas = containment.previous_replicas;
        }
    }
    next.history.act(now);
    next.containment = Some(containment);
    plan.step = Some(Step::Save { record: Box::new(next), notes: vec![] });
}

/// Withdraws the first notice that a policy no longer stands behind. Not knowing ends nothing: a notice stands until its policy decides
/// otherwise, is deleted, or no longer covers the workload.
fn withdrawal(facts: &Facts<'_>, record: &WorkloadRecord) -> Option<Step> {
    let (uid, why) = record.notices.keys().find_map(|uid| Some((uid, withdrawn(facts, uid)?)))?;
    Some(cancel(facts, record, uid, why))
}

fn withdrawn(facts: &Facts<'_>, uid: &str) -> Option<&'static str> {
    let policy = match facts.policies.known.get(uid) {
        None if facts.policies.complete => return Some("the policy was deleted"),
        None | Some(None) => return None,
        Some(Some(policy)) => policy,
    };
    let workload = facts.workload?;
    let Some(judged) = facts.verdicts.iter().find(|verdict| verdict.policy.id.uid == uid) else {
        let is_known = facts.policies.complete && !policy.covers(workload);
        return is_known.then_some("the policy does not cover the workload any more");
    };
    match (judged.verdict.compliance, request(judged.policy, judged.verdict)) {
        (_, Ok(Some(_)) | Err(_)) => None,
        _ if policy.suspended || policy.remediation.mode == Mode::Off => {
            Some("the policy does not ask for it any more")
        }
        (Compliance::Unknown, _) => None,
        _ if !judged.verdict.is_complete => None,
        (Compliance::Compliant, _) => Some("the workload keeps the rules"),
        (Compliance::Violating, _) => Some("the policy does not ask for it any more"),
    }
}

fn cancel(facts: &Facts<'_>, record: &WorkloadRecord, uid: &str, why: &str) -> Step {
    let mut next = record.clone();
    let notes = next.notices.remove(uid).map(|notice| step::cancelled(facts.target, uid, &notice, why));
    Step::Save { record: Box::new(next), notes: notes.unwrap_or_default() }
}

fn cancel_all(facts: &Facts<'_>, record: &WorkloadRecord, why: &str) -> Option<Step> {
    let notes =
        record.notices.iter().flat_map(|(uid, notice)| step::cancelled(facts.target, uid, notice, why));
    let notes: Vec<_> = notes.collect();
    let next = WorkloadRecord { notices: Default::default(), ..record.clone() };
    (!record.notices.is_empty()).then(|| Step::Save { record: Box::new(next), notes })
}

/// Reports a hold that does not hold, once for each value.
pub(super) fn refuse_hold(facts: &Facts<'_>, why: &InvalidHold) -> Option<Step> {
    let value = facts.hold_annotation()?;
    let record = facts.record.filter(|record| record.refused_hold.as_deref() != Some(value))?;
    let next = WorkloadRecord { refused_hold: Some(value.to_owned()), ..record.clone() };
    Some(Step::Save { record: Box::new(next), notes: vec![step::hold_refused(facts.target, why)] })
}

/// How notices stand whose policies have not decided: an invalid policy, a verdict that is Unknown or missing.
fn unheard(
    facts: &Facts<'_>,
    record: &WorkloadRecord,
) -> std::collections::BTreeMap<String, super::MitigationStatus> {
    let status = |(uid, notice): (&String, &Notice)| {
        let blocker = match facts.policies.known.get(uid) {
            Some(None) => Blocker::PolicyInvalid,
            _ => Blocker::VerdictUnknown,
        };
        (uid.clone(), super::candidate::blocked(notice.action, notice.mode(), &blocker))
    };
    record.notices.iter().map(status).collect()
}

/// No policy asks for anything: what is left over is put away.
fn no_request(facts: &Facts<'_>, now: DateTime<Utc>, mut plan: Plan) -> Plan {
    let Some(record) = facts.record else { return plan };
    let closed = record.containment.as_ref().and_then(|containment| active::closed(containment, now));
    if facts.workload.is_some()
        && let Some(status) = closed
    {
        for holder in record.containment.iter().flat_map(|containment| &containment.holders) {
            plan.statuses.insert(holder.policy_uid.clone(), status.clone());
        }
    }
    let is_over =
        record.notices.is_empty() && record.containment.is_none() && record.history == Default::default();
    if is_over || record.is_stale(now) {
        plan.step = Some(Step::DeleteRecord);
        return plan;
    }
    if facts.workload.is_some() || record.gone || !facts.policies.complete {
        return plan;
    }
    // The caches do not know the object (any more): the API server decides whether it is gone.
    plan.step = match facts.live {
        None => Some(Step::ReadTarget),
        Some(live) if live.target.as_ref().is_some_and(|target| target.uid == facts.target.uid) => None,
        Some(_) => {
            let next = WorkloadRecord { notices: Default::default(), gone: true, ..record.clone() };
            Some(Step::Save { record: Box::new(next), notes: vec![] })
        }
    };
    plan.statuses.clear();
    plan.wake = Some(now + super::candidate::LOOK_AGAIN);
    plan
}

impl Candidate<'_> {
    pub(super) fn holder(&self) -> Holder {
        let policy = self.facts.verdicts.iter().map(|verdict| verdict.policy);
        let selector = policy
            .filter(|policy| policy.id == self.request.policy)
            .map(|policy| policy.selector.fingerprint())
            .next();
        Holder {
            policy_uid: self.request.policy.uid.clone(),
            policy_namespace: self.request.policy.namespace.clone(),
            policy_name: self.request.policy.name.clone(),
            rules: self.request.rules.clone(),
            selector: selector.unwrap_or_default(),
        }
    }

    pub(super) fn cause(&self) -> Cause {
        self.facts.record.map_or(Cause::Image, |record| record.cause)
    }

    /// The record of an earlier object of this name that this policy held for the same reason: its grace was served.
    pub(super) fn predecessor(&self) -> Option<&Containment> {
        let containment = self.facts.predecessor?.containment.as_ref()?;
        let is_gone = containment.phase == Phase::Closed(CloseReason::TargetGone);
        let held = containment.holders.iter().any(|holder| {
            holder.policy_uid == self.request.policy.uid
                && self.request.rules.iter().all(|rule| holder.rules.contains(rule))
        });
        (is_gone && held && containment.action >= self.request.action).then_some(containment)
    }
}
