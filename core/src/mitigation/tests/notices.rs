//! Second look, notice, grace, holds.

use chrono::TimeDelta;

use super::super::{scenario::*, *};
use crate::policy::Compliance;

fn raise_grace(world: &mut World, grace: TimeDelta) {
    world.policy().remediation.triggers[0].grace = grace;
}

// T-1, rules 5, 6, 10, 12.
#[test]
fn plan_notice_grace_zero_replicas_and_undo_restores_the_exact_count() {
    let mut world = World::new();
    assert_eq!(world.status().state, State::Planned, "the first look only plans");
    assert!(world.notes.is_empty());
    let status = world.live_through(minutes(5));
    assert_eq!((status.state, status.mode), (State::Announced, Mode::Enforce));
    assert_eq!(status.until, Some(noon() + minutes(5) + GRACE));
    assert_eq!(world.reasons(), ["MitigationNotice"]);
    world.live_through(minutes(59));
    assert!(!world.has_mutated(), "grace is not over");
    let before = world.log.len();
    let status = world.live_through(minutes(1));
    let order: Vec<&str> = world.log[before..].iter().map(|(_, _, step)| step.name()).collect();
    assert_eq!(order, ["Save", "Annotate", "Scale", "Save", "Save"], "record, mark, act, verify");
    assert_eq!((status.state, status.previous_replicas), (State::Verified, Some(3)));
    let copy = world.target().annotation.clone().unwrap();
    assert!(copy.contains("scale deployment web --replicas=3"), "{copy}");

    world.undo();
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0, 3]);
    assert_eq!(world.target().annotation, None);
    assert_eq!(world.record().history.undone["BW-VUL-001"], 1);
}

// Rule 17: the same facts again lead to no write.
#[test]
fn reconciling_again_writes_nothing() {
    let mut world = World::contained();
    let steps = world.log.len();
    world.live_through(minutes(60));
    assert_eq!(world.log.len(), steps);
}

// Rule 5, T-33: neither a newer index nor an edit that leaves the reason starts the second look again.
#[test]
fn the_second_look_belongs_to_the_reason() {
    let mut world = World::new();
    world.settle(0);
    for n in 0..4 {
        world.now += minutes(1);
        world.index = Some(IndexFacts { revision: 8 + n, data_at: world.now });
        world.policy().remediation.limits.max_concurrent = Some(u32::try_from(n).unwrap() + 5);
        world.settle(0);
    }
    world.live_through(minutes(1));
    assert_eq!(world.reasons(), ["MitigationNotice"]);
    assert_eq!(world.status().until, Some(noon() + minutes(65)));
}

// Rule 5.
#[test]
fn another_reason_has_its_own_second_look() {
    let mut world = World::new();
    world.live_through(minutes(4));
    world.verdict().checks[0].findings = vec!["CVE-2026-9999".into()];
    world.live_through(minutes(4));
    assert!(world.reasons().is_empty());
    world.live_through(minutes(1));
    assert_eq!(world.reasons(), ["MitigationNotice"]);
}

// Rule 6, L4, b_grace_changed_during_grace.
#[test]
fn a_longer_grace_is_announced_anew_and_a_shorter_one_shortens_nothing() {
    let mut world = World::new();
    world.live_through(minutes(10));
    raise_grace(&mut world, TimeDelta::hours(72));
    world.live_through(TimeDelta::hours(71));
    assert!(!world.has_mutated());
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationNotice"]);
    assert_eq!(world.status().until, Some(noon() + minutes(10) + TimeDelta::hours(72)));

    let mut world = World::new();
    world.live_through(minutes(10));
    raise_grace(&mut world, TimeDelta::zero());
    world.live_through(minutes(54));
    assert!(!world.has_mutated());
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0]);
}

// Rule 6, c_another_reason_during_grace.
#[test]
fn a_new_reason_starts_a_new_notice() {
    let mut world = World::new();
    world.live_through(minutes(50));
    world.verdict().checks[0].findings = vec!["CVE-2026-9999".into()];
    world.live_through(minutes(64));
    assert!(!world.has_mutated());
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0]);
    assert!(world.notes.iter().any(|note| note.text.contains("CVE-2026-9999")));
}

// Rule 6.
#[test]
fn a_harsher_action_starts_a_new_notice() {
    let mut world = World::new();
    world.policy().remediation.triggers[0].action = ActionKind::DeletePod;
    world.live_through(minutes(50));
    world.policy().remediation.triggers[0].action = ActionKind::ScaleToZero;
    world.live_through(minutes(59));
    assert!(!world.has_mutated());
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0]);
}

// Rule 6: grace starts when the notice is confirmed.
#[test]
fn nothing_is_due_before_the_notice_is_delivered() {
    let mut world = World::new();
    world.delivers = false;
    world.live_through(TimeDelta::hours(30));
    assert!(!world.has_mutated());
    let id = world.outbox.keys().next().unwrap().clone();
    world.outbox.insert(id.clone(), Delivery::Confirmed(world.now));
    world.confirmed.insert(id, world.now);
    world.live_through(minutes(59));
    assert!(!world.has_mutated());
    world.live_through(minutes(1));
    assert_eq!(world.scales(0), [0]);
    assert_eq!(world.reasons(), ["MitigationNotice", "ScaledToZero"], "told once");
}

// Rule 6, T-38, T-11: a restart moves a deadline only after a downtime longer than half of the grace.
#[test]
fn a_restart_in_every_phase_keeps_the_deadline() {
    for minute in 0..66 {
        let mut world = World::new();
        world.live_through(minutes(minute));
        let reasons = world.reasons();
        world.restart();
        world.live_through(minutes(1));
        assert!(!world.reasons().contains(&"MitigationCancelled"), "minute {minute}");
        assert!(world.reasons().starts_with(&reasons));
        world.complete = true;
        world.live_through(minutes(66 - minute));
        assert_eq!(world.scales(0), [0], "restarted at minute {minute}");
        let at = world.scaled_at().unwrap() - noon();
        assert!(at <= minutes(66), "restarted at minute {minute}: {at}");
    }
}

// Rule 6, T-38.
#[test]
fn one_restart_a_day_under_a_day_of_grace() {
    let mut world = World::new();
    raise_grace(&mut world, TimeDelta::hours(24));
    world.live_through(TimeDelta::hours(20));
    world.restart();
    world.live_through(minutes(2));
    world.complete = true;
    world.live_through(TimeDelta::hours(5));
    assert_eq!(world.scaled_at(), Some(noon() + minutes(5) + TimeDelta::hours(24)));
}

// Rule 6, T-11.
#[test]
fn a_downtime_longer_than_half_the_grace_renews_it() {
    let mut world = World::new();
    world.live_through(minutes(5));
    world.now += minutes(120);
    let status = world.status();
    assert_eq!((status.state, status.until), (State::Announced, Some(world.now + GRACE)));
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationNotice"]);

    let mut world = World::new();
    world.live_through(minutes(5));
    world.now += minutes(25);
    world.live_through(minutes(35));
    assert_eq!(world.scales(0), [0], "a short downtime does not");
}

// T-9, rule 6.
#[test]
fn an_exception_or_a_fix_during_grace_cancels() {
    let mut world = World::new();
    world.live_through(minutes(5));
    world.judge(Compliance::Compliant);
    world.live_through(minutes(120));
    assert!(!world.has_mutated());
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationCancelled"]);
    assert!(world.records.is_empty(), "nothing is left behind");
}

// Rule 6.
#[test]
fn a_hold_cancels_and_what_comes_after_it_starts_anew() {
    let mut world = World::new();
    world.live_through(minutes(5));
    let until = world.now + TimeDelta::hours(2);
    world.target().hold = Some(format!("{}; fix in review", until.to_rfc3339()));
    let status = world.live_through(minutes(1));
    assert_eq!((status.state, status.until), (State::Held, Some(until)));
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationCancelled"]);
    world.live_through(minutes(119));
    assert!(!world.has_mutated());
    world.live_through(minutes(64));
    assert!(!world.has_mutated(), "grace runs anew");
    world.live_through(minutes(2));
    assert_eq!(world.scales(0), [0]);
}

// Rule 6, L9, h_hold_that_cannot_be_read.
#[test]
fn a_hold_that_is_refused_is_reported_once_and_does_not_hold() {
    for value in ["2026-01-10T12:00:00Z; fix in review", "2026-01-02; fix", "2026-01-02T12:00:00Z"] {
        let mut world = World::new();
        world.target().hold = Some(value.into());
        let status = world.live_through(minutes(64));
        assert!(status.reason.contains("the hold annotation is refused"), "{}", status.reason);
        world.live_through(minutes(2));
        assert_eq!(world.scales(0), [0], "{value}");
        assert_eq!(world.reasons().iter().filter(|reason| **reason == "HoldRefused").count(), 1, "{value}");
    }
}

// Rule 6, g_notice_after_restart: silence means something only when every policy has judged.
#[test]
fn silence_after_a_start_cancels_nothing() {
    let mut world = World::new();
    world.live_through(minutes(30));
    world.restart();
    world.live_through(minutes(20));
    assert_eq!(world.record().notices.len(), 1);
    assert_eq!(world.reasons(), ["MitigationNotice"]);
}

// T-10: another object of that name, or another image, is not acted on for the old finding.
#[test]
fn another_template_is_judged_first() {
    let mut world = World::due();
    world.target().images = vec!["registry.test/web:2".into()];
    let status = world.live_through(minutes(30));
    assert!(status.reason.starts_with("EvidenceChanged"), "{}", status.reason);
    assert!(!world.has_mutated());

    let mut world = World::due();
    world.target().uid = "uid-2".into();
    assert!(world.live_through(minutes(30)).reason.starts_with("EvidenceChanged"));
    assert!(!world.has_mutated());
}
