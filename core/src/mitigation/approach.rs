//! From a violation to the latch: plan, tell, wait, look again, record.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ActionKind, Because, Blocker, Case, Facts, Hold, Holder, Keys, Latch, LatchedPod, Live, MAX_CASES, Mode,
    Notice, Outlook, Phase, Plan, State, Step, Target, budget, demand, demand::Demand, evidence, latched,
    rails, step,
};
use crate::{Digest, policy::Compliance, workload::Workload};

/// What only another look at the live object can tell is looked at again after so long.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(5);

/// So many actions on pods within an hour show that deleting them contains nothing.
const MAX_KILLS: u32 = 3;

/// So many undone actions show that people know better.
const MAX_UNDONE: u32 = 3;

/// What a person undid is left alone for at least so long, whatever the cool-down.
const AFTER_UNDO: TimeDelta = TimeDelta::minutes(10);

/// The most pods that one DeletePod is about.
const MAX_PODS: usize = 64;

pub(super) fn plan(facts: &Facts<'_>, now: DateTime<Utc>) -> Plan {
    let mut lead: Option<(Demand, u32)> = None;
    let mut refused: Option<Blocker> = None;
    for opinion in facts.opinions {
        match demand::demand(opinion.policy, opinion.verdict) {
            Ok(Some(demand))
                if lead.as_ref().is_none_or(|(led, _)| led.precedence() < demand.precedence()) =>
            {
                lead = Some((demand, opinion.selected));
            }
            Ok(_) => {}
            Err(blocker) => refused = Some(blocker),
        }
    }
    match (lead, facts.workload, refused) {
        (Some((demand, selected)), Some(workload), _) => {
            let digests = evidence::digests(workload, &demand);
            Approach { facts, workload, demand, selected, digests, now }.plan()
        }
        (_, _, Some(blocker)) => Plan::still(outlook(ActionKind::Alert, Mode::DryRun, &blocker)),
        _ => calm(facts, now),
    }
}

/// Nobody asks for anything.
fn calm(facts: &Facts<'_>, now: DateTime<Utc>) -> Plan {
    let Some(case) = facts.case else { return Plan::default() };
    if let Some(notice) = &case.notice {
        // Not knowing ends nothing: the notice stands until somebody can tell. Silence means nothing until all policies are known.
        if facts.opinions.iter().any(|opinion| opinion.verdict.compliance == Compliance::Unknown) {
            return Plan::still(outlook(notice.action, notice.mode(), &Blocker::VerdictUnknown));
        }
        if facts.opinions.is_empty() && !facts.policies.complete {
            return Plan::default();
        }
        return cancel(case, notice, "no policy asks for it any more");
    }
    if case.is_stale(now) {
        return Plan { step: Some(Step::Forget), ..Plan::default() };
    }
    Plan { outlook: case.latch.as_ref().and_then(latched::closed), ..Plan::default() }
}

fn cancel(case: &Case, notice: &Notice, why: &str) -> Plan {
    let warned = notice.sent_at.is_some() && notice.enforce;
    let notes = warned.then(|| {
        step::note_workload(
            &notice.uid,
            false,
            "MitigationCancelled",
            format!("{} is cancelled: {why}", notice.action.as_str()),
        )
    });
    Plan {
        step: Some(Step::Save {
            case: Box::new(Case { notice: None, ..case.clone() }),
            notes: notes.into_iter().collect(),
        }),
        outlook: Some(Outlook {
            action: notice.action,
            mode: notice.mode(),
            state: State::Cancelled,
            previous_replicas: None,
            reason: why.to_owned(),
            until: None,
        }),
        wake: None,
    }
}

fn outlook(action: ActionKind, mode: Mode, blocker: &Blocker) -> Outlook {
    let (state, until) = match blocker {
        Blocker::SecondLook(until) => (State::Planned, Some(*until)),
        Blocker::CoolDown(until) => (State::Blocked, Some(*until)),
        _ => (State::Blocked, None),
    };
    Outlook { action, mode, state, previous_replicas: None, reason: blocker.to_string(), until }
}

struct Approach<'a> {
    facts: &'a Facts<'a>,
    workload: &'a Workload,
    demand: Demand,
    selected: u32,
    digests: Vec<Digest>,
    now: DateTime<Utc>,
}

impl Approach<'_> {
    fn plan(&self) -> Plan {
        if let Some(hold) = self.hold() {
            return self.held(&hold);
        }
        self.next().unwrap_or_else(|blocker| self.blocked(&blocker))
    }

    /// A hold cancels: what comes after it starts with a new notice.
    fn held(&self, hold: &Hold) -> Plan {
        let reason = format!("held by annotation: {}", hold.reason);
        let notice = self.facts.case.and_then(|case| case.notice.as_ref().map(|notice| (case, notice)));
        Plan {
            step: notice.and_then(|(case, notice)| cancel(case, notice, &reason).step),
            outlook: Some(self.outlook(State::Held, reason, Some(hold.until))),
            wake: Some(hold.until),
        }
    }

    /// What can never come true while it is so is withdrawn, so that nobody fears an old deadline; the rest waits.
    fn blocked(&self, blocker: &Blocker) -> Plan {
        let outlook = outlook(self.demand.action, self.mode(), blocker);
        let watch_by = self.facts.case.and_then(|case| case.notice.as_ref()).and_then(Notice::watch_by);
        let again = outlook.until.unwrap_or(self.now + LOOK_AGAIN);
        let wake = watch_by.filter(|time| *time > self.now).map_or(again, |time| time.min(again));
        let withdrawn = self.facts.case.filter(|_| blocker.is_lasting()).and_then(|case| {
            case.notice.as_ref().and_then(|notice| cancel(case, notice, &blocker.to_string()).step)
        });
        Plan { step: withdrawn, outlook: Some(outlook), wake: Some(wake) }
    }

    fn next(&self) -> Result<Plan, Blocker> {
        self.check_rails()?;
        if let Some(live) = self.facts.live {
            self.check_live(live)?;
        }
        let current = self.facts.case.and_then(|case| {
            case.notice.as_ref().filter(|notice| self.is_current(notice)).map(|notice| (case, notice))
        });
        match current {
            None => self.open(),
            Some((case, notice)) if notice.sent_at.is_none() => self.tell(case, notice),
            Some((case, notice)) => self.wait_or_act(case, notice),
        }
    }

    fn check_rails(&self) -> Result<(), Blocker> {
        let (facts, demand) = (self.facts, &self.demand);
        rails::namespace(&facts.target.namespace, facts.own_namespace, facts.exempt_namespaces)?;
        rails::kind(facts.target, demand.action, &demand.kinds)?;
        if demand.action == ActionKind::Alert {
            return Ok(());
        }
        if let Some(owner) = &self.workload.controlled_by {
            return Err(Blocker::OwnedBy(owner.clone()));
        }
        if self.digests.is_empty() {
            let stopped = self.workload.replicas == Some(0);
            return Err(if stopped { Blocker::NothingRuns } else { Blocker::NoEvidence });
        }
        let undone = facts.case.map(|case| &case.history.undone);
        let least =
            demand.rules.iter().map(|rule| undone.and_then(|by| by.get(rule)).copied().unwrap_or(0)).min();
        match least {
            Some(times) if times >= MAX_UNDONE => Err(Blocker::UndoneTooOften(MAX_UNDONE)),
            _ => Ok(()),
        }
    }

    fn check_live(&self, live: &Live) -> Result<(), Blocker> {
        if live.namespace.terminating {
            return Err(Blocker::NamespaceTerminating);
        }
        let target = live.target.as_ref().ok_or(Blocker::TargetGone)?;
        if target.uid != self.workload.uid || target.images != template_images(self.workload) {
            return Err(Blocker::EvidenceChanged);
        }
        if target.terminating {
            return Err(Blocker::TargetTerminating);
        }
        if self.demand.action == ActionKind::Alert {
            return Ok(());
        }
        if let Some(owner) = &target.controlled_by {
            return Err(Blocker::OwnedBy(owner.clone()));
        }
        if self.demand.action == ActionKind::ScaleToZero {
            if target.deletes_volumes {
                return Err(Blocker::VolumesWouldBeDeleted);
            }
            if target.replicas < 1 {
                return Err(Blocker::NothingRuns);
            }
        }
        Ok(())
    }

    fn is_current(&self, notice: &Notice) -> bool {
        notice.uid == self.workload.uid
            && notice.digests == self.digests
            && notice.action == self.demand.action
            && notice.enforce == self.is_enforced()
    }

    /// The first look only plans.
    fn open(&self) -> Result<Plan, Blocker> {
        if self.facts.case.is_none() && self.facts.cases.len() >= MAX_CASES {
            return Err(Blocker::TooManyCases(MAX_CASES));
        }
        if self.facts.live.is_none() {
            return Ok(self.look());
        }
        let notice = Notice {
            uid: self.workload.uid.clone(),
            digests: self.digests.clone(),
            action: self.demand.action,
            enforce: self.is_enforced(),
            policy_uid: self.demand.policy.uid.clone(),
            index_revision: self.facts.index_revision.unwrap_or(0),
            grace_seconds: self.demand.grace.num_seconds(),
            planned_at: self.now,
            sent_at: None,
            seen_at: self.now,
        };
        Ok(self.stepping(Step::Save { case: Box::new(self.with(notice)), notes: vec![] }))
    }

    /// On the second look the owner is told; grace starts when that is confirmed.
    fn tell(&self, _: &Case, notice: &Notice) -> Result<Plan, Blocker> {
        let second_look = self.facts.second_look_at(notice.planned_at);
        if self.now < second_look {
            return match self.keys().explain() {
                Some(missing) if self.is_acting() => Ok(Plan {
                    step: None,
                    outlook: Some(self.outlook(State::Planned, missing, Some(second_look))),
                    wake: Some(second_look),
                }),
                _ => Err(Blocker::SecondLook(second_look)),
            };
        }
        self.check_switches()?;
        if self.facts.live.is_none() {
            return Ok(self.look());
        }
        Ok(self.notify(notice))
    }

    fn notify(&self, notice: &Notice) -> Plan {
        let told = Notice { sent_at: Some(self.now), seen_at: self.now, ..notice.clone() };
        let notes =
            step::notice(self.facts.target, &self.demand, &told, self.replicas(), self.keys().explain());
        self.stepping(Step::Notify { notes, case: Box::new(self.with(told)) })
    }

    fn wait_or_act(&self, case: &Case, notice: &Notice) -> Result<Plan, Blocker> {
        if self.demand.action == ActionKind::Alert {
            return Ok(Plan::still(self.outlook(State::Applied, "the owner was told".into(), None)));
        }
        if let Some(missing) = self.keys().explain() {
            return Ok(Plan::still(self.outlook(State::Planned, missing, None)));
        }
        if notice.was_abandoned(self.now) {
            self.check_switches()?;
            return Ok(self.notify(notice));
        }
        if let Some(deadline) = notice.deadline().filter(|deadline| self.now < *deadline) {
            let outlook = self.outlook(State::Noticed, "the owner was told".into(), Some(deadline));
            let wake = Some(notice.watch_by().map_or(deadline, |time| time.min(deadline)));
            return Ok(self.watch(notice).unwrap_or(Plan { step: None, outlook: Some(outlook), wake }));
        }
        if let Err(blocker) = self.check_due(case, notice) {
            return self.watch(notice).ok_or(blocker);
        }
        match self.facts.live.and_then(|live| live.target.as_ref()) {
            None => Ok(self.look()),
            Some(target) => self.latch(case, notice, target),
        }
    }

    /// Records from time to time that somebody watches over the notice.
    fn watch(&self, notice: &Notice) -> Option<Plan> {
        notice.watch_by().filter(|time| *time <= self.now)?;
        let seen = Notice { seen_at: self.now, ..notice.clone() };
        Some(self.stepping(Step::Save { case: Box::new(self.with(seen)), notes: vec![] }))
    }

    fn check_switches(&self) -> Result<(), Blocker> {
        if let Some(by) = self.facts.paused() {
            return Err(Blocker::Paused(by));
        }
        if self.is_enforced() && self.facts.breaker.is_open() {
            return Err(Blocker::BreakerOpen);
        }
        Ok(())
    }

    fn check_due(&self, case: &Case, notice: &Notice) -> Result<(), Blocker> {
        let facts = self.facts;
        self.check_switches()?;
        let have = facts.index_revision.ok_or(Blocker::IndexMissing)?;
        if have < notice.index_revision {
            return Err(Blocker::IndexOlder { have, needed: notice.index_revision });
        }
        let second_look = facts.second_look_at(notice.planned_at);
        if self.now < second_look {
            return Err(Blocker::SecondLook(second_look));
        }
        let cooldown = facts.settings.cooldown;
        let after_act = case.history.acted.last().and_then(|acted| acted.checked_add_signed(cooldown));
        let after_latch = case.latch.as_ref().and_then(|latch| {
            let is_undone = latch.phase == Phase::Closed(Because::Undo);
            latch.since.checked_add_signed(if is_undone { cooldown.max(AFTER_UNDO) } else { cooldown })
        });
        let cool = after_act.max(after_latch);
        if let Some(cool) = cool.filter(|cool| self.now < *cool) {
            return Err(Blocker::CoolDown(cool));
        }
        let kills = case.history.acted_since(self.now - TimeDelta::hours(1));
        if self.demand.action == ActionKind::DeletePod && kills >= MAX_KILLS {
            return Err(Blocker::NotContained(MAX_KILLS));
        }
        let policy = Some(self.demand.policy.uid.as_str());
        let usage = budget::usage(facts.cases, &facts.target.namespace, policy, self.now);
        facts.settings.allows(&self.demand.limits, &usage, self.selected)
    }

    /// The record comes before the act.
    fn latch(&self, case: &Case, notice: &Notice, target: &Target) -> Result<Plan, Blocker> {
        let scales = self.demand.action == ActionKind::ScaleToZero;
        let pods = if scales { vec![] } else { self.pods(target) };
        if !scales && pods.is_empty() {
            return Err(Blocker::NothingRuns);
        }
        let latch = Latch {
            uid: notice.uid.clone(),
            action: self.demand.action,
            digests: notice.digests.clone(),
            previous_replicas: scales.then_some(target.replicas),
            pods,
            hpa: target.hpa.clone(),
            keda: target.keda.clone(),
            gitops: target.gitops.clone(),
            holders: self.holders(),
            findings: self.demand.findings.clone(),
            index_revision: self.facts.index_revision.unwrap_or(0),
            time: self.now,
            nonce: self.facts.nonce.to_owned(),
            phase: Phase::Latched,
            since: self.now,
        };
        let mut history = case.history.clone();
        history.act(self.now);
        let next = Case { notice: None, latch: Some(latch), history, ..case.clone() };
        Ok(Plan {
            step: Some(Step::Save { case: Box::new(next), notes: vec![] }),
            outlook: Some(Outlook {
                previous_replicas: scales.then_some(target.replicas),
                ..self.outlook(State::Latched, "recorded".into(), None)
            }),
            wake: None,
        })
    }

    fn pods(&self, target: &Target) -> Vec<LatchedPod> {
        let runs_it = |digests: &[Digest]| digests.iter().any(|digest| self.digests.contains(digest));
        let pods = target.pods.iter().filter(|pod| !pod.mirror && !pod.terminating && runs_it(&pod.digests));
        pods.map(|pod| LatchedPod { name: pod.name.clone(), uid: pod.uid.clone() }).take(MAX_PODS).collect()
    }

    /// Every policy that enforces the same action.
    fn holders(&self) -> Vec<Holder> {
        let demands = self
            .facts
            .opinions
            .iter()
            .filter_map(|opinion| demand::demand(opinion.policy, opinion.verdict).ok().flatten());
        demands
            .filter(|demand| demand.mode == Mode::Enforce && demand.action == self.demand.action)
            .map(|demand| Holder {
                policy_uid: demand.policy.uid,
                policy_namespace: demand.policy.namespace,
                policy_name: demand.policy.name,
                rules: demand.rules,
            })
            .collect()
    }

    fn hold(&self) -> Option<Hold> {
        let live = self.facts.live.and_then(|live| live.target.as_ref()).map(|target| target.hold.as_deref());
        let cached = self.workload.annotations.get(HOLD).map(String::as_str);
        Hold::parse(live.unwrap_or(cached)?, self.now).ok().flatten()
    }

    fn keys(&self) -> Keys {
        let labelled = self.workload.namespace_labels.get(KEY_LABEL).is_some_and(|value| value == KEY_VALUE);
        Keys {
            rbac: self.facts.rbac,
            mode: self.demand.mode,
            namespace: self.facts.live.map_or(labelled, |live| live.namespace.enabled),
        }
    }

    fn is_acting(&self) -> bool {
        self.demand.action != ActionKind::Alert
    }

    fn is_enforced(&self) -> bool {
        self.is_acting() && self.keys().missing().is_empty()
    }

    fn mode(&self) -> Mode {
        if self.is_enforced() { Mode::Enforce } else { Mode::DryRun }
    }

    fn replicas(&self) -> Option<i32> {
        let live = self.facts.live.and_then(|live| live.target.as_ref()).map(|target| target.replicas);
        live.or(self.workload.replicas)
    }

    fn with(&self, notice: Notice) -> Case {
        let case = self.facts.case.cloned().unwrap_or_else(|| Case::new(self.facts.target));
        Case { notice: Some(notice), ..case }
    }

    fn look(&self) -> Plan {
        self.stepping(Step::Look)
    }

    fn stepping(&self, step: Step) -> Plan {
        let reason = self.keys().explain().filter(|_| self.is_acting()).unwrap_or_else(|| "planned".into());
        Plan { step: Some(step), outlook: Some(self.outlook(State::Planned, reason, None)), wake: None }
    }

    fn outlook(&self, state: State, reason: String, until: Option<DateTime<Utc>>) -> Outlook {
        Outlook {
            action: self.demand.action,
            mode: self.mode(),
            state,
            previous_replicas: None,
            reason,
            until,
        }
    }
}

/// On workloads: `<RFC 3339 time>; <reason>`.
const HOLD: &str = "breakwater.dev/hold-until";
/// On namespaces: the third key.
const KEY_LABEL: &str = "breakwater.dev/remediation";
const KEY_VALUE: &str = "enabled";

/// As [`Target::images`].
fn template_images(workload: &Workload) -> Vec<String> {
    let mut images: Vec<String> =
        workload.containers.iter().map(|container| container.image.clone()).collect();
    images.sort_unstable();
    images.dedup();
    images
}
