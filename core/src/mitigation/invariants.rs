//! What holds for every step, whatever happened before. Each is stated from what the model knows, not from what the planner computes.

use chrono::TimeDelta;

use super::{scenario::*, *};
use crate::policy::{Compliance, Verdict};

fn enforcing<'a>(world: &'a World, object: usize, containment: &'a Containment) -> Vec<Option<&'a Verdict>> {
    let holder = |holder: &Holder| {
        let policy = world.policies.iter().find(|policy| policy.id.uid == holder.policy_uid)?;
        let is_off = policy.remediation.mode != Mode::Enforce && !world.invalid.contains(&policy.id.uid);
        (!is_off).then(|| world.objects[object].verdicts.get(&holder.policy_uid))
    };
    containment.holders.iter().filter_map(holder).collect()
}

/// Checks a step against the moment in which it is decided.
pub(super) fn decided(world: &World, object: usize, step: &Step) {
    let this = &world.objects[object];
    let record = world.records.get(&this.target).map(|(_, record)| record);
    let open = record.and_then(WorkloadRecord::open);
    if step.mutates() {
        assert_eq!(world.access, Some(true), "rule 1: the right to write");
        assert!(
            world.paused.is_none() && !world.namespace.paused,
            "rule 18: nothing is written while paused"
        );
        assert!(!world.namespace.terminating, "rule 10: a terminating namespace is left alone");
        assert!(!world.exempt.contains(&this.target.workload.namespace), "rule 3: exempt");
    }
    match step {
        Step::Scale { replicas: 0 } | Step::Evict { .. } => {
            let open = open.expect("rule 10: recorded before the act");
            assert!(matches!(open.phase, Phase::Recorded | Phase::Reapplying));
            assert!(world.namespace.enabled, "rule 1: the namespace");
            let is_violated = enforcing(world, object, open)
                .iter()
                .flatten()
                .any(|verdict| verdict.compliance == Compliance::Violating);
            assert!(is_violated && world.complete, "rules 1 and 4: a policy that enforces is violated");
        }
        Step::Scale { replicas } => {
            let open = open.expect("rule 14: only what is recorded is restored");
            assert!(matches!(open.phase, Phase::Restoring(_)));
            assert_eq!(open.previous_replicas, Some(*replicas), "rule 14: the recorded count");
        }
        Step::Save { record: next, .. } => saved(world, object, record, next),
        _ => {}
    }
}

fn saved(world: &World, object: usize, before: Option<&WorkloadRecord>, next: &WorkloadRecord) {
    let Some(containment) = &next.containment else { return };
    let open = before.and_then(WorkloadRecord::open);
    assert!(containment.previous_replicas.is_none_or(|count| count > 0), "rule 10: 0 is never stored");
    match containment.phase {
        Phase::Recorded if open.is_none() => begins(world, object, before, containment),
        Phase::Restoring(CloseReason::Compliant)
            if open.is_some_and(|open| open.phase != containment.phase) =>
        {
            assert!(world.complete);
            for verdict in enforcing(world, object, containment) {
                let verdict = verdict.expect("rule 4: an absent verdict releases nothing");
                assert_eq!(verdict.compliance, Compliance::Compliant, "rule 4: never by Unknown");
                assert!(verdict.is_complete, "rule 4: never by what is incomplete");
            }
            let index = world.index.expect("rule 14: an index");
            assert!(index.revision >= containment.index_revision, "rule 14: not an older index");
            assert!(world.now - index.data_at <= world.settings.stale_after, "rule 4: fresh advisories");
        }
        Phase::Restoring(_) => {
            assert!(
                world.paused.is_none() && !world.namespace.paused,
                "rule 18: no restore begins while paused"
            );
        }
        _ => {}
    }
}

/// An action begins: opt-ins, notice, grace, budgets, breaker.
fn begins(world: &World, object: usize, before: Option<&WorkloadRecord>, containment: &Containment) {
    let this = &world.objects[object];
    assert_eq!(world.access, Some(true), "rule 1");
    assert!(world.namespace.enabled, "rule 1");
    assert!(world.paused.is_none() && !world.breaker.is_open(), "rules 9 and 18");
    let index = world.index.expect("rule 5: an index");
    assert!(world.now - index.data_at <= world.settings.stale_after, "rule 4: fresh advisories");
    for holder in &containment.holders {
        let policy = world.policies.iter().find(|policy| policy.id.uid == holder.policy_uid).expect("exists");
        assert!(!world.invalid.contains(&policy.id.uid), "rule 14: an invalid policy takes no new action");
        assert_eq!(policy.remediation.mode, Mode::Enforce, "rule 1");
        assert_eq!(this.verdicts[&policy.id.uid].compliance, Compliance::Violating, "rule 4");
        let notice = &before.expect("rule 6: told before").notices[&holder.policy_uid];
        let told = world.confirmed[notice.message.as_ref().expect("rule 6: a message")];
        if !notice.grace_served {
            let trigger = policy.remediation.triggers.iter().find(|t| t.action == containment.action);
            let grace = trigger.map_or(TimeDelta::zero(), |trigger| trigger.grace);
            assert!(told + grace <= world.now, "rule 6: not before the deadline");
            assert!(
                notice.planned_at + world.settings.second_look <= told,
                "rule 5: nothing is announced on the first look"
            );
        }
        let limit = policy.remediation.limits.max_concurrent;
        let holds = |record: &WorkloadRecord| {
            record.open().is_some_and(|open| open.holders.iter().any(|by| by.policy_uid == policy.id.uid))
        };
        let held = world.records.values().filter(|(_, record)| holds(record)).count();
        assert!(limit.is_none_or(|most| held < most as usize), "rule 9: limits.maxConcurrent");
    }
    timely(world, before, containment);
    let is_recent = |time: &chrono::DateTime<chrono::Utc>| *time > world.now - TimeDelta::hours(1);
    let acted = |record: &WorkloadRecord| record.history.acted.iter().filter(|time| is_recent(time)).count();
    let in_namespace = world
        .records
        .iter()
        .filter(|(target, _)| target.workload.namespace == this.target.workload.namespace);
    let spent: usize = in_namespace.clone().map(|(_, (_, record))| acted(record)).sum();
    assert!(spent < world.settings.max_per_namespace_per_hour as usize, "rule 9: the namespace's hour");
    let open = world.records.values().filter(|(_, record)| record.open().is_some()).count();
    assert!(open < world.settings.max_concurrent as usize, "rule 9: at the same time");
}

/// Once nothing stands in the way, an action follows within a second of its deadline, or of the end of the cool-down.
fn timely(world: &World, before: Option<&WorkloadRecord>, containment: &Containment) {
    let Some((calm, before)) = world.calm_since.zip(before) else { return };
    let due =
        containment.holders.iter().filter_map(|holder| before.notices[&holder.policy_uid].deadline()).min();
    let cooldown = world.settings.cooldown;
    let cool = before.history.acted.last().map(|acted| *acted + cooldown);
    let closed = before.containment.as_ref().map(|closed| closed.since + cooldown);
    let first = [Some(calm), due, cool, closed].into_iter().flatten().max().unwrap();
    assert!(world.now - first <= TimeDelta::seconds(1), "liveness: due at {first}, acted at {}", world.now);
}

/// Checks a write against the moment in which it takes effect, which may be much later than its decision.
pub(super) fn arrives(world: &World, object: usize, step: &Step) {
    let this = &world.objects[object];
    let record = world.records.get(&this.target).map(|(_, record)| record);
    match step {
        Step::Scale { replicas: 0 } => {
            let open =
                record.and_then(WorkloadRecord::open).expect("rule 10: never 0 by us without a record");
            let live = this.live.as_ref().unwrap();
            let annotation = live.annotation.as_deref().unwrap_or_default();
            assert!(annotation.contains(&open.nonce), "rule 10: the annotation comes first");
            if open.phase == Phase::Recorded {
                assert_eq!(open.previous_replicas, Some(live.replicas), "rule 10: the count is recorded");
            }
        }
        Step::Scale { replicas } => {
            assert_eq!(*replicas, this.wanted, "rule 14: the exact count comes back");
        }
        Step::Save { record: next, .. } => {
            let Some(containment) = &next.containment else { return };
            let Phase::Closed(reason) = containment.phase else { return };
            let is_closing = record.and_then(WorkloadRecord::open).is_some();
            let Some(live) = this.live.as_ref().filter(|_| is_closing) else { return };
            if reason != CloseReason::TargetGone && containment.action == ActionKind::ScaleToZero {
                let is_back = live.replicas == this.wanted || !this.is_scaled_by_operator;
                assert!(is_back, "rule 14: no count is lost when a record closes");
                assert_eq!(live.annotation, None, "rule 10: closing writes to the object first");
            }
        }
        _ => {}
    }
}
