//! Crashes, late and duplicated writes, lost watches, a leader that was stopped between check and send.

use super::super::{scenario::*, *};
use crate::policy::Compliance;

const FAULTS: [Fault; 4] = [Fault::KilledBefore, Fault::KilledAfter, Fault::Late, Fault::Twice];

// T-5, T-34, rules 10 and 17: the writes of a mitigation and of an undo, each lost, cut off after its effect, late or doubled.
#[test]
fn a_fault_at_every_write_acts_once_and_loses_nothing() {
    for fault in FAULTS {
        for at in 0..6 {
            let mut world = World::due();
            world.settle_with(0, Some((at, fault)));
            world.restart();
            world.complete = true;
            world.live_through(minutes(1));
            world.deliver_late();
            world.live_through(minutes(15));
            assert_eq!(world.target().replicas, 0, "{fault:?} at write {at}");
            assert_eq!(world.containment().previous_replicas, Some(3), "{fault:?} at write {at}");

            world.undo();
            world.policy().remediation.mode = Mode::Off;
            world.settle_with(0, Some((at, fault)));
            world.restart();
            world.complete = true;
            world.live_through(minutes(1));
            world.deliver_late();
            world.live_through(minutes(15));
            assert_eq!(world.target().replicas, 3, "{fault:?} at write {at} of the undo");
            assert!(matches!(world.phase(), Some(Phase::Closed(_))), "{fault:?} at write {at} of the undo");
            assert_eq!(world.target().annotation, None);
        }
    }
}

// T-34, T-16, i_rollback_touches_the_object_not: what a stopped leader sends after a rollback conflicts.
#[test]
fn a_write_that_arrives_after_the_rollback_has_no_effect() {
    for at in 0..3 {
        let mut world = World::due();
        world.settle_with(0, Some((at, Fault::Late)));
        assert_eq!(world.late.len(), 1);
        world.judge(Compliance::Compliant);
        world.restart();
        world.complete = true;
        world.live_through(minutes(12));
        world.deliver_late();
        world.live_through(minutes(30));
        assert_eq!(world.target().replicas, 3, "write {at}");
        assert_eq!(world.target().annotation, None, "write {at}");
        assert!(world.scales(0).is_empty(), "write {at}");
    }
}

// T-34: a record whose object lacks its annotation is resumed or closed in the next step.
#[test]
fn a_record_without_annotation_is_resumed_or_closed() {
    for (compliance, replicas) in [(Compliance::Violating, 0), (Compliance::Compliant, 3)] {
        let mut world = World::due();
        world.settle_with(0, Some((0, Fault::KilledAfter)));
        assert_eq!((world.phase(), world.target().annotation.clone()), (Some(Phase::Recorded), None));
        world.judge(compliance);
        world.settle(0);
        assert_eq!(world.target().replicas, replicas);
        assert_ne!(world.phase(), Some(Phase::Recorded));
    }
}

// Rule 10: on a conflict the count is read again and recorded again before the act.
#[test]
fn the_recorded_count_follows_a_concurrent_change_until_the_act() {
    for at in 0..2 {
        let mut world = World::due();
        world.settle_with(0, Some((at, Fault::KilledAfter)));
        assert_eq!(world.containment().previous_replicas, Some(3));
        world.scaled_by_other(0, 5);
        world.settle(0);
        assert_eq!(world.containment().previous_replicas, Some(5));
        assert_eq!(world.scales(0), [0]);
        world.undo();
        world.settle(0);
        assert_eq!(world.scales(0), [0, 5]);
    }
}

// Rule 10: 0 is never stored, and what others scaled to 0 is left to them.
#[test]
fn what_others_scaled_to_zero_first_is_not_ours() {
    let mut world = World::due();
    world.settle_with(0, Some((0, Fault::KilledAfter)));
    world.scaled_by_other(0, 0);
    world.live_through(minutes(10));
    assert!(world.scales(0).is_empty());
    assert_eq!(world.target().replicas, 0);
    assert!(matches!(world.phase(), Some(Phase::Closed(_))), "{:?}", world.phase());
}

// Rule 4, T-17: a cache that does not follow any more leads to no loop and no write.
#[test]
fn a_lost_watch_changes_nothing() {
    let mut world = World::due();
    world.objects[0].is_watched = false;
    world.live_through(minutes(30));
    assert_eq!(world.scales(0), [0]);
    let writes = world.log.len();
    world.live_through(minutes(60));
    assert_eq!(world.log.len(), writes);
    world.undo();
    world.live_through(minutes(10));
    world.objects[0].is_watched = true;
    world.live_through(minutes(10));
    assert_eq!(world.scales(0), [0, 3]);
}

// T-20, rule 10: the annotation is a copy and never read back.
#[test]
fn a_forged_annotation_changes_no_count() {
    for forged in [None, Some(r#"{"nonce":"x","previousReplicas":99}"#.to_owned())] {
        let mut world = World::contained();
        world.target().annotation = forged;
        world.delete_policy(POLICY);
        world.live_through(minutes(10));
        assert_eq!(world.scales(0), [0, 3]);
    }
}

// T-20: 25 containments, their policy deleted while the operator is down.
#[test]
fn many_containments_get_their_exact_counts_back() {
    let mut world = World::new();
    world.settings.max_per_hour = 100;
    world.settings.max_concurrent = 100;
    world.settings.max_per_namespace_per_hour = 100;
    world.settings.max_concurrent_per_namespace = 100;
    for n in 1..25 {
        let object = world.add_object("shop", &format!("web-{n}"), &format!("uid-{n}-x"));
        world.scaled_by_other(object, n + 1);
    }
    world.live_through(minutes(70));
    assert!((0..25).all(|object| world.scales(object) == [0]));
    world.delete_policy(POLICY);
    world.restart();
    world.live_through(minutes(10));
    assert!((0..25).all(|object| world.scales(object) == [0]), "until the list is complete");
    world.complete = true;
    world.live_through(minutes(10));
    for object in 0..25 {
        let live = world.objects[object].live.as_ref().unwrap();
        assert_eq!(live.replicas, world.objects[object].wanted);
    }
}

// Rule 10: the stored format keeps all that an undo needs.
#[test]
fn records_survive_being_stored() {
    let world = World::contained();
    let record = world.record();
    let json = serde_json::to_string(record).unwrap();
    assert_eq!(serde_json::from_str::<WorkloadRecord>(&json).unwrap(), *record);
    for field in
        ["uid", "digests", "previousReplicas", "holders", "findings", "indexRevision", "nonce", "phase"]
    {
        assert!(json.contains(&format!("\"{field}\"")), "{field}: {json}");
    }
    let image = record_name(&record.target, Cause::Image);
    assert_ne!(image, record_name(&record.target, Cause::Incident), "each cause has its own record");
}
