//! Roll-outs, side-cars, evictions.

use chrono::TimeDelta;

use super::super::{scenario::*, *};
use crate::workload::{Container, ContainerKind};

fn evicting() -> World {
    let mut world = World::new();
    world.policy().remediation.triggers[0].action = ActionKind::DeletePod;
    world.policy().remediation.triggers[0].grace = TimeDelta::zero();
    world
}

// Rule 7: again and again is no containment.
#[test]
fn pods_are_evicted_and_again_and_again_is_not_containment() {
    let mut world = evicting();
    world.live_through(minutes(5));
    assert_eq!(world.evicted().len(), 3);
    assert!(matches!(world.phase(), Some(Phase::Closed(CloseReason::Done))));
    let status = world.live_through(minutes(50));
    assert!(status.reason.starts_with("PodsRecreated"), "{}", status.reason);
    assert_eq!(world.evicted().len(), 9, "three rounds an hour");
    assert!(world.scales(0).is_empty());
}

// T-36, rule 4, m_digests_of_a_rollout, roll.py.
#[test]
fn an_eviction_in_mid_roll_out_spares_the_fix() {
    let mut world = evicting();
    world.target().pods[2].digests = vec![digest("2")];
    world.live_through(minutes(10));
    assert_eq!(world.evicted(), ["web-0", "web-1"]);
}

// Rule 3.
#[test]
fn a_mirror_pod_is_never_evicted() {
    let mut world = evicting();
    world.target().pods[1].mirror = true;
    world.live_through(minutes(6));
    assert_eq!(world.evicted(), ["web-0", "web-2"]);
}

// T-36, rule 13: a roll-out that brings the fix may take a while, and no longer.
#[test]
fn scaling_in_mid_roll_out_waits_at_most_ten_minutes() {
    let mut world = World::new();
    world.live_through(minutes(64));
    world.target().pods[2].digests = vec![digest("2")];
    let status = world.live_through(minutes(10));
    assert!(status.reason.starts_with("RollOutInProgress"), "{}", status.reason);
    assert!(!world.has_mutated());
    world.live_through(minutes(1));
    assert_eq!(world.scaled_at(), Some(noon() + minutes(75)));
}

// T-10, T-19: the roll-out of the fix ends in time.
#[test]
fn pods_that_run_only_the_fix_are_never_scaled_down() {
    let mut world = World::due();
    for pod in &mut world.target().pods {
        pod.digests = vec![digest("2")];
    }
    let status = world.live_through(minutes(30));
    assert!(status.reason.starts_with("EvidenceChanged"), "{}", status.reason);
    assert!(!world.has_mutated());
}

// T-36, rule 4, l_injected_sidecar_or_debug_container, c26.
#[test]
fn what_pods_have_besides_the_template_blocks_nothing() {
    for kind in [ContainerKind::App, ContainerKind::Ephemeral] {
        let mut world = World::new();
        world.objects[0].cached.injected.push(Container {
            name: "side".into(),
            kind,
            image: "registry.test/side:1".into(),
            run_as_user: None,
            run_as_non_root: None,
        });
        for pod in &mut world.target().pods {
            pod.digests.push(digest("side"));
        }
        world.live_through(minutes(66));
        assert_eq!(world.scales(0), [0], "{kind:?}");
    }
}

// Rule 12: what is asked for is not what is reported.
#[test]
fn pods_that_do_not_end_are_no_verified_effect() {
    let mut world = World::due();
    world.settle_with(0, Some((2, Fault::KilledAfter)));
    let pods = World::new().target().pods.clone();
    world.target().pods = pods;
    world.target().observed_replicas = None;
    assert_eq!(world.pass(minutes(1)).state, State::Applied);
    let status = world.pass(minutes(6));
    assert_eq!(status.state, State::Failed, "{status:?}");
    assert!(!status.state.is_contained());
    world.target().pods.clear();
    world.target().observed_replicas = Some(0);
    assert_eq!(world.pass(minutes(1)).state, State::Verified);
}

// Rule 12, Seen 12: replicas 0 in the spec with pods still there is not contained.
#[test]
fn an_observed_count_is_needed() {
    let mut world = World::due();
    world.settle_with(0, Some((2, Fault::KilledAfter)));
    world.target().observed_replicas = None;
    world.pass(minutes(1));
    assert_eq!(world.phase(), Some(Phase::Applied));
}
