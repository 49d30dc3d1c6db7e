//! Who else writes `spec.replicas`: autoscalers, GitOps tools, people.

use super::super::{scenario::*, *};
use crate::policy::Compliance;

// T-3, rule 13: bounded, told once, the manager and the remedy named.
#[test]
fn a_contest_is_bounded_and_names_the_remedy() {
    type Change = fn(&mut Target);
    let cases: [(Change, &str, &str); 5] = [
        (|t| t.gitops = Some("Argo CD".into()), "argocd-controller", "RespectIgnoreDifferences"),
        (|t| t.gitops = Some("Flux".into()), "kustomize-controller", "kustomize.toolkit.fluxcd.io/ssa"),
        (|t| t.keda = Some("web-scaler".into()), "keda-operator", "paused-replicas"),
        (|t| t.hpa = Some("web-hpa".into()), "kube-controller-manager", "web-hpa"),
        (|_| {}, "kubectl-script", "fix the image there"),
    ];
    for (mark, manager, remedy) in cases {
        let mut world = World::new();
        mark(world.target());
        world.live_through(minutes(66));
        for _ in 0..30 {
            world.target().replicas_manager = Some(manager.into());
            world.scaled_by_other(0, 3);
            world.live_through(minutes(1));
        }
        assert_eq!(world.scales(0), [0; 4], "{manager}: once, and three times again");
        let status = world.status();
        assert_eq!(status.state, State::Contested, "{manager}: {status:?}");
        assert!(status.reason.contains(manager) && status.reason.contains(remedy), "{}", status.reason);
        let told = world.reasons().iter().filter(|reason| **reason == "RemediationContested").count();
        assert_eq!(told, 1, "{manager}");
        assert!(!status.state.is_contained());
    }
}

// T-2, T-40: an HPA with minReplicas 1 does nothing at 0; the exact count comes back and the HPA takes over.
#[test]
fn with_an_autoscaler_the_exact_count_comes_back() {
    let mut world = World::new();
    world.target().hpa = Some("web".into());
    world.scaled_by_other(0, 5);
    world.live_through(minutes(66));
    assert_eq!(world.containment().hpa.as_deref(), Some("web"));
    assert_eq!(world.target().pods.len(), 0);
    world.undo();
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0, 5]);
    world.scaled_by_other(0, 6);
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0, 5], "the autoscaler is back in charge");
}

// T-40: an autoscaler with minReplicas 0 that scales from 0 writes at most three times against us, and the count stays.
#[test]
fn an_autoscaler_from_zero_does_not_change_the_recorded_count() {
    let mut world = World::new();
    world.target().hpa = Some("web".into());
    world.live_through(minutes(66));
    for replicas in [1, 7, 2] {
        world.scaled_by_other(0, replicas);
        world.live_through(minutes(1));
        assert_eq!((world.target().replicas, world.target().pods.len()), (0, 0), "0 while contained");
    }
    world.undo();
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0, 0, 0, 0, 3]);
}

// T-3b, rule 13: the cure is not refused. A template with the fix keeps the replicas that its owner sets.
#[test]
fn a_fixed_image_with_replicas_rolls_out_unaided() {
    let mut world = World::contained();
    world.objects[0].roll_out("2");
    world.scaled_by_other(0, 3);
    let status = world.live_through(minutes(1));
    assert_eq!(status.state, State::Held, "{status:?}");
    assert_eq!(world.scales(0), [0]);
    world.judge(Compliance::Compliant);
    world.live_through(minutes(6));
    assert_eq!(world.scales(0), [0]);
    assert!(matches!(world.phase(), Some(Phase::Closed(CloseReason::Compliant))));
    assert_eq!(world.target().replicas, 3);
}

// Seen 12: while pods run, the workload does not count as contained.
#[test]
fn replicas_without_pods_are_held_and_not_rewritten() {
    let mut world = World::contained();
    world.scaled_by_other(0, 3);
    world.target().pods.clear();
    let status = world.live_through(minutes(10));
    assert_eq!(status.state, State::Held);
    assert_eq!(world.scales(0), [0], "0 is written again only when pods appear");
}

// Rule 14: what others scaled up is not scaled again by an undo.
#[test]
fn an_undo_of_what_others_scaled_up_changes_no_count() {
    let mut world = World::contained();
    world.scaled_by_other(0, 5);
    world.target().pods.clear();
    world.undo();
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0]);
    assert_eq!(world.target().replicas, 5);
    assert!(matches!(world.phase(), Some(Phase::Closed(CloseReason::Undo))));
}
