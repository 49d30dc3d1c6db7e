//! Budgets, breaker, cool-downs, objects that were deleted.

use chrono::TimeDelta;

use super::super::{scenario::*, *};

// Rule 9.
#[test]
fn each_budget_stops_what_is_beyond_it() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 7] = [
        ("in the whole cluster", |w| w.settings.max_per_hour = 2),
        ("in this namespace", |w| w.settings.max_per_namespace_per_hour = 2),
        ("at the same time, in the whole cluster", |w| w.settings.max_concurrent = 2),
        ("at the same time, in this namespace", |w| w.settings.max_concurrent_per_namespace = 2),
        ("limits.maxPerHour", |w| w.policy().remediation.limits.max_per_hour = Some(2)),
        ("limits.maxConcurrent", |w| w.policy().remediation.limits.max_concurrent = Some(2)),
        ("limits.maxPercent", |w| {
            w.selected = 4;
            w.policy().remediation.limits.max_percent = Some(50);
        }),
    ];
    for (reason, change) in cases {
        let mut world = World::new();
        for n in 1..4 {
            world.add_object("shop", &format!("web-{n}"), &format!("uid-{n}-x"));
        }
        change(&mut world);
        world.live_through(minutes(70));
        let acted = (0..4).filter(|object| !world.scales(*object).is_empty()).count();
        assert_eq!(acted, 2, "{reason}");
        let blocked = (0..4).map(|object| world.settle(object).statuses[POLICY].clone());
        let blocked: Vec<_> = blocked.filter(|status| status.state == State::Blocked).collect();
        assert_eq!(blocked.len(), 2, "{reason}");
        assert!(blocked[0].reason.contains(reason), "{} instead of {reason}", blocked[0].reason);
    }
}

// Rule 9, T-37, L5, e_ten_deleted_workloads_use_up_the_cluster.
#[test]
fn deleted_workloads_use_up_no_other_budget() {
    let mut world = World::new();
    world.settings.max_per_namespace_per_hour = 20;
    for n in 0..10 {
        world.add_object("evil", &format!("throwaway-{n}"), &format!("evil-{n}"));
    }
    world.objects[0].is_known = false;
    world.live_through(minutes(66));
    assert!((1..11).all(|object| world.scales(object) == [0]));
    (1..11).for_each(|object| world.delete_object(object));
    world.live_through(minutes(1));
    assert!(
        (1..11).all(|n| world.containment_of(n).unwrap().phase == Phase::Closed(CloseReason::TargetGone))
    );
    world.objects[0].is_known = true;
    let start = world.now;
    world.live_through(TimeDelta::hours(2));
    assert_eq!(world.scales(0), [0]);
    let at = world.log.iter().find(|(_, object, step)| *object == 0 && step.name() == "Scale").unwrap().0;
    assert_eq!(at, start + minutes(65));
}

// Rule 10, T-37, L7, o_recreated_or_scaled_up_is_immune: contained without a new grace.
#[test]
fn a_recreated_object_is_contained_without_a_new_grace() {
    let mut world = World::contained();
    world.delete_object(0);
    let again = world.add_object("shop", "web", "uid-2");
    world.live_through(minutes(1));
    assert_eq!(world.phase(), Some(Phase::Closed(CloseReason::TargetGone)), "closed at once");
    assert_eq!(world.scales(again), [0]);
    assert_eq!(world.scales(0), [0], "nothing is put on the new object for the old one");
    assert_eq!(world.containment_of(again).unwrap().previous_replicas, Some(3));
}

// Rule 10, d_deleted_between_scale_and_verified.
#[test]
fn a_deleted_target_closes_at_once_in_every_phase() {
    for at in 0..5 {
        let mut world = World::due();
        world.settle_with(0, Some((at, Fault::KilledAfter)));
        world.delete_object(0);
        world.live_through(minutes(1));
        assert_eq!(world.phase(), Some(Phase::Closed(CloseReason::TargetGone)), "after write {at}");
        assert!(world.settle(0).statuses.is_empty(), "the dead are not shown");
        world.live_through(TimeDelta::days(RETENTION_DAYS + 1));
        assert!(world.records.is_empty());
    }
}

// Rule 9: after an action the workload is left alone for a while.
#[test]
fn the_cool_down_is_kept() {
    let mut world = World::new();
    world.policy().remediation.triggers[0].grace = TimeDelta::zero();
    world.policy().remediation.triggers[0].action = ActionKind::DeletePod;
    world.live_through(minutes(5));
    assert_eq!(world.evicted().len(), 3);
    world.live_through(minutes(9));
    assert_eq!(world.evicted().len(), 3);
    world.live_through(minutes(7));
    assert_eq!(world.evicted().len(), 6);
}

// T-4, rule 9: many at once in several namespaces stop everything before the first action.
#[test]
fn the_breaker_opens_when_an_update_flags_many() {
    let mut world = World::new();
    for n in 1..12 {
        world.add_object(&format!("team-{}", n % 3), &format!("web-{n}"), &format!("uid-{n}-x"));
    }
    let status = world.live_through(minutes(120));
    assert!(world.breaker.is_open(), "{:?}", world.breaker);
    assert!(world.breaker.reason.contains("100 workloads exist"));
    assert!(!world.has_mutated());
    assert!(status.reason.starts_with("BreakerOpen"));
    world.breaker = Breaker { since: Some(world.now), ..Breaker::default() };
    world.live_through(minutes(130));
    assert_eq!(world.scales(0), [0], "a reset forgets what was planned before it");
}

// Rule 9: one tenant never opens the breaker of the cluster.
#[test]
fn one_namespace_never_opens_the_breaker() {
    let mut world = World::new();
    for n in 1..40 {
        world.add_object("shop", &format!("web-{n}"), &format!("uid-{n}-x"));
    }
    world.live_through(minutes(10));
    assert!(!world.breaker.is_open());
}

// Rule 9: one tenant's records never take the place of all others.
#[test]
fn records_of_one_namespace_are_bounded() {
    let mut world = World::new();
    for n in 0..MAX_RECORDS_OF_NAMESPACE {
        let mut target = world.objects[0].target.clone();
        target.uid = format!("other-{n}");
        target.workload.name.clone_from(&target.uid);
        let record = WorkloadRecord::new(&target, Cause::Image);
        world.records.insert(target, (0, record));
    }
    assert!(world.status().reason.starts_with("TooManyRecords"));
    let elsewhere = world.add_object("other", "web", "uid-x");
    world.settle(elsewhere);
    assert!(world.records.contains_key(&world.objects[elsewhere].target));
}

// Rule 9: policies of tenants never take the places of the operator's.
#[test]
fn notices_of_tenants_leave_room_for_the_operator() {
    let mut world = World::new();
    world.policies.clear();
    for n in 0..20 {
        world.add_policy(policy("shop", &format!("tenant-{n}")));
    }
    world.live_through(minutes(5));
    assert_eq!(world.record().notices.len(), 16);
    world.add_policy(policy(OWN_NAMESPACE, POLICY));
    world.live_through(minutes(1));
    assert!(world.record().notices.contains_key(POLICY));
}

// Rules 9 and 10: what was restored and then deleted uses up no budget and opens no breaker either.
#[test]
fn a_workload_that_was_restored_and_then_deleted_counts_no_more() {
    let mut world = World::contained();
    world.undo();
    world.live_through(minutes(1));
    assert!(!world.record().gone);
    world.delete_object(0);
    world.live_through(minutes(10));
    assert!(world.record().gone);
    let settings = crate::mitigation::Settings { breaker_percent: 0, breaker_count: 0, ..world.settings };
    let mut records: Vec<_> = ["a", "b", "c"].map(|_| world.record().clone()).into();
    for (record, namespace) in records.iter_mut().zip(["a", "b", "c"]) {
        record.target.workload.namespace = namespace.into();
        record.history.acted = vec![world.now];
    }
    let breaker = crate::mitigation::Breaker::default();
    assert_eq!(breaker.trip(&records, 100, &settings, world.now), None);
    records.iter_mut().for_each(|record| record.gone = false);
    assert!(breaker.trip(&records, 100, &settings, world.now).is_some());
}
