//! From the latch to the verified effect, and back.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ActionKind, Because, Blocker, Case, Facts, Latch, Mode, Outlook, Phase, Plan, RETENTION_DAYS, State,
    Step, Target, demand, release, step,
};
use crate::policy::Compliance;

/// On workloads: the nonce of the latch to undo.
pub(super) const UNDO: &str = "breakwater.dev/undo";

/// How often an effect that is awaited is looked for.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(2);

/// An effect that is not seen after so long has failed; it is looked for further, but people are told.
const EFFECT_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// What stands still is looked at again after so long.
const REST: TimeDelta = TimeDelta::minutes(5);

pub(super) fn plan(facts: &Facts<'_>, case: &Case, latch: &Latch, now: DateTime<Utc>) -> Plan {
    Latched { facts, case, latch, now }.plan()
}

/// How a case that is over is shown, while it is kept.
pub(super) fn closed(latch: &Latch) -> Option<Outlook> {
    let Phase::Closed(because) = latch.phase else { return None };
    let state = match because {
        Because::Done => State::Verified,
        Because::RolledBack => State::Cancelled,
        _ => State::Restored,
    };
    Some(Outlook {
        action: latch.action,
        mode: Mode::Enforce,
        state,
        previous_replicas: latch.previous_replicas,
        reason: because.explain().to_owned(),
        until: None,
    })
}

struct Latched<'a> {
    facts: &'a Facts<'a>,
    case: &'a Case,
    latch: &'a Latch,
    now: DateTime<Utc>,
}

impl Latched<'_> {
    fn plan(&self) -> Plan {
        if let Some(by) = self.facts.paused() {
            return self.rest(self.current(), Blocker::Paused(by).to_string());
        }
        if self.facts.live.is_some_and(|live| live.namespace.terminating) {
            return self.rest(State::Held, Blocker::NamespaceTerminating.to_string());
        }
        if let Phase::Restoring(because) = self.latch.phase {
            return self.restore(because);
        }
        let release = release::release(self.facts, self.case, self.latch, self.now);
        if let Ok(Some(because)) = release {
            return self.let_go(because);
        }
        let waits = release.err().map(|blocker| blocker.to_string());
        match self.latch.phase {
            Phase::Latched => self.act(),
            Phase::Applied => self.verify(),
            Phase::Verified | Phase::Restoring(_) | Phase::Closed(_) => self.keep(waits),
        }
    }

    /// Recorded: the act may have happened before a crash, or not. The live count tells.
    fn act(&self) -> Plan {
        let Some(live) = self.facts.live else { return self.look() };
        let Some(target) = &live.target else {
            return self.rest(State::Held, Blocker::TargetGone.to_string());
        };
        if target.uid != self.latch.uid {
            return self.recreated();
        }
        if self.latch.action == ActionKind::DeletePod {
            return self.evict(target);
        }
        if target.replicas < 1 {
            return self.applied();
        }
        match self.still_wanted(live.namespace.enabled, target) {
            None => self.rest(State::Latched, Blocker::VerdictUnknown.to_string()),
            Some(false) => self.close(Because::RolledBack),
            Some(true) if self.latch.previous_replicas != Some(target.replicas) => {
                let latch = Latch { previous_replicas: Some(target.replicas), ..self.latch.clone() };
                self.stepping(self.save(latch, vec![]))
            }
            Some(true) => self.stepping(Step::Scale { replicas: 0 }),
        }
    }

    /// Whether what led here still holds after a crash; `None`: nobody can tell yet.
    fn still_wanted(&self, enabled: bool, target: &Target) -> Option<bool> {
        if !enabled
            || !self.facts.rbac
            || target.terminating
            || target.controlled_by.is_some()
            || target.deletes_volumes
        {
            return Some(false);
        }
        let digest_runs =
            |digest| target.pods.iter().any(|pod| pod.digests.contains(digest)) || target.pods.is_empty();
        if !self.latch.digests.iter().any(digest_runs) {
            return Some(false);
        }
        let holders = self.latch.holders.iter().map(|holder| {
            let opinion =
                self.facts.opinions.iter().find(|opinion| opinion.policy.id.uid == holder.policy_uid)?;
            match opinion.verdict.compliance {
                Compliance::Unknown => None,
                Compliance::Compliant => Some(false),
                Compliance::Violating => {
                    let demand = demand::demand(opinion.policy, opinion.verdict).ok().flatten();
                    Some(demand.is_some_and(|demand| {
                        demand.mode == Mode::Enforce && demand.action == self.latch.action
                    }))
                }
            }
        });
        let holders: Vec<Option<bool>> = holders.collect();
        if holders.contains(&Some(true)) {
            Some(true)
        } else if holders.contains(&None) {
            None
        } else {
            Some(false)
        }
    }

    fn evict(&self, target: &Target) -> Plan {
        let remaining = |uid: &str| target.pods.iter().find(|pod| pod.uid == uid);
        let mut waiting = false;
        for pod in &self.latch.pods {
            match remaining(&pod.uid) {
                Some(live) if live.terminating => waiting = true,
                Some(live) if live.mirror => {
                    return self.rest(State::Blocked, Blocker::MirrorPod.to_string());
                }
                Some(live) => {
                    let wanted =
                        self.still_wanted(self.facts.live.is_some_and(|live| live.namespace.enabled), target);
                    return match wanted {
                        None => self.rest(State::Latched, Blocker::VerdictUnknown.to_string()),
                        Some(false) => self.close(Because::RolledBack),
                        Some(true) => {
                            self.stepping(Step::Evict { pod: live.name.clone(), uid: live.uid.clone() })
                        }
                    };
                }
                None => {}
            }
        }
        if waiting { self.wait("pods are terminating") } else { self.close(Because::Done) }
    }

    fn applied(&self) -> Plan {
        let latch = self.latch.enter(Phase::Applied, self.now);
        let notes = step::acted(self.facts.target, &latch);
        self.stepping(self.save(latch, notes))
    }

    fn verify(&self) -> Plan {
        let Some(live) = self.facts.live else { return self.look() };
        let Some(target) = &live.target else {
            return self.rest(State::Held, Blocker::TargetGone.to_string());
        };
        if target.uid != self.latch.uid {
            return self.recreated();
        }
        if target.replicas > 0 {
            return self.contested();
        }
        let copy = self.copy();
        if self.facts.rbac && target.copy.as_ref() != Some(&copy) {
            return self.stepping(Step::Annotate { copy: Some(copy) });
        }
        if target.observed_replicas != Some(0) || !target.pods.is_empty() {
            return self.wait("pods are terminating");
        }
        self.stepping(self.save(self.latch.enter(Phase::Verified, self.now), vec![]))
    }

    /// Verified: rests until something lets it go, or somebody else scales it up.
    fn keep(&self, waits: Option<String>) -> Plan {
        let is_old = self.now - self.latch.since > TimeDelta::days(RETENTION_DAYS);
        match (self.facts.workload, self.facts.live) {
            (None, None) if is_old => return self.look(),
            (None, Some(live)) if is_old && live.target.is_none() => return self.close(Because::Gone),
            _ => {}
        }
        // A cache lags behind our own writes: what it says is looked at before it is believed.
        let looks_changed = self.facts.workload.is_some_and(|workload| {
            workload.uid != self.latch.uid || workload.replicas.is_some_and(|replicas| replicas > 0)
        });
        match self.facts.live.map(|live| &live.target) {
            None if looks_changed => return self.look(),
            Some(Some(target)) if target.uid != self.latch.uid => return self.recreated(),
            Some(Some(target)) if target.replicas > 0 => return self.contested(),
            _ => {}
        }
        let after = release::after_at(self.facts, self.case, self.latch);
        let reason = waits.unwrap_or_else(|| "replicas and pods are 0".into());
        let wake = after.filter(|after| *after > self.now);
        Plan { wake, ..self.rest(State::Verified, reason) }
    }

    fn let_go(&self, because: Because) -> Plan {
        let latch = self.latch.enter(Phase::Restoring(because), self.now);
        self.stepping(self.save(latch, vec![]))
    }

    /// To be undone: the write may have happened before a crash, or not. The live count tells.
    fn restore(&self, because: Because) -> Plan {
        if !self.facts.rbac {
            let keys = super::Keys { rbac: false, mode: Mode::Enforce, namespace: true };
            return self.rest(State::Held, keys.explain().unwrap_or_default());
        }
        let Some(live) = self.facts.live else { return self.look() };
        let target =
            live.target.as_ref().filter(|target| target.uid == self.latch.uid && !target.terminating);
        // Gone, or another object of that name: there is nothing of ours to put back.
        let Some(target) = target else { return self.close(because) };
        if target.replicas < 1
            && let Some(replicas) = self.latch.previous_replicas.filter(|count| *count > 0)
        {
            return self.stepping(Step::Scale { replicas });
        }
        if target.copy.is_some() {
            return self.stepping(Step::Annotate { copy: None });
        }
        self.close(because)
    }

    fn close(&self, because: Because) -> Plan {
        let latch = self.latch.enter(Phase::Closed(because), self.now);
        let mut history = self.case.history.clone();
        match because {
            Because::Undo => {
                let rules = latch.holders.iter().flat_map(|holder| &holder.rules);
                for rule in rules.collect::<std::collections::BTreeSet<_>>() {
                    let count = history.undone.entry(rule.clone()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            Because::Compliant => history.restored_at = Some(self.now),
            Because::After => {
                history.restored_at = Some(self.now);
                history.restored_after = true;
            }
            Because::PolicyOff
            | Because::PolicyDeleted
            | Because::RolledBack
            | Because::Done
            | Because::Gone => {}
        }
        let notes = step::closed(self.facts.target, &latch, because);
        let case = Case { latch: Some(latch.clone()), history, ..self.case.clone() };
        Plan { step: Some(Step::Save { case: Box::new(case), notes }), outlook: closed(&latch), wake: None }
    }

    fn recreated(&self) -> Plan {
        self.rest(
            State::Held,
            "re-created while latched: stays latched, but admission of its pods is not refused in this version".into(),
        )
    }

    /// Somebody else scales it up. Never a write war.
    fn contested(&self) -> Plan {
        self.rest(
            State::Held,
            "somebody else scaled it up while latched: contest handling is not available in this version"
                .into(),
        )
    }

    fn wait(&self, reason: &str) -> Plan {
        let late = self.now - self.latch.since > EFFECT_WITHIN;
        let outlook = if late {
            self.outlook(
                State::Failed,
                Blocker::Failed("pods are still there after five minutes").to_string(),
            )
        } else {
            self.outlook(self.current(), reason.to_owned())
        };
        Plan { step: None, outlook: Some(outlook), wake: Some(self.now + LOOK_EVERY) }
    }

    fn rest(&self, state: State, reason: String) -> Plan {
        Plan { step: None, outlook: Some(self.outlook(state, reason)), wake: Some(self.now + REST) }
    }

    fn look(&self) -> Plan {
        self.stepping(Step::Look)
    }

    fn stepping(&self, step: Step) -> Plan {
        Plan { step: Some(step), outlook: Some(self.outlook(self.current(), "under way".into())), wake: None }
    }

    fn save(&self, latch: Latch, notes: Vec<super::Note>) -> Step {
        Step::Save { case: Box::new(Case { latch: Some(latch), ..self.case.clone() }), notes }
    }

    fn current(&self) -> State {
        match self.latch.phase {
            Phase::Latched => State::Latched,
            Phase::Applied => State::Applied,
            Phase::Verified | Phase::Restoring(_) | Phase::Closed(_) => State::Verified,
        }
    }

    /// What the workload carries for people, also for those who remove us by hand.
    fn copy(&self) -> String {
        let target = self.facts.target;
        let previous = self.latch.previous_replicas.unwrap_or_default();
        let kind = target.kind.as_str().to_lowercase();
        let restore = if target.kind == crate::workload::WorkloadKind::CronJob {
            format!(
                "kubectl -n {} patch {kind} {} -p '{{\"spec\":{{\"suspend\":false}}}}'",
                target.namespace, target.name
            )
        } else {
            format!("kubectl -n {} scale {kind} {} --replicas={previous}", target.namespace, target.name)
        };
        serde_json::json!({
            "nonce": self.latch.nonce,
            "action": self.latch.action,
            "previousReplicas": previous,
            "restore": restore,
        })
        .to_string()
    }

    fn outlook(&self, state: State, reason: String) -> Outlook {
        Outlook {
            action: self.latch.action,
            mode: Mode::Enforce,
            state,
            previous_replicas: self.latch.previous_replicas,
            reason,
            until: None,
        }
    }
}
