use chrono::TimeDelta;

use super::scenario::*;
use super::*;
use crate::{
    policy::Compliance,
    workload::{ImageIdentity, WorkloadKind},
};

type Change = fn(&mut World);

fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

#[test]
fn plan_notice_grace_zero_replicas_and_undo_restores_the_exact_count() {
    let mut world = World::new();
    let outlook = world.settle().unwrap();
    assert_eq!(outlook.state, State::Planned, "the first look only plans");
    assert!(world.notes.is_empty());

    let outlook = world.pass(minutes(5)).unwrap();
    assert_eq!((outlook.state, outlook.mode), (State::Noticed, Mode::Enforce));
    assert_eq!(outlook.until, Some(noon() + minutes(5) + GRACE));
    assert_eq!(world.reasons(), ["MitigationNotice"]);

    world.live_through(minutes(59));
    assert_eq!(world.scales(), Vec::<i32>::new(), "grace is not over");
    let before = world.steps.len();
    let outlook = world.pass(minutes(1)).unwrap();
    let order: Vec<&str> = world.steps[before..].iter().map(Step::name).collect();
    assert_eq!(order, ["Save", "Scale", "Save", "Annotate", "Save"], "record, act, copy, verify");
    assert_eq!((outlook.state, outlook.previous_replicas), (State::Verified, Some(3)));
    assert_eq!(world.reasons(), ["MitigationNotice", "ScaledToZero"]);
    let copy = world.target().copy.clone().unwrap();
    assert!(copy.contains("scale deployment web --replicas=3"), "{copy}");

    let nonce = world.latch().nonce.clone();
    world.workload.annotations.insert("breakwater.dev/undo".into(), nonce.clone());
    world.target().undo = Some(nonce);
    let outlook = world.pass(minutes(1)).unwrap();
    assert_eq!(world.scales(), [0, 3]);
    assert_eq!(outlook.state, State::Planned, "it still violates: a new notice comes first");
    assert_eq!(world.target().copy, None);
    assert_eq!(world.case.as_ref().unwrap().history.undone["BW-VUL-001"], 1);
}

#[test]
fn reconciling_again_writes_nothing() {
    let mut world = World::new();
    for time in [0, 0, 5, 0, 0] {
        world.pass(minutes(time));
    }
    assert_eq!(world.steps.len(), 2, "planned, told: {:#?}", world.steps);
    let mut world = World::mitigated();
    let steps = world.steps.len();
    world.live_through(minutes(60));
    assert_eq!(world.steps.len(), steps);
}

#[test]
fn a_missing_key_means_dry_run_and_is_named() {
    let cases: [(Change, &str); 3] = [
        (
            |world| {
                world.workload.namespace_labels.clear();
                world.live.namespace.enabled = false;
            },
            "missing key: namespace label breakwater.dev/remediation=enabled",
        ),
        (|world| world.policy.remediation.mode = Mode::DryRun, "missing key: policy mode Enforce"),
        (|world| world.rbac = false, "missing key: the right to update workloads/scale"),
    ];
    for (turn, reason) in cases {
        let mut world = World::new();
        turn(&mut world);
        world.settle();
        let outlook = world.live_through(minutes(300)).unwrap();
        assert!(outlook.reason.starts_with(reason), "{}", outlook.reason);
        assert_eq!((outlook.mode, outlook.state), (Mode::DryRun, State::Planned));
        assert!(world.steps.iter().all(|step| !step.mutates()));
        assert_eq!(world.reasons(), ["WouldScaleToZero"], "said once");
        assert!(world.notes[0].text.contains("3 replicas") && world.notes[0].text.contains(reason));
    }
}

#[test]
fn a_key_that_is_turned_late_starts_with_a_notice() {
    let mut world = World::new();
    world.policy.remediation.mode = Mode::DryRun;
    world.settle();
    world.live_through(minutes(300));
    world.policy.remediation.mode = Mode::Enforce;
    world.know_policy();
    world.settled_since = world.now;
    assert_eq!(world.settle().unwrap().state, State::Planned);
    assert_eq!(world.pass(minutes(6)).unwrap().state, State::Noticed);
    assert_eq!(world.scales(), Vec::<i32>::new());
}

#[test]
fn what_blocks_is_named_and_touches_nothing() {
    let cases: [(&str, Change); 17] = [
        ("ExemptNamespace", |w| w.workload.id.namespace = "kube-system".into()),
        ("ExemptNamespace", |w| w.workload.id.namespace = "breakwater-system".into()),
        ("ExemptNamespace", |w| w.exempt.push("shop".into())),
        ("KindNotEnabled", |w| w.workload.id.kind = WorkloadKind::StatefulSet),
        ("DaemonSetNeverScaled", |w| w.workload.id.kind = WorkloadKind::DaemonSet),
        ("RunningJob", |w| w.workload.id.kind = WorkloadKind::Job),
        ("VolumesWouldBeDeleted", |w| {
            w.workload.id.kind = WorkloadKind::StatefulSet;
            w.policy.remediation.kinds = vec![WorkloadKind::StatefulSet];
            w.target().deletes_volumes = true;
        }),
        ("OwnedBy: Rollout/web", |w| w.target().controlled_by = Some("Rollout/web".into())),
        ("OwnedBy: Rollout/web", |w| w.workload.controlled_by = Some("Rollout/web".into())),
        ("NotAvailable: action Quarantine", |w| {
            w.policy.remediation.triggers[0].action = ActionKind::Quarantine;
        }),
        ("NotAvailable: a trigger on risk", |w| w.policy.remediation.triggers[0].when.risk = Some(50)),
        ("Paused", |w| w.paused = Some("by the configuration")),
        ("Paused", |w| w.live.namespace.paused = true),
        ("NamespaceTerminating", |w| w.live.namespace.terminating = true),
        ("BreakerOpen", |w| w.breaker.state = BreakerState::Open),
        ("NothingRuns", |w| {
            w.target().replicas = 0;
        }),
        ("EvidenceChanged", |w| w.target().images = vec!["registry.test/web:2".into()]),
    ];
    for (reason, change) in cases {
        let mut world = World::new();
        change(&mut world);
        world.settle();
        let outlook = world.live_through(minutes(300)).unwrap();
        assert_eq!(outlook.state, State::Blocked, "{reason}");
        assert!(outlook.reason.starts_with(reason), "{} instead of {reason}", outlook.reason);
        assert!(world.steps.iter().all(|step| !step.mutates()), "{reason}");
        assert!(world.notes.is_empty(), "{reason}: nobody is warned of what cannot come");
    }
}

#[test]
fn the_same_blockers_stop_what_was_told_already() {
    let cases: [(&str, Change); 6] = [
        ("Paused", |w| w.paused = Some("by the configuration")),
        ("Paused", |w| w.live.namespace.paused = true),
        ("BreakerOpen", |w| w.breaker.state = BreakerState::Open),
        ("IndexMissing", |w| w.index_revision = None),
        ("IndexOlder", |w| w.index_revision = Some(6)),
        ("BudgetSpent", |w| w.settings.max_per_namespace_per_hour = 0),
    ];
    for (reason, change) in cases {
        let mut world = World::new();
        world.settle();
        world.pass(minutes(5));
        change(&mut world);
        let outlook = world.live_through(minutes(300)).unwrap();
        assert!(outlook.reason.starts_with(reason), "{} instead of {reason}", outlook.reason);
        assert!(world.steps.iter().all(|step| !step.mutates()), "{reason}");
    }
}

#[test]
fn unknown_neither_mitigates_nor_restores() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.verdict = verdict(Compliance::Unknown);
    let outlook = world.live_through(minutes(120)).unwrap();
    assert!(outlook.reason.starts_with("VerdictUnknown"));
    assert_eq!(world.scales(), Vec::<i32>::new());

    let mut world = World::mitigated();
    world.verdict = verdict(Compliance::Unknown);
    world.live_through(minutes(120));
    assert_eq!(world.scales(), [0]);
}

#[test]
fn an_exception_or_a_fix_during_grace_cancels() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.verdict = verdict(Compliance::Compliant);
    assert_eq!(world.settle().unwrap().state, State::Cancelled);
    world.live_through(minutes(120));
    assert_eq!(world.scales(), Vec::<i32>::new());
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationCancelled"]);
    assert_eq!(world.case, None, "nothing is left behind");
}

#[test]
fn a_hold_cancels_and_what_comes_after_it_starts_anew() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    let until = world.now + TimeDelta::hours(2);
    let hold = format!("{}; fix in review", until.to_rfc3339());
    world.workload.annotations.insert("breakwater.dev/hold-until".into(), hold.clone());
    world.target().hold = Some(hold);
    let outlook = world.pass(minutes(1)).unwrap();
    assert_eq!((outlook.state, outlook.until), (State::Held, Some(until)));
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationCancelled"]);
    world.live_through(minutes(119));
    assert_eq!(world.scales(), Vec::<i32>::new());
    world.live_through(minutes(5));
    assert_eq!(world.reasons().last(), Some(&"MitigationNotice"), "told again");
    world.live_through(minutes(30));
    assert_eq!(world.scales(), Vec::<i32>::new(), "grace runs anew");
}

#[test]
fn a_downtime_longer_than_half_the_grace_renews_it() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    let outlook = world.pass(minutes(120)).unwrap();
    assert_eq!(outlook.state, State::Noticed);
    assert_eq!(outlook.until, Some(world.now + GRACE));
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationNotice"]);

    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.pass(minutes(25));
    world.live_through(minutes(35));
    assert_eq!(world.scales(), [0], "a short downtime does not");
}

#[test]
fn after_a_start_or_a_new_index_the_first_look_only_plans() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.live_through(minutes(55));
    world.settled_since = world.now + minutes(5);
    assert_eq!(world.pass(minutes(5)).unwrap().state, State::Planned);
    assert_eq!(world.scales(), Vec::<i32>::new());
    world.pass(minutes(5));
    assert_eq!(world.scales(), [0]);
}

#[test]
fn another_digest_or_another_object_is_another_matter() {
    let change: [Change; 2] = [
        |world| {
            let identity =
                ImageIdentity::Pullable { repository: "registry.test/web".into(), digest: digest("2") };
            world.workload.running[0].identity = identity;
        },
        |world| {
            world.workload.uid = "uid-2".into();
            world.target().uid = "uid-2".into();
        },
    ];
    for change in change {
        let mut world = World::new();
        world.settle();
        world.pass(minutes(5));
        world.live_through(minutes(59));
        change(&mut world);
        let outlook = world.pass(minutes(1)).unwrap();
        assert_eq!(outlook.state, State::Planned, "judged, planned and told anew");
        assert_eq!(world.scales(), Vec::<i32>::new());
    }
}

#[test]
fn previous_replicas_follow_a_concurrent_change_until_the_act() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.live_through(minutes(59));
    world.now += minutes(1);
    let (_, _) = world.settle_at_most(1);
    assert_eq!((world.phase(), world.latch().previous_replicas), (Some(Phase::Latched), Some(3)));
    world.target().replicas = 5;
    world.settle();
    assert_eq!(world.latch().previous_replicas, Some(5), "the record is rewritten before the act");
    assert_eq!(world.scales(), [0]);
}

#[test]
fn killed_at_every_write_it_acts_once_and_loses_nothing() {
    for killed_after in 0..7 {
        let mut world = World::new();
        world.settle();
        world.pass(minutes(5));
        world.live_through(minutes(59));
        world.now += minutes(1);
        world.settle_at_most(killed_after);
        world.settled_since = world.now;
        world.live_through(minutes(15));
        assert_eq!(world.scales(), [0], "killed after {killed_after} writes");
        assert_eq!(world.latch().previous_replicas, Some(3));

        let nonce = world.latch().nonce.clone();
        world.target().undo = Some(nonce.clone());
        world.workload.annotations.insert("breakwater.dev/undo".into(), nonce);
        world.settle_at_most(killed_after);
        world.pass(minutes(1));
        assert_eq!(world.scales(), [0, 3], "killed after {killed_after} writes of the undo");
        assert!(matches!(world.phase(), Some(Phase::Closed(Because::Undo))));
    }
}

#[test]
fn a_crash_before_the_act_rolls_back_when_it_no_longer_applies() {
    let mut world = World::new();
    world.settle();
    world.pass(minutes(5));
    world.live_through(minutes(59));
    world.now += minutes(1);
    world.settle_at_most(1);
    world.verdict = verdict(Compliance::Compliant);
    world.settled_since = world.now;
    world.pass(minutes(6));
    assert_eq!(world.scales(), Vec::<i32>::new());
    assert!(!world.latch().is_holding());
}

#[test]
fn compliant_again_restores_but_not_out_of_an_older_index() {
    let mut world = World::mitigated();
    world.verdict = verdict(Compliance::Compliant);
    world.index_revision = Some(6);
    let outlook = world.pass(minutes(6)).unwrap();
    assert!(outlook.reason.starts_with("IndexOlder"), "{}", outlook.reason);
    assert_eq!(world.scales(), [0]);
    world.index_revision = Some(8);
    assert_eq!(world.pass(minutes(1)).unwrap().state, State::Restored);
    assert_eq!(world.scales(), [0, 3]);

    let mut world = World::mitigated();
    world.policy.remediation.restore.on_compliant = false;
    world.know_policy();
    world.verdict = verdict(Compliance::Compliant);
    world.live_through(minutes(60));
    assert_eq!(world.scales(), [0], "not asked for");
}

#[test]
fn restore_after_works_once() {
    let mut world = World::mitigated();
    world.policy.remediation.restore.after = Some(TimeDelta::hours(4));
    world.know_policy();
    world.live_through(minutes(230));
    assert_eq!(world.scales(), [0]);
    world.live_through(minutes(15));
    assert_eq!(world.scales(), [0, 3]);
    let pods = World::new().target().pods.clone();
    world.target().pods = pods;
    world.live_through(minutes(600));
    assert_eq!(world.scales(), [0, 3, 0], "still violating: told anew, done anew, and then it stays");
}

#[test]
fn the_last_holder_lets_go() {
    let mut world = World::mitigated();
    world.policies.known.clear();
    world.policies.complete = false;
    world.is_judged = false;
    world.live_through(minutes(30));
    assert_eq!(world.scales(), [0], "until all policies are known nobody is deleted");
    world.policies.complete = true;
    world.pass(minutes(0));
    assert_eq!(world.scales(), [0, 3]);

    let mut world = World::mitigated();
    world.policy.remediation.mode = Mode::DryRun;
    world.know_policy();
    world.pass(minutes(0));
    assert_eq!(world.scales(), [0, 3]);

    let mut world = World::mitigated();
    world.policies.known.insert("policy-1".into(), None);
    world.is_judged = false;
    world.live_through(minutes(60));
    assert_eq!(world.scales(), [0], "a policy whose spec is invalid exists");

    let mut world = World::mitigated();
    world.policy.suspended = true;
    world.know_policy();
    world.live_through(minutes(60));
    assert_eq!(world.scales(), [0], "suspend never lifts latches");
}

#[test]
fn only_zero_is_restored_and_only_to_what_was() {
    let mut world = World::mitigated();
    world.target().replicas = 5;
    world.workload.replicas = Some(5);
    assert_eq!(world.pass(minutes(1)).unwrap().state, State::Held, "never a write war");
    world.target().undo = Some(world.latch().nonce.clone());
    let nonce = world.latch().nonce.clone();
    world.workload.annotations.insert("breakwater.dev/undo".into(), nonce);
    world.pass(minutes(1));
    assert_eq!(world.scales(), [0]);
    assert!(!world.latch().is_holding());
}

#[test]
fn a_stale_undo_is_ignored() {
    let mut world = World::mitigated();
    for stale in ["nonce-of-last-year", "", "true"] {
        world.target().undo = Some(stale.into());
        world.workload.annotations.insert("breakwater.dev/undo".into(), stale.into());
        world.pass(minutes(1));
    }
    assert_eq!(world.scales(), [0]);
}

#[test]
fn an_undo_on_an_object_that_claims_a_controller_is_ignored() {
    let mut world = World::mitigated();
    let nonce = world.latch().nonce.clone();
    world.workload.annotations.insert("breakwater.dev/undo".into(), nonce.clone());
    world.workload.controlled_by = Some("Anything/forged".into());
    world.target().undo = Some(nonce);
    world.target().controlled_by = Some("Anything/forged".into());
    world.live_through(minutes(10));
    assert_eq!(world.scales(), [0]);
}

#[test]
fn a_recreated_object_stays_latched_and_nothing_is_put_on_it() {
    let mut world = World::mitigated();
    world.workload.uid = "uid-2".into();
    world.workload.replicas = Some(3);
    world.target().uid = "uid-2".into();
    let outlook = world.live_through(minutes(60)).unwrap();
    assert_eq!(outlook.state, State::Held);
    assert!(world.latch().is_holding());
    assert_eq!(world.scales(), [0]);
}

#[test]
fn a_terminating_namespace_is_left_alone() {
    let mut world = World::mitigated();
    world.live.namespace.terminating = true;
    world.policies.known.clear();
    world.pass(minutes(1));
    assert_eq!(world.scales(), [0]);
}

#[test]
fn paused_keeps_latches() {
    let mut world = World::mitigated();
    world.paused = Some("by the configuration");
    world.policies.known.clear();
    world.live_through(minutes(60));
    assert_eq!(world.scales(), [0]);
    assert!(world.latch().is_holding());
}

#[test]
fn undone_three_times_the_rule_pauses() {
    let mut world = World::mitigated();
    world.policy.remediation.triggers[0].grace = TimeDelta::zero();
    for _ in 0..3 {
        let nonce = world.latch().nonce.clone();
        world.workload.annotations.insert("breakwater.dev/undo".into(), nonce.clone());
        world.target().undo = Some(nonce);
        world.pass(minutes(1));
        let pods = World::new().target().pods.clone();
        world.target().pods = pods;
        world.live_through(minutes(60));
    }
    let outlook = world.live_through(minutes(60)).unwrap();
    assert!(outlook.reason.starts_with("UndoneTooOften"), "{}", outlook.reason);
    assert_eq!(world.scales(), [0, 3, 0, 3, 0, 3]);
}

#[test]
fn pods_are_evicted_one_by_one_and_again_and_again_is_not_containment() {
    let mut world = World::new();
    world.policy.remediation.triggers[0].action = ActionKind::DeletePod;
    world.policy.remediation.triggers[0].grace = TimeDelta::zero();
    world.settle();
    world.pass(minutes(5));
    let evictions = |world: &World| world.steps.iter().filter(|step| step.name() == "Evict").count();
    assert_eq!(evictions(&world), 3);
    assert!(matches!(world.phase(), Some(Phase::Closed(Because::Done))));
    assert_eq!(world.scales(), Vec::<i32>::new());
    for round in 0..4_usize {
        let mut pods = World::new().target().pods.clone();
        pods.iter_mut().for_each(|pod| pod.uid = format!("{}-{round}", pod.uid));
        world.target().pods = pods;
        world.live_through(minutes(11));
    }
    assert_eq!(evictions(&world), 9, "three rounds an hour");
    let outlook = world.live_through(minutes(1)).unwrap();
    assert!(outlook.reason.starts_with("NotContained"), "{}", outlook.reason);
}

#[test]
fn an_alert_only_tells_and_needs_no_key() {
    let mut world = World::new();
    world.policy.remediation.triggers[0].action = ActionKind::Alert;
    world.policy.remediation.mode = Mode::DryRun;
    world.rbac = false;
    world.settle();
    let outlook = world.live_through(minutes(60)).unwrap();
    assert_eq!(world.reasons(), ["PolicyViolated"], "once");
    assert_eq!(outlook.state, State::Applied);
    assert!(world.steps.iter().all(|step| !step.mutates()));
}

#[test]
fn the_first_trigger_that_holds_decides() {
    let mut world = World::new();
    let alert = Trigger {
        when: When { known_exploited: Some(true), ..When::default() },
        action: ActionKind::Alert,
        grace: GRACE,
    };
    world.policy.remediation.triggers.insert(0, alert.clone());
    assert_eq!(world.settle().unwrap().action, ActionKind::ScaleToZero, "known exploited does not hold");
    for when in [
        When { fixable_critical: Some(1), ..When::default() },
        When { rules: vec!["BW-VUL-001".into()], ..When::default() },
        When { rules: vec!["vulnerabilities.max".into()], known_exploited: Some(false), ..When::default() },
    ] {
        world.policy.remediation.triggers[0] = Trigger { when, ..alert.clone() };
        assert_eq!(world.settle().unwrap().action, ActionKind::Alert);
    }
    world.policy.remediation.triggers.clear();
    let mut fresh = World::new();
    fresh.policy.remediation.triggers.clear();
    assert_eq!(fresh.settle(), None, "no trigger, no action");
}

#[test]
fn the_breaker_opens_on_many_in_several_namespaces_and_a_reset_forgets_them() {
    let planned = |namespace: &str, n: usize| {
        let mut world = World::new();
        world.workload.id.namespace = namespace.into();
        world.workload.id.name = format!("web-{n}");
        world.settle();
        world.case.unwrap()
    };
    let settings = World::new().settings;
    let spread: Vec<Case> = (0..11).map(|n| planned(&format!("team-{}", n % 3), n)).collect();
    let open = Breaker::default().trip(&spread, 1000, &settings, noon() + minutes(1)).unwrap();
    assert!(
        open.is_open()
            && open
                .reason
                .contains("11 workloads in 3 namespaces would be hit within 5 minutes; 1000 are there")
    );
    assert_eq!(open.trip(&spread, 1000, &settings, noon()), None, "it is open already");
    assert!(Breaker::default().trip(&spread[..5], 10, &settings, noon() + minutes(1)).is_some(), "by share");
    assert_eq!(Breaker::default().trip(&spread[..5], 1000, &settings, noon()), None);
    let one_tenant: Vec<Case> = (0..40).map(|n| planned("team", n)).collect();
    assert_eq!(Breaker::default().trip(&one_tenant, 40, &settings, noon() + minutes(1)), None);
    let reset = Breaker { since: Some(noon() + minutes(2)), ..Breaker::default() };
    assert_eq!(reset.trip(&spread, 1000, &settings, noon() + minutes(3)), None);
}

#[test]
fn records_survive_and_unknown_versions_of_them_are_seen() {
    let world = World::mitigated();
    let case = world.case.unwrap();
    let json = serde_json::to_string(&case).unwrap();
    assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), case);
    for field in [
        "uid",
        "digests",
        "previousReplicas",
        "holders",
        "findings",
        "indexRevision",
        "time",
        "nonce",
        "phase",
    ] {
        assert!(json.contains(&format!("\"{field}\"")), "{field}: {json}");
    }
    assert_eq!(case_name(&case.workload).len(), "breakwater-latch-".len() + 20);
}
