//! What holds whatever the facts are.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::scenario::*;
use super::*;
use crate::{policy::Compliance, workload::WorkloadKind};

#[derive(Debug, Clone)]
enum Happening {
    Time(i64),
    Verdict(Compliance),
    Label(bool),
    Rbac(bool),
    ModeSet(Mode),
    Paused(bool),
    Index(Option<u64>),
    ScaledBySomebody(i32),
    Undo(bool),
    Breaker(bool),
    PolicyDeleted,
    Killed(usize),
    Restarted,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        4 => (1..120_i64).prop_map(Time),
        2 => prop_oneof![Just(Compliance::Violating), Just(Compliance::Unknown), Just(Compliance::Compliant)]
            .prop_map(Verdict),
        1 => any::<bool>().prop_map(Label),
        1 => any::<bool>().prop_map(Rbac),
        1 => prop_oneof![Just(Mode::Enforce), Just(Mode::DryRun), Just(Mode::Off)].prop_map(ModeSet),
        1 => any::<bool>().prop_map(Paused),
        1 => prop_oneof![Just(None), (5..9_u64).prop_map(Some)].prop_map(Index),
        1 => (0..6_i32).prop_map(ScaledBySomebody),
        1 => any::<bool>().prop_map(Undo),
        1 => any::<bool>().prop_map(Breaker),
        1 => Just(PolicyDeleted),
        1 => (0..4_usize).prop_map(Killed),
        1 => Just(Restarted),
    ]
}

/// What must hold for each step, given the world it was decided in.
fn check(before: &World, step: &Step) {
    let latch = before.case.as_ref().and_then(Case::holding);
    match step {
        Step::Scale { replicas: 0 } => {
            assert!(before.rbac && before.live.namespace.enabled, "a key is missing");
            assert_eq!(before.policy.remediation.mode, Mode::Enforce);
            assert_eq!(before.verdict.compliance, Compliance::Violating, "only what violates");
            assert!(before.paused.is_none());
            let latch = latch.expect("recorded before");
            assert_eq!(latch.phase, Phase::Latched);
            let live = before.live.target.as_ref().unwrap().replicas;
            assert_eq!(latch.previous_replicas, Some(live), "the record says what was");
            assert!(live > 0, "0 is never stored as previous");
        }
        Step::Scale { replicas } => {
            let latch = latch.expect("ours");
            assert!(matches!(latch.phase, Phase::Restoring(_)));
            assert_eq!(latch.previous_replicas, Some(*replicas), "the recorded count and no other");
            assert_eq!(before.live.target.as_ref().unwrap().replicas, 0);
            assert!(before.rbac && before.paused.is_none());
        }
        Step::Save { case, .. } => {
            if let Some(latch) = case.holding().filter(|latch| latch.phase == Phase::Latched) {
                assert!(latch.previous_replicas.is_none_or(|count| count > 0));
                if before.phase() != Some(Phase::Latched) {
                    assert!(before.index_revision.is_some() && !before.breaker.is_open());
                }
            }
        }
        Step::Look | Step::Notify { .. } | Step::Evict { .. } | Step::Annotate { .. } | Step::Forget => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens(happenings in proptest::collection::vec(happening(), 1..40)) {
        let mut world = World::new();
        for happening in happenings {
            let mut writes = usize::MAX;
            match happening {
                Happening::Time(minutes) => world.now += TimeDelta::minutes(minutes),
                Happening::Verdict(compliance) => world.verdict = verdict(compliance),
                Happening::Label(on) => {
                    world.live.namespace.enabled = on;
                    world.workload.namespace_labels.clear();
                    if on {
                        world.workload.namespace_labels
                            .insert("breakwater.dev/remediation".into(), "enabled".into());
                    }
                }
                Happening::Rbac(on) => world.rbac = on,
                Happening::ModeSet(mode) => {
                    world.policy.remediation.mode = mode;
                    world.know_policy();
                }
                Happening::Paused(on) => world.paused = on.then_some("by the configuration"),
                Happening::Index(revision) => world.index_revision = revision,
                Happening::ScaledBySomebody(replicas) => {
                    world.workload.replicas = Some(replicas);
                    let pods = World::new().target().pods.clone();
                    let target = world.target();
                    target.replicas = replicas;
                    target.observed_replicas = Some(replicas);
                    target.pods = if replicas > 0 { pods } else { vec![] };
                }
                Happening::Undo(right) => {
                    let nonce = world.case.as_ref().and_then(|case| case.latch.as_ref()).map(|l| l.nonce.clone());
                    world.target().undo = if right { nonce } else { Some("stale".into()) };
                }
                Happening::Breaker(open) => {
                    world.breaker.state = if open { BreakerState::Open } else { BreakerState::Closed };
                }
                Happening::PolicyDeleted => {
                    world.policies.known.clear();
                    world.is_judged = false;
                }
                Happening::Killed(after) => writes = after,
                Happening::Restarted => world.settled_since = world.now,
            }
            if world.is_judged {
                world.know_policy();
            }
            // One write at a time, each checked against the world it was decided in.
            for _ in 0..writes.min(30) {
                let before = world.clone();
                let done = world.settle_at_most(1).0;
                if let Some(step) = world.steps.get(before.steps.len()) {
                    check(&before, step);
                }
                if done {
                    break;
                }
            }
        }
    }

    #[test]
    fn never_on_rails(
        namespace in prop_oneof![
            Just("kube-system"), Just("kube-public"), Just("kube-node-lease"), Just("breakwater-system"), Just("cni")
        ],
        kind in prop_oneof![
            Just(WorkloadKind::Deployment), Just(WorkloadKind::StatefulSet), Just(WorkloadKind::CronJob),
            Just(WorkloadKind::DaemonSet), Just(WorkloadKind::Job), Just(WorkloadKind::Pod)
        ],
        action in prop_oneof![Just(ActionKind::ScaleToZero), Just(ActionKind::DeletePod), Just(ActionKind::Alert)],
    ) {
        let mut world = World::new();
        world.workload.id.namespace = namespace.into();
        world.workload.id.kind = kind;
        world.exempt = vec!["cni".into()];
        world.policy.remediation.kinds = vec![kind];
        world.policy.remediation.triggers[0].action = action;
        world.settle();
        world.live_through(TimeDelta::hours(3));
        prop_assert!(world.steps.is_empty(), "{:?}", world.steps);
        prop_assert!(world.notes.is_empty());
    }

    #[test]
    fn budgets_are_never_exceeded(
        workloads in 1..30_usize,
        per_hour in 0..6_u32,
        per_namespace in 0..4_u32,
        concurrent in 0..6_u32,
        own_concurrent in proptest::option::of(0..4_u32),
    ) {
        let mut cases: Vec<Case> = Vec::new();
        let namespace = |n: usize| format!("team-{}", n % 2);
        for n in 0..workloads {
            let mut world = World::new();
            world.workload.id.namespace = namespace(n);
            world.workload.id.name = format!("web-{n}");
            world.policy.id.namespace = namespace(n);
            world.settings.max_per_hour = per_hour;
            world.settings.max_per_namespace_per_hour = per_namespace;
            world.settings.max_concurrent = concurrent;
            world.policy.remediation.limits.max_concurrent = own_concurrent;
            world.policy.remediation.triggers[0].grace = TimeDelta::zero();
            world.others.clone_from(&cases);
            world.settle();
            world.pass(TimeDelta::minutes(5));
            cases.extend(world.case);
        }
        let acted = |of: &dyn Fn(&&Case) -> bool| {
            u32::try_from(cases.iter().filter(of).filter(|case| case.latch.is_some()).count()).unwrap()
        };
        let allowed = per_hour.min(concurrent).min(own_concurrent.unwrap_or(u32::MAX));
        prop_assert!(acted(&|_| true) <= allowed);
        for team in 0..2 {
            prop_assert!(acted(&|case| case.workload.namespace == namespace(team)) <= per_namespace);
        }
        let total = u32::try_from(workloads).unwrap();
        if allowed >= total && per_namespace >= total {
            prop_assert_eq!(acted(&|_| true), total, "what is allowed is done");
        }
    }
}
