//! The three opt-ins, what is never touched, switches and evidence.

use chrono::TimeDelta;

use super::super::{scenario::*, *};
use crate::{policy::Compliance, workload::WorkloadKind};

type Change = fn(&mut World);

fn kind(world: &mut World, kind: WorkloadKind) {
    world.objects[0].target.workload.kind = kind;
    world.objects[0].cached.id.kind = kind;
}

fn namespace(world: &mut World, name: &str) {
    world.objects[0].target.workload.namespace = name.into();
    world.objects[0].cached.id.namespace = name.into();
}

const OPT_INS: [(Change, &str); 3] = [
    (
        |world| world.namespace.enabled = false,
        "missing opt-in: namespace label breakwater.dev/remediation=enabled",
    ),
    (|world| world.policy().remediation.mode = Mode::DryRun, "missing opt-in: policy mode Enforce"),
    (|world| world.access = Some(false), "missing opt-in: the right to update workloads/scale"),
];

// Rules 1 and 2.
#[test]
fn a_missing_opt_in_means_dry_run_and_is_named() {
    for (change, reason) in OPT_INS {
        let mut world = World::new();
        change(&mut world);
        let status = world.live_through(minutes(300));
        assert!(status.reason.starts_with(reason), "{}", status.reason);
        assert_eq!((status.mode, status.state), (Mode::DryRun, State::Planned));
        assert!(!world.has_mutated());
        assert_eq!(world.reasons(), ["WouldScaleToZero"], "told once");
        assert!(world.notes[0].text.contains("3 replicas") && world.notes[0].text.contains(reason));
    }
}

// Rule 1.
#[test]
fn an_opt_in_that_is_withdrawn_cancels() {
    for (change, reason) in OPT_INS {
        let mut world = World::new();
        world.live_through(minutes(50));
        change(&mut world);
        world.live_through(minutes(300));
        assert!(!world.has_mutated(), "{reason}");
        assert!(world.reasons().contains(&"MitigationCancelled"), "{reason}: {:?}", world.reasons());
    }
}

// Rule 1: between record and act.
#[test]
fn an_opt_in_that_is_withdrawn_after_the_record_rolls_back() {
    for change in [OPT_INS[0].0, OPT_INS[1].0] {
        let mut world = World::due();
        world.settle_with(0, Some((0, Fault::KilledAfter)));
        assert_eq!(world.phase(), Some(Phase::Recorded));
        change(&mut world);
        world.live_through(minutes(10));
        assert!(world.scales(0).is_empty());
        assert!(matches!(world.phase(), Some(Phase::Closed(_))));
    }
}

// Rules 1 and 6: dry-run for weeks serves no grace.
#[test]
fn an_opt_in_that_comes_late_starts_with_a_notice() {
    for (change, _) in OPT_INS {
        let mut world = World::new();
        change(&mut world);
        world.live_through(minutes(300));
        world.namespace.enabled = true;
        world.access = Some(true);
        world.policy().remediation.mode = Mode::Enforce;
        world.live_through(minutes(59));
        assert!(!world.has_mutated());
        assert_eq!(world.reasons(), ["WouldScaleToZero", "MitigationNotice"]);
        world.live_through(minutes(7));
        assert_eq!(world.scales(0), [0]);
    }
}

// Seen 11, k_the_right_could_not_be_asked_for.
#[test]
fn a_right_that_could_not_be_asked_for_neither_cancels_nor_acts() {
    let mut world = World::new();
    world.live_through(minutes(50));
    world.access = None;
    let status = world.live_through(minutes(20));
    assert!(status.reason.starts_with("AccessUnknown"), "{}", status.reason);
    assert!(!world.has_mutated());
    assert_eq!(world.reasons(), ["MitigationNotice"]);
    world.access = Some(true);
    world.settle(0);
    assert_eq!(world.scales(0), [0], "the deadline was kept");
}

// Rules 3, 7, 13, 18, T-6, T-22.
#[test]
fn what_blocks_is_named_and_touches_nothing() {
    let cases: [(&str, Change); 22] = [
        ("ExemptNamespace", |w| namespace(w, "kube-system")),
        ("ExemptNamespace", |w| namespace(w, OWN_NAMESPACE)),
        ("ExemptNamespace", |w| w.exempt.push("shop".into())),
        ("KindNotEnabled", |w| kind(w, WorkloadKind::StatefulSet)),
        ("DaemonSetNeverScaled", |w| kind(w, WorkloadKind::DaemonSet)),
        ("RunningJob", |w| kind(w, WorkloadKind::Job)),
        ("VolumesWouldBeDeleted", |w| {
            kind(w, WorkloadKind::StatefulSet);
            w.policy().remediation.kinds = vec![WorkloadKind::StatefulSet];
            w.target().deletes_volumes = true;
        }),
        ("OwnedBy: Rollout/web", |w| w.target().controlled_by = Some("Rollout/web".into())),
        ("OwnedBy: Rollout/web", |w| w.objects[0].cached.controlled_by = Some("Rollout/web".into())),
        ("NotAvailable: action Quarantine", |w| {
            w.policy().remediation.triggers[0].action = ActionKind::Quarantine;
        }),
        ("NotAvailable: a trigger on risk", |w| w.policy().remediation.triggers[0].when.risk = Some(50)),
        ("Paused", |w| w.paused = Some("by the configuration")),
        ("Paused", |w| w.namespace.paused = true),
        ("NamespaceTerminating", |w| w.namespace.terminating = true),
        ("TargetTerminating", |w| w.target().terminating = true),
        ("BreakerOpen", |w| w.breaker.state = BreakerState::Open),
        ("NothingRuns", |w| w.scaled_by_other(0, 0)),
        ("EvidenceChanged", |w| w.target().images = vec!["registry.test/web:2".into()]),
        ("NoEvidence", |w| {
            w.verdict().checks[0].digest = None;
            w.verdict().checks[0].reported = None;
        }),
        ("IndexMissing", |w| w.index = None),
        ("AdvisoriesStale", |w| {
            w.index = Some(IndexFacts { revision: 7, data_at: noon() - TimeDelta::days(31) })
        }),
        ("BudgetSpent", |w| w.settings.max_per_namespace_per_hour = 0),
    ];
    for (reason, change) in cases {
        let mut world = World::new();
        change(&mut world);
        let status = world.live_through(minutes(300));
        assert!(matches!(status.state, State::Blocked | State::Held), "{reason}: {status:?}");
        assert!(status.reason.starts_with(reason), "{} instead of {reason}", status.reason);
        assert!(!world.has_mutated(), "{reason}");
    }
}

// Rules 4, 5, 9, 18: checked again right before the act; the notice stands.
#[test]
fn what_was_announced_is_checked_again() {
    let cases: [(&str, Change); 8] = [
        ("Paused", |w| w.paused = Some("by the configuration")),
        ("Paused", |w| w.namespace.paused = true),
        ("BreakerOpen", |w| w.breaker.state = BreakerState::Open),
        ("IndexMissing", |w| w.index = None),
        ("IndexOlder", |w| w.index = Some(IndexFacts { revision: 6, data_at: noon() })),
        ("AdvisoriesStale", |w| {
            w.index = Some(IndexFacts { revision: 7, data_at: noon() - TimeDelta::days(31) })
        }),
        ("BudgetSpent", |w| w.settings.max_per_hour = 0),
        ("EvidenceChanged", |w| w.verdict().changes_at = Some(noon() + minutes(30))),
    ];
    for (reason, change) in cases {
        let mut world = World::new();
        world.live_through(minutes(5));
        change(&mut world);
        let status = world.live_through(minutes(300));
        assert!(status.reason.starts_with(reason), "{} instead of {reason}", status.reason);
        assert!(!world.has_mutated(), "{reason}");
        assert_eq!(world.reasons(), ["MitigationNotice"], "{reason}");
    }
}

// Rule 18: what stops is over, and the action follows at once.
#[test]
fn the_end_of_a_pause_acts_at_once() {
    let mut world = World::new();
    world.live_through(minutes(5));
    world.paused = Some("by the configuration");
    world.live_through(minutes(300));
    world.paused = None;
    world.settle(0);
    assert_eq!(world.scales(0), [0]);
}

// Rule 18: read before every single step.
#[test]
fn a_pause_between_record_and_act_stops_the_act() {
    let mut world = World::due();
    world.settle_with(0, Some((0, Fault::KilledAfter)));
    world.paused = Some("by the configuration");
    world.live_through(minutes(60));
    assert!(!world.has_mutated());
    world.paused = None;
    world.settle(0);
    assert_eq!(world.scales(0), [0]);
}

// Rule 4.
#[test]
fn unknown_does_not_mitigate() {
    let mut world = World::new();
    world.live_through(minutes(5));
    world.judge(Compliance::Unknown);
    let status = world.live_through(minutes(120));
    assert!(status.reason.starts_with("VerdictUnknown"), "{}", status.reason);
    assert!(!world.has_mutated());
    assert_eq!(world.reasons(), ["MitigationNotice"], "it cancels nothing either");
}

// Rule 4: `unscanned: Deny` is shown and acts on nothing.
#[test]
fn what_is_denied_because_it_is_not_known_is_never_acted_on() {
    let mut world = World::new();
    world.verdict().checks[0].is_evidence = false;
    world.live_through(TimeDelta::hours(48));
    assert!(!world.has_mutated());
    assert!(world.notes.is_empty());
}

// Rule 7: an alert needs no opt-in and is given once.
#[test]
fn an_alert_only_tells() {
    let mut world = World::new();
    world.policy().remediation.triggers[0].action = ActionKind::Alert;
    world.policy().remediation.mode = Mode::DryRun;
    world.access = Some(false);
    let status = world.live_through(minutes(60));
    assert_eq!(world.reasons(), ["PolicyViolated"]);
    assert_eq!(status.state, State::Applied);
    assert!(!world.has_mutated());
}

// `spec.remediation.triggers`.
#[test]
fn the_first_trigger_that_holds_decides() {
    let mut world = World::new();
    let alert = Trigger {
        when: When { known_exploited: Some(true), ..When::default() },
        action: ActionKind::Alert,
        grace: GRACE,
    };
    world.policy().remediation.triggers.insert(0, alert.clone());
    assert_eq!(world.status().action, ActionKind::ScaleToZero, "known exploited does not hold");
    for when in [
        When { fixable_critical: Some(1), ..When::default() },
        When { rules: vec!["BW-VUL-001".into()], ..When::default() },
        When { rules: vec!["vulnerabilities.max".into()], known_exploited: Some(false), ..When::default() },
    ] {
        world.policy().remediation.triggers[0] = Trigger { when, ..alert.clone() };
        assert_eq!(world.status().action, ActionKind::Alert);
    }
    let mut world = World::new();
    world.policy().remediation.triggers.clear();
    world.live_through(minutes(300));
    assert!(world.log.is_empty(), "no trigger, no action");
}

// Rule 18: a pause that the watch told of is known before anything is read, and its end as well.
#[test]
fn a_pause_of_the_namespace_is_known_from_the_cache() {
    let mut world = World::due();
    world.objects[0].cached.namespace_paused = true;
    let plan = world.think(0, None);
    // The notice is attended to further, and nothing else.
    assert!(matches!(plan.step, None | Some(Step::Save { .. })), "{:?}", plan.step);
    assert!(plan.statuses[POLICY].reason.starts_with("Paused: "), "{:?}", plan.statuses);
    world.objects[0].cached.namespace_paused = false;
    assert_eq!(world.think(0, None).step, Some(Step::ReadTarget));
}
