//! Undo, restore and what bars them.

use chrono::TimeDelta;

use super::super::{scenario::*, *};
use crate::policy::Compliance;

type Change = fn(&mut World);

// Rules 4, 5, 9, 14, T-21: what bars a release, and its end.
#[test]
fn what_bars_a_release_is_named() {
    let cases: [(&str, Change, Change); 7] = [
        (
            "IndexOlder",
            |w| w.index = Some(IndexFacts { revision: 6, data_at: noon() }),
            |w| w.index = Some(IndexFacts { revision: 8, data_at: noon() }),
        ),
        ("IndexMissing", |w| w.index = None, |w| w.index = Some(IndexFacts { revision: 7, data_at: noon() })),
        (
            "AdvisoriesStale",
            |w| w.index = Some(IndexFacts { revision: 7, data_at: noon() - TimeDelta::days(31) }),
            |w| w.index = Some(IndexFacts { revision: 7, data_at: noon() }),
        ),
        ("BreakerOpen", |w| w.breaker.state = BreakerState::Open, |w| w.breaker = Breaker::default()),
        ("BudgetSpent", |w| w.settings.max_per_hour = 0, |w| w.settings.max_per_hour = 20),
        ("Paused", |w| w.paused = Some("by the configuration"), |w| w.paused = None),
        ("replicas and pods are 0", |w| w.verdict().is_complete = false, |w| w.verdict().is_complete = true),
    ];
    for (reason, bar, unbar) in cases {
        let mut world = World::contained();
        world.judge(Compliance::Compliant);
        bar(&mut world);
        let status = world.live_through(minutes(60));
        assert!(status.reason.starts_with(reason), "{} instead of {reason}", status.reason);
        assert_eq!(world.scales(0), [0], "{reason}");
        unbar(&mut world);
        world.live_through(minutes(6));
        assert_eq!(world.scales(0), [0, 3], "{reason}");
        assert_eq!(world.reasons().last(), Some(&"Restored"));
    }
}

// Rule 5: a release has its second look too.
#[test]
fn a_release_is_confirmed_by_a_second_look() {
    let mut world = World::contained();
    world.judge(Compliance::Compliant);
    world.live_through(minutes(4));
    assert_eq!(world.scales(0), [0]);
    world.judge(Compliance::Violating);
    world.live_through(minutes(1));
    world.judge(Compliance::Compliant);
    world.live_through(minutes(4));
    assert_eq!(world.scales(0), [0]);
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0, 3]);
}

// Rule 4.
#[test]
fn unknown_does_not_restore() {
    let mut world = World::contained();
    world.judge(Compliance::Unknown);
    world.live_through(TimeDelta::hours(48));
    assert_eq!(world.scales(0), [0]);
    world.objects[0].verdicts.clear();
    world.live_through(TimeDelta::hours(48));
    assert_eq!(world.scales(0), [0], "no verdict is no release");
}

// T-35, L2, n_unscanned_allow: tolerated and incomplete never acquits, and never loops.
#[test]
fn what_a_policy_tolerates_restores_nothing() {
    let mut world = World::contained();
    for _ in 0..288 {
        let running = world.target().replicas > 0;
        world.judge(if running { Compliance::Violating } else { Compliance::Compliant });
        world.verdict().is_complete = running;
        world.live_through(minutes(5));
    }
    assert_eq!(world.scales(0), [0]);
}

// Rule 4: a verdict whose time has passed releases nothing.
#[test]
fn an_outdated_verdict_releases_nothing() {
    let mut world = World::contained();
    world.judge(Compliance::Compliant);
    world.verdict().changes_at = Some(world.now);
    world.live_through(minutes(60));
    assert_eq!(world.scales(0), [0]);
}

// `restore.onCompliant`.
#[test]
fn a_release_that_is_not_asked_for_does_not_come() {
    let mut world = World::contained();
    world.policy().remediation.restore.on_compliant = false;
    world.judge(Compliance::Compliant);
    world.live_through(minutes(60));
    assert_eq!(world.scales(0), [0]);
}

// Rule 14.
#[test]
fn restore_after_works_once() {
    let mut world = World::contained();
    world.policy().remediation.restore.after = Some(TimeDelta::hours(4));
    world.live_through(minutes(230));
    assert_eq!(world.scales(0), [0]);
    world.live_through(minutes(15));
    assert_eq!(world.scales(0), [0, 3]);
    world.live_through(minutes(600));
    assert_eq!(
        world.scales(0),
        [0, 3, 0],
        "still violating: announced anew, contained anew, and then it stays"
    );
}

// Rule 14, L8, f_restore_after_with_a_deleted_holder.
#[test]
fn restore_after_outlives_a_deleted_holder() {
    let mut world = World::new();
    world.policy().remediation.restore.after = Some(TimeDelta::hours(2));
    let mut second = policy("shop", "policy-2");
    second.remediation.restore.after = Some(TimeDelta::hours(2));
    world.add_policy(second);
    world.live_through(minutes(66));
    assert_eq!(world.containment().holders.len(), 2);
    world.delete_policy("policy-2");
    world.judge(Compliance::Unknown);
    world.live_through(TimeDelta::hours(3));
    assert_eq!(world.scales(0), [0, 3]);
}

// Rule 14.
#[test]
fn a_stale_undo_is_ignored() {
    let mut world = World::contained();
    for stale in ["nonce-of-last-year", "", "true"] {
        world.target().undo = Some(stale.into());
        world.live_through(minutes(1));
    }
    assert_eq!(world.scales(0), [0]);
}

// Rules 7 and 14: whoever may edit an object may claim a controller for it.
#[test]
fn an_undo_or_hold_on_an_object_that_claims_a_controller_is_ignored() {
    let mut world = World::contained();
    world.undo();
    world.objects[0].cached.controlled_by = Some("Anything/forged".into());
    world.target().controlled_by = Some("Anything/forged".into());
    world.live_through(minutes(10));
    assert_eq!(world.scales(0), [0]);
}

// Rule 14: the undo of a person passes budgets, breaker and index.
#[test]
fn an_undo_needs_no_index_and_no_budget() {
    let mut world = World::contained();
    world.undo();
    world.index = None;
    world.breaker.state = BreakerState::Open;
    world.settings.max_per_hour = 0;
    world.judge(Compliance::Unknown);
    world.settle(0);
    assert_eq!(world.scales(0), [0, 3]);
}

// Rule 14.
#[test]
fn undone_three_times_the_rule_pauses() {
    let mut world = World::contained();
    world.policy().remediation.triggers[0].grace = TimeDelta::zero();
    for round in 1..=3 {
        world.undo();
        world.live_through(minutes(1));
        assert_eq!(world.record().history.undone["BW-VUL-001"], round);
        world.live_through(minutes(60));
    }
    let status = world.live_through(minutes(60));
    assert!(status.reason.starts_with("UndoneTooOften"), "{}", status.reason);
    assert_eq!(world.scales(0), [0, 3, 0, 3, 0, 3]);
}

// Rule 10.
#[test]
fn a_terminating_namespace_is_left_alone() {
    let mut world = World::contained();
    world.namespace.terminating = true;
    world.delete_policy(POLICY);
    world.live_through(minutes(30));
    assert_eq!(world.scales(0), [0]);
}

// Rule 18.
#[test]
fn a_pause_keeps_what_is_held() {
    for change in
        [|w: &mut World| w.paused = Some("by the configuration"), |w: &mut World| w.namespace.paused = true]
    {
        let mut world = World::contained();
        change(&mut world);
        world.delete_policy(POLICY);
        world.undo();
        world.live_through(minutes(60));
        assert_eq!(world.scales(0), [0]);
        assert_eq!(world.phase(), Some(Phase::Verified));
    }
}

// Rule 1: an undo needs the right to write.
#[test]
fn without_the_right_to_write_nothing_is_restored_and_nothing_lost() {
    for access in [None, Some(false)] {
        let mut world = World::contained();
        world.undo();
        world.access = access;
        world.live_through(minutes(60));
        assert_eq!(world.scales(0), [0]);
        world.access = Some(true);
        world.settle(0);
        assert_eq!(world.scales(0), [0, 3]);
    }
}
